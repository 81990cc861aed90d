# The daemon in an image. io_uring must be allowed where it runs: Docker's default seccomp profile
# forbids it, and the daemon says so and exits. Until a profile of ours is shipped:
#   docker run --security-opt seccomp=unconfined --ulimit nofile=200000 -p 6699:6699 storm-pacemaker
ARG BUILD_IMAGE=rust:1.95-bookworm
ARG RUN_IMAGE=debian:bookworm-slim

FROM ${BUILD_IMAGE} AS build
WORKDIR /build
COPY . .
RUN cargo build --release --locked --bin storm-pacemaker

FROM ${RUN_IMAGE}
COPY --from=build /build/target/release/storm-pacemaker /usr/local/bin/storm-pacemaker
USER 65534:65534
EXPOSE 6699
ENTRYPOINT ["/usr/local/bin/storm-pacemaker"]
