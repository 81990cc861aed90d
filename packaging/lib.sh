# Shared by the scripts in this directory. Source it from bash scripts that run at the repository's root.

# Root file systems take long to make and do not change.
cache=.make/packaging
# `make release` links it for the glibc of the oldest supported systems, so all packages contain the same binary.
binary=target/$(uname -m)-unknown-linux-gnu/release/storm-pacemaker

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

# What does not change from one build to the next: the time of the commit, and its hash.
source_date() { echo "${SOURCE_DATE_EPOCH:-$(git log -1 --format=%ct 2>/dev/null || stat -c %Y CHANGELOG.md)}"; }
revision() { git rev-parse HEAD 2>/dev/null || true; }

# Whether the binary can serve without io_uring.
has_epoll() { "$binary" check-config | grep '^server\.io ' >/dev/null; }

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

# debian RELEASE NAME PACKAGE...: makes a root file system, $cache/NAME.tar, unless it exists.
debian() {
    local release=$1 name=$2 tar=$cache/$2.tar unfinished=$cache/unfinished.$2.tar
    shift 2
    [[ -f $tar ]] && return
    say "making a root file system of Debian $release: $name"
    mkdir -p "$cache"
    # Without manuals and translations, but with the licences.
    mmdebstrap --quiet --variant=minbase --include="$(IFS=,; echo "$*")" \
        --dpkgopt='path-exclude=/usr/share/man/*' --dpkgopt='path-exclude=/usr/share/locale/*' \
        --dpkgopt='path-exclude=/usr/share/doc/*' \
        --dpkgopt='path-include=/usr/share/doc/*/copyright' \
        "$release" "$unfinished" 2>"$scratch/mmdebstrap.$name.log" ||
        { cat "$scratch/mmdebstrap.$name.log" >&2; fail "mmdebstrap failed"; }
    mv "$unfinished" "$tar"
}

# Shared by the image's libraries and the package's installation, because making it takes longer than either check.
debian_system() { debian bookworm system systemd-sysv libgssapi-krb5-2; }

# Debian 11, the oldest system that can be had here: glibc 2.31, systemd 247, and the rpm of Red Hat's release 9.
old_system() { debian bullseye old-system systemd-sysv libgssapi-krb5-2 rpm; }

# unpack NAME ROOT: the file system made above.
unpack() {
    mkdir "$2"
    tar -xf "$cache/$1.tar" -C "$2" --exclude='./dev/*'
}

# podman with temporary storage. It needs nothing but root: no overlay file system, and runc because crun does not
# support hybrid cgroups.
podman() {
    command podman --root "$scratch/containers" --runroot "$scratch/run" --tmpdir "$scratch/tmp" \
        --storage-driver vfs --cgroup-manager cgroupfs --runtime runc --events-backend none "$@"
}
