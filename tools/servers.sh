# Servers to be measured, one at a time or side by side, each pinned to one core. To be sourced from the
# tree's root by a script that has `set -euo pipefail`.

SERVER_CORE=0
LOAD_CORE=1
# How a server is put into a network of its own; empty: it is not.
inside=()

scratch=$(mktemp -d)
declare -A server_pids=()

stop_all() {
    local pid
    for pid in "${server_pids[@]}"; do
        kill -9 "$pid" 2>/dev/null || true
        wait "$pid" 2>/dev/null || true
    done
    server_pids=()
}

clean_up_servers() {
    stop_all
    rm -rf "$scratch"
}
trap clean_up_servers EXIT

# Builds all that is measured, and sets floor to the ring's floor.
build_servers() {
    tools/setup test
    tests/storm/build
    cargo build --release --quiet --workspace --features kerberos,jemalloc
    floor=$(cargo bench --workspace --features kerberos,jemalloc --no-run --bench floor --message-format=json 2>/dev/null |
        sed -n 's/.*"executable":"\([^"]*floor-[^"]*\)".*/\1/p' | tail -1)
}

listens() { "${inside[@]}" ss -ltnH "sport = :$1" | grep -q .; }

listens_or_ended() { listens "$1" || ! kill -0 "$2" 2>/dev/null; }

not() { ! "$@"; }

# await WHAT COMMAND: until the command succeeds, half a minute at the most.
await() {
    local what=$1 tries
    shift
    for ((tries = 0; tries < 3000; tries++)); do
        ! "$@" || return 0
        sleep 0.01
    done
    echo "waited in vain until $what" >&2
    return 1
}

# start NAME KIND PORT [OPTIONS]: ours, java or floor. Sets server_pids[NAME], and waits until it listens.
start() {
    local name=$1 kind=$2 port=$3
    shift 3
    local -a command
    # The kernel closes an io_uring's sockets a moment after its process has gone.
    await "port $port is free" not listens "$port"
    case $kind in
    ours) command=("${OURS:-target/release/storm-pacemaker}" --bind "${BIND:-127.0.0.1}" --port "$port" -c admin.address=127.0.0.1:0 "$@") ;;
    floor) command=("$floor" "$port") ;;
    java) command=(tests/storm/java-pacemaker "$port" "$scratch/$name") ;;
    *)
        echo "no such server: $kind" >&2
        exit 2
        ;;
    esac
    "${inside[@]}" taskset -c $SERVER_CORE "${command[@]}" >"$scratch/$name.log" 2>&1 &
    local pid=$!
    server_pids[$name]=$pid
    if ! await "$name listens on port $port" listens_or_ended "$port" "$pid" ||
        ! kill -0 "$pid" 2>/dev/null; then
        echo "$name does not serve:" >&2
        cat "$scratch/$name.log" >&2
        exit 1
    fi
}

stop() {
    local pid=${server_pids[$1]}
    unset "server_pids[$1]"
    kill -9 "$pid" 2>/dev/null || true
    wait "$pid" 2>/dev/null || true
}

describe_machine() {
    uname -srm
    grep -m1 'model name' /proc/cpuinfo | sed 's/.*: //'
    printf '%s cores, %s\n' "$(nproc)" "$(grep MemTotal /proc/meminfo | awk '{printf "%.0f GiB", $2 / 1048576}')"
    date -u +%F
}
