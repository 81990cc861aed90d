# `make run` starts the daemon, `make test` tests it. Each installs what it needs.

# The programs are linked for this triple and for the glibc of Red Hat's release 8, so that one binary runs there, on
# Debian 11 and on everything newer.
TRIPLE := $(shell uname -m)-unknown-linux-gnu
GLIBC := 2.28

# Modules of the daemon's tests whose outcome may depend on the data plane: they run on both.
ABOUT_SOCKETS = closing:: conformance_scripts:: forwarded_requests:: hostile_peers:: large_directories:: limits:: \
    lost_hosts:: many_shards:: paused:: slow_reader:: socket_activation:: stalled_peers:: stopped_shard::

# What is built and tested here has Kerberos, which is not a default. It is one choice for all builds of a profile,
# or Cargo would compile the daemon twice.
KERBEROS = --features kerberos
# Programs for use also have jemalloc: memory goes back to the system after a burst.
RELEASED = --features kerberos,jemalloc

.PHONY: run demo test check java every-test sockets-on-epoll floods real-storm high-availability two-hosts load kernels kernels-brief package packaging-check image-full compare planes capacity prove abuse outages fuzz release tarballs setup-run setup-test setup-package setup-release setup-tarballs
.DEFAULT_GOAL := run

# What `make demo`, `make compare`, `make planes`, `make capacity`, `make abuse`, `make outages` and `make fuzz` are told: make compare OPTIONS="--rounds 5"
OPTIONS ?=

# What `make run` hands to the daemon, for example: make run ARGS="--port 7000 --shards 2"
ARGS ?= --bind 127.0.0.1

run: setup-run
	cargo build --release --quiet --bin storm-pacemaker $(RELEASED)
	@echo
	@echo 'Point Storm at it: in storm.yaml, on every node,'
	@echo '  storm.cluster.state.store: "org.apache.storm.cluster.PaceMakerStateStorageFactory"   # Storm 2.x'
	@echo '  #                          "org.apache.storm.pacemaker.pacemaker_state_factory"      # Storm 1.x'
	@echo '  pacemaker.servers: ["THIS_HOST"]   # Storm 1.0: pacemaker.host: "THIS_HOST"'
	@echo '  pacemaker.port: 6699'
	@echo 'It listens on 127.0.0.1 unless told otherwise: make run ARGS="--bind ::"'
	@echo 'Ctrl-C stops it.'
	@echo
	@exec target/release/storm-pacemaker serve $(ARGS)

# The daemon, its page and a simulated cluster to look at.
demo:
	@tools/demo $(OPTIONS)

# Tests wait for most of their time, so they run beside each other. What only computes runs behind them, at the lowest
# priority. The output of each is printed when it ends.
BESIDE = $(MAKE) --no-print-directory --jobs --output-sync=target BEHIND='nice -n 19'

test: setup-test java
	cargo test --workspace $(KERBEROS) --quiet --no-run --lib --bins --test '*'
	$(BESIDE) every-test release setup-package
	$(BESIDE) sockets-on-epoll floods real-storm
	$(BESIDE) load check
	$(BESIDE) two-hosts kernels-brief packaging-check

# Formatting, lints with and without Kerberos, licences. In a directory of their own: Cargo locks it while it compiles, and
# tests would wait.
check: export CARGO_TARGET_DIR = target/lints
check: setup-test
	cargo fmt --all --check
	$(BEHIND) cargo clippy --workspace $(KERBEROS) --all-targets --quiet -- -D warnings
	$(BEHIND) cargo clippy --workspace --all-targets --quiet -- -D warnings
	.make/cargo-deny/bin/cargo-deny --log-level warn check licenses bans sources

# All that `cargo test` runs, and what is ignored there; but for the floods, and for two hosts.
every-test: setup-test
	cargo test --workspace $(KERBEROS) --quiet -- --include-ignored --skip measure_ --skip ten_thousand --skip high_availability

# What may depend on the data plane, on the second one.
sockets-on-epoll: setup-test
	STORM_PACEMAKER_TEST_IO=epoll cargo test --workspace $(KERBEROS) --quiet --test daemon -- $(ABOUT_SOCKETS)

# On both data planes. In a network of their own: they take most ports of one.
floods: setup-test
	for plane in io_uring epoll; do \
		STORM_PACEMAKER_TEST_IO=$$plane \
			tools/own-network cargo test --workspace $(KERBEROS) --quiet --test floods || exit; \
	done

# Storm's clients and whole clusters: several JVMs in each test, so fewer run at a time.
real-storm: java
	RUST_TEST_THREADS=4 cargo test --workspace $(KERBEROS) --quiet --test real_storm -- --include-ignored --skip keepalived

# Two hosts behind one address, in network namespaces, as root: what each break costs, and with a real cluster that no
# executor moves. Five minutes; the first part is also in `make test`.
high-availability: java two-hosts
	cargo test --workspace $(KERBEROS) --quiet --test real_storm keepalived -- --include-ignored --nocapture

# The first part. Its clients and keepalived have clocks to keep, so nothing of importance runs beside it.
two-hosts: setup-test
	cargo test --workspace $(KERBEROS) --quiet --test daemon high_availability -- --include-ignored --nocapture

# Storm's published clients, compiled with our programs that drive them.
java: setup-test
	tests/storm/build

# 12 000 workers and a reader, and a small cluster beside attackers, in release mode: two minutes.
load: setup-test release
	PROGRAMS=target/$(TRIPLE)/release cargo test --workspace $(KERBEROS) --quiet --test load -- --nocapture

# The daemon on real kernels of Debian, in emulated machines.
kernels-brief: setup-test
	$(BEHIND) tools/kernels --brief

# On real kernels of Debian, in emulated machines: with the client of Storm, five minutes.
kernels: java
	tools/kernels --client

# The Debian package, the rpm and the image, from one binary: target/debian, target/rpm, target/image.
package: setup-package release
	packaging/deb
	packaging/rpm
	packaging/image

# All that `make package` makes, and the Helm chart: built, installed and run, as root. A minute, and two more the first
# time.
packaging-check: setup-package release
	$(BEHIND) packaging/check

# The image as `docker build` makes it: compiled in its build stage.
image-full: setup-package
	packaging/image --full

# Static programs that need nothing of the system, without Kerberos, for x86-64 and arm64: target/tarballs. Built and
# run, arm64 by emulation. Five minutes, because each architecture is compiled: not part of `make test`.
tarballs: setup-tarballs release
	packaging/tarball x86_64
	packaging/tarball aarch64
	packaging/check-tarballs

# What packages contain, and what the load test measures. zig links it: it brings the symbols of every glibc. Both
# programs in one command: alone, each would choose other features of the crates that they share, and Cargo would
# compile the daemon twice. Not from this directory: zig names its headers relative to it, and bindgen looks elsewhere.
release: setup-release
	cd packaging && PATH="$(CURDIR)/.make/zig/bin:$$PATH" $(BEHIND) cargo zigbuild --release --quiet --target $(TRIPLE).$(GLIBC) \
		--package storm-pacemaker --package loadgen $(RELEASED)

setup-run:
	@tools/setup run

setup-test:
	@tools/setup test

setup-package:
	@tools/setup package

setup-release:
	@tools/setup release

setup-tarballs:
	@tools/setup tarballs

# Makes up input of every kind for a minute each: make fuzz OPTIONS="--seconds 600 jaas"
fuzz:
	tools/fuzz $(OPTIONS)

# ── Measurements: on a machine that does nothing else ──

# The daemon beside Storm's own, the ring's floor and ZooKeeper: half an hour.
compare:
	tools/compare $(OPTIONS)

# Both data planes beside each other and beside Storm's daemon: ten minutes.
planes:
	tools/planes $(OPTIONS)

# What a gigabit link carries, in network namespaces of its own: an hour, as root.
capacity:
	tools/capacity $(OPTIONS)

# The clusters that the documents speak of, on our daemon and on Storm's: a quarter of an hour.
prove:
	tools/prove $(OPTIONS)

# An honest cluster beside an attacker of each kind, on our daemon and on Storm's: an hour.
abuse:
	tools/abuse $(OPTIONS)

# Real clusters whose daemon is killed for 25 to 100 s, with reads that wait and without: what does Nimbus move? Twenty
# minutes.
outages:
	tools/outages $(OPTIONS)
