# The rust image has the C compiler, perl and make that bundled SQLite, libpq
# and OpenSSL are built with.
FROM rust:1.95-bookworm AS builder
WORKDIR /build
COPY Cargo.toml Cargo.lock ./
COPY migrations migrations
COPY src src
RUN cargo build --release --locked --features postgres-tls

FROM debian:bookworm-slim
# The certificates are for PostgreSQL over TLS:
# sslrootcert=/etc/ssl/certs/ca-certificates.crt
RUN apt-get update \
    && apt-get install -y --no-install-recommends ca-certificates \
    && rm -rf /var/lib/apt/lists/* \
    && useradd --system --uid 10001 --user-group --no-create-home --shell /usr/sbin/nologin accolade \
    && install -d -o accolade -g accolade -m 0750 /data
COPY --from=builder /build/target/release/accolade /usr/local/bin/accolade
USER accolade
WORKDIR /data
VOLUME /data
ENV DATABASE_URL=sqlite:///data/accolade.db \
    LISTEN_ADDR=0.0.0.0:8080
EXPOSE 8080
HEALTHCHECK --interval=10s --timeout=5s --start-period=10s CMD ["accolade", "healthcheck"]
ENTRYPOINT ["accolade"]
CMD ["serve"]
