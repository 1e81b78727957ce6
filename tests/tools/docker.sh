#!/usr/bin/env bash
# A Docker engine of the tests' own: containerd, dockerd and a registry, beside whatever engine the machine has, which is
# neither used nor touched: own data, own socket, own bridge, own configuration, and no rule in the machine's packet filter
# (ports are published by the engine's proxy; containers do not reach the internet). Needs root: `sudo -n` when it is not.
# Not in here: installing (tests/tools/install.sh), and images (tests/it/docker makes them).
#
# usage: tests/tools/docker.sh start DIR     DIR/env then says where it is: DOCKER_HOST, DOCKER_CONFIG, REGISTRY
#        tests/tools/docker.sh stop DIR      ends it and its containers, by pid, and removes DIR
#        tests/tools/docker.sh sweep PARENT  stops the ones under PARENT/docker-* whose starter is gone
set -euo pipefail

PATH=$PATH:/usr/sbin:/sbin
root=()
if [ "$(id -u)" != 0 ]; then root=(sudo -n); fi

fail() {
  printf '%s\n' "$*" >&2
  exit 1
}

# The start time of a process in clock ticks: with its pid, a name that is not used again before the next boot. None for
# one that has ended and only waits to be noticed.
started() { sed -e 's/.*) //' -e '/^[ZX]/d' "/proc/$1/stat" 2>/dev/null | cut -d' ' -f20; }

# lives PID STARTED
lives() { [ -n "$2" ] && [ "$(started "$1")" = "$2" ]; }

# patiently SECONDS COMMAND...: until it succeeds.
patiently() {
  local tries=$(($1 * 20))
  shift
  while ! "$@" >/dev/null 2>&1; do
    tries=$((tries - 1))
    if [ "$tries" -le 0 ]; then return 1; fi
    sleep 0.05
  done
}

# launch NAME COMMAND...: in the background and in a session of its own; noted with the pid that the program itself has.
launch() {
  local name=$1 pid
  shift
  # The shell that writes its pid becomes the program.
  # shellcheck disable=SC2016
  "${root[@]}" setsid sh -c 'echo $$ >"$0" && exec "$@"' "$dir/$name.pid" "$@" </dev/null >"$dir/$name.log" 2>&1 9>&- &
  patiently 10 test -s "$dir/$name.pid" || fail "found no $name after 10 s: $(tail -n 5 "$dir/$name.log")"
  pid=$(cat "$dir/$name.pid")
  echo "$pid $(started "$pid") $name" >>"$dir/processes"
}

listening() { (exec 3<>"/dev/tcp/127.0.0.1/$1") 2>/dev/null; }

free_port() {
  local port
  for _ in $(seq 1 50); do
    port=$((20000 + RANDOM % 10000))
    if ! listening "$port"; then
      echo "$port"
      return 0
    fi
  done
  fail 'found no free port in 50 tries'
}

# A bridge of our own: docker0 belongs to the machine's engine. With a /24 that nothing routes.
own_bridge() {
  local net
  bridge=lgt$$
  for _ in $(seq 1 50); do
    net=10.213.$((RANDOM % 256))
    if [ -z "$(ip route show "$net.0/24")" ]; then break; fi
  done
  echo "$bridge" >"$dir/bridge"
  "${root[@]}" ip link add "$bridge" type bridge
  "${root[@]}" ip addr add "$net.1/24" dev "$bridge"
  "${root[@]}" ip link set "$bridge" up
}

# Where the machine filters what crosses a bridge, and drops what it does not know, containers of one network would not
# reach each other. One rule, which `stop` takes away again.
bridged=(FORWARD -m physdev --physdev-is-bridged -m comment --comment)
let_bridged_through() {
  if [ "$(cat /proc/sys/net/bridge/bridge-nf-call-iptables 2>/dev/null)" = 1 ] &&
    "${root[@]}" iptables -S FORWARD 2>/dev/null | grep -q '^-P FORWARD DROP'; then
    if "${root[@]}" iptables -I "${bridged[@]}" "lastgood-$bridge" -j ACCEPT; then echo yes >"$dir/rule"; fi
  fi
}

containerd_config() {
  cat <<END
version = 2
root = "$dir/containerd"
state = "$short/containerd"
disabled_plugins = ["io.containerd.grpc.v1.cri", "io.containerd.nri.v1.nri"]
[grpc]
address = "$short/containerd.sock"
[debug]
address = "$short/debug.sock"
END
}

start() {
  local port
  for program in dockerd containerd docker docker-registry ip; do
    command -v "$program" >/dev/null || fail "found no $program, expected a Docker engine: see tests/tools/install.sh"
  done
  if [ "$(id -u)" != 0 ] && ! sudo -n true 2>/dev/null; then fail 'found no root and no sudo without a password: an engine needs it'; fi
  mkdir -p "$1"
  dir=$(realpath "$1")
  [ ! -e "$dir/processes" ] || fail "found $dir/processes: an engine was started there already"
  # Paths of sockets may have 107 characters.
  short=$(mktemp -d /tmp/lgt.XXXXXX)
  chmod 755 "$short"
  echo "$short" >"$dir/short"
  echo "$PPID $(started "$PPID")" >"$dir/starter"
  : >"$dir/processes"
  trap 'stop "$dir"' EXIT
  own_bridge
  let_bridged_through
  mkdir -p "$dir/config" "$dir/registry"
  echo '{}' >"$dir/config/config.json"
  echo '{}' >"$dir/daemon.json"
  local plugins
  plugins=$(dirname "$0")/../.cache/docker-plugins
  if [ -d "$plugins" ]; then ln -s "$(realpath "$plugins")" "$dir/config/cli-plugins"; fi
  containerd_config >"$dir/containerd.toml"
  launch containerd containerd --config "$dir/containerd.toml"
  patiently 20 "${root[@]}" test -S "$short/containerd.sock" || fail "containerd did not come up: $(tail -n 20 "$dir/containerd.log")"
  launch dockerd dockerd --config-file "$dir/daemon.json" --data-root "$dir/data" --exec-root "$short/exec" \
    --pidfile "$short/dockerd.pid" --host "unix://$short/docker.sock" --group "$(id -g)" \
    --containerd "$short/containerd.sock" --bridge "$bridge" --iptables=false --ip6tables=false \
    --default-address-pool base=10.214.0.0/16,size=26
  port=$(free_port)
  printf 'version: 0.1\nlog: {level: warn, accesslog: {disabled: true}}\nstorage: {filesystem: {rootdirectory: %s}, delete: {enabled: true}}\nhttp: {addr: "127.0.0.1:%s", secret: test}\n' \
    "$dir/registry" "$port" >"$dir/registry.yml"
  launch docker-registry docker-registry serve "$dir/registry.yml"
  printf 'DOCKER_HOST=%s\nDOCKER_CONFIG=%s\nREGISTRY=%s\nBRIDGE=%s\n' "unix://$short/docker.sock" "$dir/config" "127.0.0.1:$port" "$bridge" >"$dir/env.new"
  patiently 60 docker --host "unix://$short/docker.sock" version || fail "the engine did not come up: $(tail -n 20 "$dir/dockerd.log")"
  patiently 20 listening "$port" || fail "the registry did not come up: $(tail -n 20 "$dir/docker-registry.log")"
  trap - EXIT
  mv "$dir/env.new" "$dir/env"
}

# The engine ends its containers itself when it is asked to end; what is left after that is ended by force.
end() {
  local pid=$1 start=$2 name=$3 tries=0
  if ! lives "$pid" "$start"; then return 0; fi
  "${root[@]}" kill -TERM "$pid" || true
  while lives "$pid" "$start" && [ "$tries" -lt 300 ]; do
    tries=$((tries + 1))
    sleep 0.1
  done
  if lives "$pid" "$start"; then
    echo "$name had to be killed" >&2
    "${root[@]}" kill -KILL "$pid" || true
  fi
}

stop() {
  local dir=$1 short bridge pid start name mount
  if [ ! -d "$dir" ]; then return 0; fi
  dir=$(realpath "$dir")
  # Nobody waits for containers that do not listen to TERM.
  if [ -f "$dir/env" ]; then
    local host
    host=$(sed -n 's/^DOCKER_HOST=//p' "$dir/env")
    docker --host "$host" ps --quiet 2>/dev/null | xargs --no-run-if-empty docker --host "$host" kill >/dev/null 2>&1 || true
  fi
  # In the reverse order: dockerd needs its containerd to the end.
  if [ -f "$dir/processes" ]; then
    while read -r pid start name <&3; do end "$pid" "$start" "$name"; done 3< <(tac "$dir/processes")
  fi
  short=$(cat "$dir/short" 2>/dev/null || true)
  bridge=$(cat "$dir/bridge" 2>/dev/null || true)
  # What an engine that was killed leaves mounted must not be removed from under it.
  while read -r mount <&3; do "${root[@]}" umount -l "$mount" || true; done 3< <(
    cut -d' ' -f2 /proc/mounts | grep -F -e "$dir/" ${short:+-e "$short/"} | LC_ALL=C sort -r)
  if [ -n "$bridge" ]; then
    if [ -f "$dir/rule" ]; then "${root[@]}" iptables -D "${bridged[@]}" "lastgood-$bridge" -j ACCEPT || true; fi
    if ip link show "$bridge" >/dev/null 2>&1; then "${root[@]}" ip link delete "$bridge" || true; fi
  fi
  case $short in /tmp/lgt.*) "${root[@]}" rm -rf --one-file-system "$short" ;; esac
  "${root[@]}" rm -rf --one-file-system "$dir"
}

# A run that was killed could not stop its engine.
sweep() {
  local dir pid start
  for dir in "$1"/docker-*; do
    if [ ! -f "$dir/starter" ]; then continue; fi
    read -r pid start <"$dir/starter"
    if ! lives "$pid" "$start"; then stop "$dir"; fi
  done
}

case "${1:-} $#" in
  'start 2') start "$2" ;;
  'stop 2') stop "$2" ;;
  'sweep 2') sweep "$2" ;;
  *) fail "found '$*', expected one of: start DIR, stop DIR, sweep PARENT" ;;
esac
