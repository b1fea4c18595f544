# The rust image has the C compiler, perl and make that SQLite, libpq and
# OpenSSL are built with.
FROM rust:1.95-trixie AS builder
WORKDIR /build
COPY .cargo .cargo
COPY Cargo.toml Cargo.lock ./
COPY migrations migrations
COPY src src
# What was built of the crates is kept for the next build of an image; of our
# own sources nothing is, whatever their dates say.
RUN --mount=type=cache,target=/usr/local/cargo/registry \
    --mount=type=cache,target=/build/target,sharing=locked \
    touch src/lib.rs src/main.rs \
    && cargo build --release --locked --features postgres-tls \
    && cp target/release/accolade /usr/local/bin/accolade

FROM debian:trixie-slim
# The certificates are those that sslrootcert=system trusts.
RUN apt-get update \
    && apt-get install -y --no-install-recommends ca-certificates \
    && rm -rf /var/lib/apt/lists/* \
    && groupadd --gid 10001 accolade \
    && useradd --uid 10001 --gid 10001 --home-dir /data --no-create-home --shell /usr/sbin/nologin accolade \
    && install -d -o accolade -g accolade -m 0750 /data
COPY --from=builder /usr/local/bin/accolade /usr/local/bin/accolade
# By number, so that orchestrators see that it is not root.
USER 10001:10001
WORKDIR /data
VOLUME /data
ENV DATABASE_URL=sqlite:///data/accolade.db \
    LISTEN_ADDR=0.0.0.0:8080
EXPOSE 8080
# The database is brought up to date before it listens, which may take a while.
HEALTHCHECK --interval=10s --timeout=5s --start-period=60s CMD ["accolade", "healthcheck"]
ENTRYPOINT ["accolade"]
CMD ["serve"]
