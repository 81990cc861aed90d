# The image contains the binary and the libraries it is linked with, and nothing else: no shell, no package manager.
# It runs as an unprivileged user.
#
#   docker build -t storm-pacemaker .
#   docker run --security-opt seccomp=packaging/seccomp.json --ulimit nofile=131072 \
#       --read-only --cap-drop ALL --security-opt no-new-privileges -v /var/tmp \
#       -v /etc/storm/storm.yaml:/conf/storm.yaml:ro -p 6699:6699 -p 127.0.0.1:6698:6698 \
#       storm-pacemaker serve -c "admin.address=[::]:6698" -c admin.page=on
#
# By default the page and the metrics listen on 127.0.0.1, which is the container's own loopback, so the
# command sets admin.address. They have no login, so -p publishes them on the host's loopback only. The host is
# not the container's loopback, so the page needs admin.page=on.
#
# Docker's default seccomp profile forbids io_uring. packaging/seccomp.json is that profile plus io_uring's three
# calls. Without it the daemon uses epoll.
ARG BUILD_IMAGE=docker.io/library/rust:1.95-bookworm
# The libraries come from this image. It must be the Debian release of BUILD_IMAGE.
ARG RUNTIME_IMAGE=docker.io/library/debian:bookworm-slim

FROM ${BUILD_IMAGE} AS build
# Path of a binary in the build context to copy instead of compiling one. It must be built on the same Debian
# release. packaging/image sets it. Empty: compile.
ARG PREBUILT=
# For the feature `kerberos`.
RUN if [ -z "$PREBUILT" ]; then \
        apt-get -qq update && \
        apt-get -qq install -y --no-install-recommends libkrb5-dev libclang-dev pkg-config >/dev/null; \
    fi
WORKDIR /build
COPY . .
RUN set -eu; \
    if [ -z "$PREBUILT" ]; then \
        cargo build --release --locked --features kerberos,jemalloc --bin storm-pacemaker; \
        PREBUILT=target/release/storm-pacemaker; \
        # Drop line numbers, keep the names of functions.
        strip --strip-debug "$PREBUILT"; \
    fi; \
    install -D "$PREBUILT" /made/storm-pacemaker; \
    packaging/blank-config config/pacemaker.toml >/made/pacemaker.toml

FROM ${RUNTIME_IMAGE} AS files
RUN apt-get -qq update && \
    apt-get -qq install -y --no-install-recommends libgssapi-krb5-2 >/dev/null
COPY --from=build /made /made
COPY packaging/image-root /image-root
RUN /image-root /made /root-of-image

FROM scratch
COPY --from=files /root-of-image /
# A fixed number, so that volumes and Kubernetes can name it. It equals the port.
USER 6699:6699
# The directory of storm.yaml in the official Storm image.
ENV STORM_CONF_DIR=/conf
# Kerberos needs a writable replay cache: mount a volume or a tmpfs here.
ENV KRB5RCACHEDIR=/var/tmp
EXPOSE 6699
STOPSIGNAL SIGTERM
# It finds the address in force by itself, whatever the daemon's options are. The configuration is for the case that
# the daemon does not run.
HEALTHCHECK --interval=10s --timeout=10s --start-period=5s --retries=3 \
    CMD ["/usr/local/bin/storm-pacemaker", "--config", "/etc/storm-pacemaker/pacemaker.toml", "healthcheck"]
# packaging/image sets them: the version, the commit, and the commit's time as RFC 3339 has it.
ARG VERSION=
ARG REVISION=
ARG CREATED=
LABEL org.opencontainers.image.title="storm-pacemaker" \
      org.opencontainers.image.description="The heartbeat daemon for Apache Storm clusters: a drop-in replacement for Storm's Pacemaker" \
      org.opencontainers.image.version="${VERSION}" \
      org.opencontainers.image.revision="${REVISION}" \
      org.opencontainers.image.created="${CREATED}" \
      org.opencontainers.image.url="https://github.com/storm-pacemaker/storm-pacemaker" \
      org.opencontainers.image.source="https://github.com/storm-pacemaker/storm-pacemaker" \
      org.opencontainers.image.documentation="https://github.com/storm-pacemaker/storm-pacemaker/blob/main/docs/OPERATING.md" \
      org.opencontainers.image.vendor="The storm-pacemaker maintainers" \
      org.opencontainers.image.authors="The storm-pacemaker maintainers <maintainers@storm-pacemaker.invalid>" \
      org.opencontainers.image.licenses="Apache-2.0"
ENTRYPOINT ["/usr/local/bin/storm-pacemaker", "--config", "/etc/storm-pacemaker/pacemaker.toml"]
CMD ["serve"]
