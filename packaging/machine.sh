# Boots a root file system with systemd in a container without a network. Source it after lib.sh.

# boot ROOT [NSPAWN_OPTION...]: boots it, and waits until systemd is up.
boot() {
    root=$1
    shift
    # nspawn's default limits may be higher than this process's.
    systemd-nspawn --quiet --register=no --keep-unit --private-network --console=pipe --boot \
        --rlimit="NOFILE=$(ulimit -Hn)" --directory "$root" "$@" </dev/null >"$scratch/console" 2>&1 &
    machine=$!
    finally 'kill $machine 2>/dev/null; wait $machine 2>/dev/null'
    until_true "the container has a first process" has_leader
    until_true "systemd is up" is_up
}

# Like Docker's, nspawn's filter forbids io_uring. Without this option the daemon needs its epoll path.
with_io_uring=(--system-call-filter=@aio)

has_leader() { leader=$(pgrep --parent "$machine") && [[ -n $leader ]]; }
is_up() { [[ $(inside systemctl is-system-running 2>/dev/null) == running ]]; }

inside() { nsenter --target "$leader" --mount --uts --ipc --net --pid --root --wd -- "$@"; }
# Runs outside the container, in its network: the container has no Python.
beat() { nsenter --target "$leader" --net packaging/pulse "$@" >/dev/null || fail_with_logs "the daemon does not answer: pulse $*"; }

show_logs() { cat "$scratch/console" >&2; inside journalctl --no-pager --lines 60 >&2 || true; }
fail_with_logs() { show_logs; fail "$@"; }

# quietly WHAT COMMAND...: runs COMMAND inside; its output and the logs are shown only if it fails.
quietly() {
    local what=$1
    shift
    inside "$@" >"$scratch/said" 2>&1 </dev/null || { cat "$scratch/said" >&2; fail_with_logs "$what"; }
}

until_true() {
    local what=$1 deadline=$((SECONDS + 60))
    shift
    until "$@"; do
        ((SECONDS < deadline)) || fail_with_logs "timed out after 60 s: $what"
        kill -0 "$machine" 2>/dev/null || { cat "$scratch/console" >&2; fail "the container stopped while waiting: $what"; }
        sleep 0.1
    done
}

restart() { inside systemctl restart storm-pacemaker.service || fail_with_logs "the service does not restart: $*"; }
service() { inside systemctl show --value --property "$1" storm-pacemaker.service; }
log() { inside journalctl --no-pager --output cat --unit storm-pacemaker; }
# files [TEST...]: what is in the system, for find's tests.
files() { (cd "$root" && find etc usr var -not -path 'var/log/*' -not -path 'var/cache/*' "$@" | sort); }

# Whether a process other than $main runs.
is_back() { local now; now=$(service MainPID) && [[ $now != 0 && $now != "$main" ]]; }

# expect_confined: the service's process has its own user, no capabilities and a filter. Sets main.
expect_confined() {
    local status uid pattern
    main=$(service MainPID)
    status=$(inside cat "/proc/$main/status")
    uid=$(inside id -u storm-pacemaker)
    for pattern in "^Uid:\s$uid\s$uid" '^CapEff:\s0+$' '^CapBnd:\s0+$' '^NoNewPrivs:\s1$' '^Seccomp:\s2$'; do
        grep -qP "$pattern" <<<"$status" || fail "the status of its process does not match $pattern"
    done
    expect "its environment" "$(inside cat "/proc/$main/environ" | tr '\0' '\n')" '^KRB5RCACHEDIR=/var/lib/storm-pacemaker$'
}
