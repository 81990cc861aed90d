# The daemon in an image of its own: the binary, the libraries that it is linked with, and nothing else.
# No shell, no package manager, a user without rights.
#
#   docker build -t storm-pacemaker .
#   docker run --security-opt seccomp=packaging/seccomp.json --ulimit nofile=131072 \
#       --read-only --cap-drop ALL --security-opt no-new-privileges -v /var/tmp \
#       -v /etc/storm/storm.yaml:/conf/storm.yaml:ro -p 6699:6699 -p 127.0.0.1:6698:6698 \
#       storm-pacemaker serve -c admin.address=0.0.0.0:6698
#
# By default the page and the metrics are on 127.0.0.1 alone, which in a container is the container's own:
# hence admin.address. They have no login, so -p gives them to the host and not to its network.
#
# io_uring must be allowed where it runs: Docker's default seccomp profile forbids it, and
# packaging/seccomp.json is that profile with io_uring's three calls added. Without it the daemon says so
# and exits with code 1.
ARG BUILD_IMAGE=docker.io/library/rust:1.95-bookworm
# Where the libraries come from, and who they are patched by: the Debian release that BUILD_IMAGE has.
ARG RUNTIME_IMAGE=docker.io/library/debian:bookworm-slim

FROM ${BUILD_IMAGE} AS build
# A binary below the build context to take instead of compiling, built on the same Debian release:
# `make image` does so. Empty: compile.
ARG PREBUILT=
# git is what glommio's build calls, in vain and without harm, but it must be there.
RUN if [ -z "$PREBUILT" ]; then \
        apt-get -qq update && \
        apt-get -qq install -y --no-install-recommends git libkrb5-dev libclang-dev pkg-config >/dev/null; \
    fi
WORKDIR /build
COPY . .
RUN set -eu; \
    if [ -z "$PREBUILT" ]; then \
        cargo build --release --locked --bin storm-pacemaker; \
        PREBUILT=target/release/storm-pacemaker; \
        # Without line numbers, with the names of functions.
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
# Fixed, so that volumes and Kubernetes can name it; as easy to remember as the port.
USER 6699:6699
# Where the official Storm image keeps storm.yaml.
ENV STORM_CONF_DIR=/conf
# Kerberos' replay cache must be writable: give the container a volume or a tmpfs there.
ENV KRB5RCACHEDIR=/var/tmp
EXPOSE 6699
STOPSIGNAL SIGTERM
# With the same file, for the port may be set there or in storm.yaml.
HEALTHCHECK --interval=10s --timeout=10s --start-period=5s --retries=3 \
    CMD ["/usr/local/bin/storm-pacemaker", "--config", "/etc/storm-pacemaker/pacemaker.toml", "healthcheck"]
ARG VERSION=
LABEL org.opencontainers.image.title="storm-pacemaker" \
      org.opencontainers.image.description="The heartbeat daemon for Apache Storm clusters: a drop-in replacement for Storm's Pacemaker" \
      org.opencontainers.image.version="${VERSION}" \
      org.opencontainers.image.licenses="Apache-2.0"
ENTRYPOINT ["/usr/local/bin/storm-pacemaker", "--config", "/etc/storm-pacemaker/pacemaker.toml"]
CMD ["serve"]
