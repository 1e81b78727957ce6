#!/usr/bin/env bash
# The Kubernetes servers of the tests: kube-apiserver, kube-controller-manager and kube-scheduler v1.20.2, built from
# Debian's source package `kubernetes` (bookworm; Apache-2.0), because no package holds them ready-made. Nothing is
# installed: the Go compiler is unpacked from its Debian package. Needs apt-get, dpkg-dev, 3 GB of disk, 1.5 GB of memory.
# Not in here: starting them. The tests do that themselves (tests/it/cluster).
#
# usage: tests/tools/kubernetes.sh build DIR       into DIR, which then serves as KUBEBUILDER_ASSETS (10 minutes on 2 cores)
#        tests/tools/kubernetes.sh packages DIR    only the packages, to see that they are still there
#        tests/tools/kubernetes.sh stop DIR        ends the test cluster that is kept in DIR, by pid, and removes DIR
set -euo pipefail

kubernetes_debian=1.20.5+really1.20.2-1.1+deb12u1
kubernetes_version=v1.20.2
go_debian=1.19.8-2
keyring=/usr/share/keyrings/debian-archive-keyring.gpg
mirror=http://deb.debian.org/debian
servers=(kube-apiserver kube-controller-manager kube-scheduler)

say() { printf '== %s %s\n' "$(date +%T)" "$*"; }
fail() {
  printf '%s\n' "$*" >&2
  exit 1
}

# With an apt configuration of our own: the sources, lists and cache of the machine stay as they are.
packages() {
  local build=$1 apt known
  [ -f "$keyring" ] || fail "found no $keyring, expected Debian's keys: install debian-archive-keyring"
  # shellcheck disable=SC2016
  known=$(apt-get indextargets --format '$(REPO_URI)' 'Created-By: Packages' 'Label: Debian' 2>/dev/null | sed -n 1p)
  mirror=${known:-$mirror}
  mkdir -p "$build"/apt/lists/partial "$build"/apt/cache/archives/partial "$build"/deb "$build"/unpacked
  local kind
  for kind in deb deb-src; do
    printf '%s [signed-by=%s] %s bookworm main\n' "$kind" "$keyring" "$mirror"
  done >"$build/apt/sources.list"
  apt=(apt-get -q -o "Dir::Etc::SourceList=$build/apt/sources.list" -o Dir::Etc::SourceParts=/dev/null
    -o "Dir::State::Lists=$build/apt/lists" -o "Dir::Cache=$build/apt/cache" -o APT::Sandbox::User=root)
  say "packages from $mirror"
  "${apt[@]}" update
  cd "$build/deb"
  "${apt[@]}" download "golang-1.19-go=$go_debian" "golang-1.19-src=$go_debian"
  "${apt[@]}" source --download-only "kubernetes=$kubernetes_debian"
}

# The tarball lacks one generated file, the OpenAPI description; its generator is in the tree.
openapi() {
  local build=$1 file=pkg/generated/openapi/zz_generated.openapi.go
  if [ -s "$file" ]; then return 0; fi
  say 'the generated OpenAPI description'
  go build -p 2 -o "$build/openapi-gen" ./vendor/k8s.io/kube-openapi/cmd/openapi-gen
  local staging=(api apimachinery kube-aggregator apiextensions-apiserver apiserver component-base
    kube-controller-manager kube-proxy kube-scheduler kubelet metrics cloud-provider)
  local inputs
  # grep answers 2 for a directory that is not there, which may be.
  inputs=$({ grep -rl --include='*.go' -e '+k8s:openapi-gen=' "${staging[@]/#/staging/src/k8s.io/}" pkg cmd/kube* 2>/dev/null || true; } |
    xargs -n1 dirname | grep -Ev 'generated|testing|_examples' |
    sed -e 's#^staging/src/#k8s.io/kubernetes/vendor/#' -e '/^k8s.io/!s#^#k8s.io/kubernetes/#' | LC_ALL=C sort -u | paste -sd,)
  "$build/openapi-gen" --logtostderr -i "$inputs" -p k8s.io/kubernetes/pkg/generated/openapi -O zz_generated.openapi \
    -h hack/boilerplate/boilerplate.generatego.txt -r "$build/violations.txt"
}

build() {
  local out build package server path flags
  mkdir -p "$1"
  out=$(realpath "$1")
  build=$out/.build
  (packages "$build")
  for package in "$build"/deb/*.deb; do dpkg -x "$package" "$build/unpacked"; done
  [ -d "$build/kubernetes" ] || dpkg-source -x "$build/deb/kubernetes_$kubernetes_debian.dsc" "$build/kubernetes"

  # A GOPATH with the tree and its vendor directory: nothing is fetched.
  export GOROOT=$build/unpacked/usr/lib/go-1.19 GOCACHE=$build/cache GOTMPDIR=$build/temp GOPATH=$build/path
  export PATH=$GOROOT/bin:$PATH GO111MODULE=off CGO_ENABLED=0
  mkdir -p "$GOCACHE" "$GOTMPDIR" "$GOPATH/src/k8s.io"
  ln -sfn "$build/kubernetes" "$GOPATH/src/k8s.io/kubernetes"
  cd "$GOPATH/src/k8s.io/kubernetes"
  openapi "$build"

  # The source calls itself v0.0.0; the version is given when it is linked.
  flags='-s -w'
  for path in k8s.io/component-base/version k8s.io/kubernetes/vendor/k8s.io/component-base/version; do
    flags+=" -X $path.gitVersion=$kubernetes_version -X $path.gitMajor=1 -X $path.gitMinor=20"
  done
  flags+=" -X k8s.io/kubernetes/vendor/k8s.io/client-go/pkg/version.gitVersion=$kubernetes_version"
  for server in "${servers[@]}"; do
    say "$server"
    go build -p 2 -ldflags "$flags" -o "$build/$server" "./cmd/$server"
    mv "$build/$server" "$out/$server"
  done
  cd "$out"
  # Go makes its cache read-only.
  chmod -R u+w "$build"
  rm -rf "$build"
  say 'done'
}

# The start time of a process in clock ticks: with its pid, a name that is not used again before the next boot. None for
# one that has ended and only waits to be noticed.
started() { sed -e 's/.*) //' -e '/^[ZX]/d' "/proc/$1/stat" 2>/dev/null | cut -d' ' -f20; }

# lives PID STARTED
lives() { [ "$(started "$1")" = "$2" ]; }

# The keeper ends its servers itself when it is asked to; what is left after that is ended by force.
stop() {
  local file=$1/state/processes pid start name tries=0
  if [ -f "$file" ]; then
    local copy
    copy=$(cat "$file")
    read -r pid start name <<<"$copy"
    if lives "$pid" "$start"; then
      kill -TERM "$pid" || true
      while lives "$pid" "$start" && [ "$tries" -lt 150 ]; do
        tries=$((tries + 1))
        sleep 0.1
      done
    fi
    while read -r pid start name; do
      if lives "$pid" "$start"; then
        echo "$name had to be killed" >&2
        kill -KILL "$pid" || true
      fi
    done <<<"$copy"
  fi
  rm -rf "$1"
}

case "${1:-} $#" in
  'build 2') build "$2" ;;
  'packages 2') packages "$(mkdir -p "$2" && realpath "$2")" ;;
  'stop 2') stop "$2" ;;
  *) fail "found '$*', expected one of: build DIR, packages DIR, stop DIR" ;;
esac
