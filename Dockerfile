# docker build -t weir .
# docker run --rm -v weir:/data weir keys create --name me --role admin
# docker run -d --name weir -p 8080:8080 -v weir:/data weir

FROM rust:1.95-bookworm AS build
WORKDIR /src
COPY . .
RUN cargo build --release --locked --package weir && cp target/release/weir /weir

FROM debian:bookworm-slim
# HEALTHCHECK asks with it.
RUN apt-get update \
    && apt-get install --yes --no-install-recommends curl \
    && rm -rf /var/lib/apt/lists/* \
    && useradd --system --uid 10001 --no-create-home weir \
    && install --directory --owner=weir --group=weir --mode=0700 /data
COPY --from=build /weir /usr/local/bin/weir
USER weir
WORKDIR /data
# Inside a container others can only reach it through a published port; without any key it refuses to start.
ENV WEIR_SERVER__LISTEN=0.0.0.0:8080 \
    WEIR_DATA__FOLDER=/data
VOLUME /data
EXPOSE 8080
STOPSIGNAL SIGTERM
HEALTHCHECK --interval=10s --timeout=3s --start-period=60s --retries=3 CMD ["curl", "--fail", "--silent", "--output", "/dev/null", "http://127.0.0.1:8080/readyz"]
ENTRYPOINT ["weir"]
CMD ["serve"]
