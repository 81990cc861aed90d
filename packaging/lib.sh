# Shared by the scripts in this directory. Source it from bash scripts that run at the repository's root.

# The Debian release that the image and the package are built for.
release=bookworm
# Root file systems take long to make and do not change.
cache=.make/packaging
binary=target/release/storm-pacemaker

version=$(sed -n '/^\[workspace.package\]/,/^\[/s/^version = "\(.*\)"/\1/p' Cargo.toml)

say() { echo "packaging: $*"; }

fail() {
    echo "packaging: $*" >&2
    exit 1
}

need_root() {
    ((EUID == 0)) || fail "run this as root: it makes root file systems and namespaces"
}

# Checks that the release is there and has all that a package promises.
need_binary() {
    [[ -x $binary ]] || fail "$binary is missing; run: make release"
    "$binary" --version | grep -q KERBEROS || fail "$binary has no Kerberos; run: make release"
}

# expect WHAT TEXT PATTERN: fails unless TEXT matches PATTERN.
expect() { grep -qE -- "$3" <<<"$2" || fail "$1: expected '$3' in: $2"; }

# ── Cleaning up ──────────────────────────────────────────────────────────────────────────────────

scratch=$(mktemp -d -t storm-pacemaker-packaging.XXXXXX)
at_end=()

# finally COMMAND: runs COMMAND when the script ends, even after a failure. The last one added runs first.
finally() { at_end=("$1" "${at_end[@]}"); }

clean_up() {
    local code=$? command
    for command in "${at_end[@]}"; do eval "$command" || true; done
    rm -rf --one-file-system "$scratch"
    exit "$code"
}
trap clean_up EXIT
trap 'exit 130' INT TERM

# ── Root file systems ───────────────────────────────────────────────────────────────────────

# debian NAME PACKAGE...: makes a root file system, $cache/NAME.tar, unless it exists.
debian() {
    local name=$1 tar=$cache/$1.tar unfinished=$cache/unfinished.$1.tar
    shift
    [[ -f $tar ]] && return
    say "making a root file system of Debian $release: $name"
    mkdir -p "$cache"
    # Without manuals and translations, but with the licences.
    mmdebstrap --quiet --variant=minbase --include="$(IFS=,; echo "$*")" \
        --dpkgopt='path-exclude=/usr/share/man/*' --dpkgopt='path-exclude=/usr/share/locale/*' \
        --dpkgopt='path-exclude=/usr/share/doc/*' \
        --dpkgopt='path-include=/usr/share/doc/*/copyright' \
        "$release" "$unfinished" 2>"$scratch/mmdebstrap.log" ||
        { cat "$scratch/mmdebstrap.log" >&2; fail "mmdebstrap failed"; }
    mv "$unfinished" "$tar"
}

# Shared by the image's libraries and the package's installation, because making it takes longer than either check.
debian_system() { debian system systemd-sysv libgssapi-krb5-2; }

# podman with temporary storage. It needs nothing but root: no overlay file system, and runc because crun does not
# support hybrid cgroups.
podman() {
    command podman --root "$scratch/containers" --runroot "$scratch/run" --tmpdir "$scratch/tmp" \
        --storage-driver vfs --cgroup-manager cgroupfs --runtime runc --events-backend none "$@"
}

# has_command NAME: whether the binary has this command.
has_command() { "$binary" --help | grep -qE "^ +$1( |\$)"; }
