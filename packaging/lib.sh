# What the scripts of this folder share; to be sourced by bash scripts that run at the repository's root.

# The Debian release that image and package are made for.
release=bookworm
# What takes long and does not change.
cache=.make/packaging
binary=target/release/storm-pacemaker

version=$(sed -n '/^\[workspace.package\]/,/^\[/s/^version = "\(.*\)"/\1/p' Cargo.toml)

say() { echo "packaging: $*"; }

fail() {
    echo "packaging: $*" >&2
    exit 1
}

need_root() {
    ((EUID == 0)) || fail "this needs root: it makes root file systems and name spaces"
}

# expect WHAT TEXT PATTERN: the text has the pattern.
expect() { grep -qE -- "$3" <<<"$2" || fail "$1: expected '$3' in: $2"; }

# ── Cleaning up ──────────────────────────────────────────────────────────────────────────────────

scratch=$(mktemp -d -t storm-pacemaker-packaging.XXXXXX)
at_end=()

# Commands to run at the end, the last one first, whatever happens.
finally() { at_end=("$1" "${at_end[@]}"); }

clean_up() {
    local code=$? command
    for command in "${at_end[@]}"; do eval "$command" || true; done
    rm -rf --one-file-system "$scratch"
    exit "$code"
}
trap clean_up EXIT
trap 'exit 130' INT TERM

# ── What checks start from ───────────────────────────────────────────────────────────────────────

# debian NAME PACKAGE...: a root file system as $cache/NAME.tar, made once.
debian() {
    local name=$1 tar=$cache/$1.tar unfinished=$cache/unfinished.$1.tar
    shift
    [[ -f $tar ]] && return
    say "making a root file system of Debian $release: $name"
    mkdir -p "$cache"
    # Neither manuals nor translations are wanted; licences are.
    mmdebstrap --quiet --variant=minbase --include="$(IFS=,; echo "$*")" \
        --dpkgopt='path-exclude=/usr/share/man/*' --dpkgopt='path-exclude=/usr/share/locale/*' \
        --dpkgopt='path-exclude=/usr/share/doc/*' \
        --dpkgopt='path-include=/usr/share/doc/*/copyright' \
        "$release" "$unfinished" 2>"$scratch/mmdebstrap.log" ||
        { cat "$scratch/mmdebstrap.log" >&2; fail "mmdebstrap failed"; }
    mv "$unfinished" "$tar"
}

# One for both the image's libraries and the package's installation: making it takes longer than they do.
debian_system() { debian system systemd-sysv libgssapi-krb5-2; }

# podman with a storage that goes away with the script. It asks for nothing but root: no overlay, and runc
# because crun does not stand hybrid cgroups.
podman() {
    command podman --root "$scratch/containers" --runroot "$scratch/run" --tmpdir "$scratch/tmp" \
        --storage-driver vfs --cgroup-manager cgroupfs --runtime runc --events-backend none "$@"
}

# Whether the daemon has a command, such as healthcheck.
has_command() { "$binary" --help | grep -qE "^ +$1( |\$)"; }
