# tokenstorm, agents and coordinators alike:
#
#   docker build -t tokenstorm .
#   docker run --rm --network host -v "$PWD/my-broker.toml:/scenario.toml:ro" -v "$PWD/results:/results" tokenstorm run /scenario.toml
#
# The folder of the results must be one that user 65532 may write to. `commit` of the results is `unknown`: the history is not copied.
#
# NOT built by us: the machine it was written on has no container engine. A test sees that what it copies exists, and that its
# toolchain is the one that Cargo.toml names.
FROM rust:1.94-bookworm AS builder
WORKDIR /build
COPY Cargo.toml Cargo.lock build.rs ./
# Cargo wants the benches to be there, though it does not build them.
COPY benches benches
COPY profiles profiles
COPY scenarios scenarios
COPY src src
RUN cargo build --release --locked --bin tokenstorm

# glibc and the certificates of the usual authorities; no shell, no package manager.
FROM gcr.io/distroless/cc-debian12:nonroot
COPY --from=builder /build/target/release/tokenstorm /tokenstorm
# `nonroot`, by its number: so Kubernetes sees that it is not root.
USER 65532:65532
# Run folders are made in results/ below it.
WORKDIR /
ENTRYPOINT ["/tokenstorm"]
