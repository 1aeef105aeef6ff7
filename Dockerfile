# Builds a static binary and runs it as an ordinary user. PostgreSQL and EventStoreDB come from elsewhere (compose).
FROM golang:1.26-bookworm AS build
WORKDIR /src
COPY go.mod go.sum ./
RUN go mod download
COPY . .
RUN CGO_ENABLED=0 go build -trimpath -ldflags "-s -w" -o /cis ./cmd/cis

FROM debian:bookworm-slim
RUN apt-get update \
 && apt-get install -y --no-install-recommends ca-certificates curl \
 && rm -rf /var/lib/apt/lists/* \
 && useradd --system --uid 10001 --home-dir /data cis \
 && install -d -o cis -g cis -m 0700 /data
COPY --from=build /cis /usr/local/bin/cis
USER cis
ENV CIS_DATA=/data CIS_HTTP=0.0.0.0:8080 CIS_SMTP=0.0.0.0:2525
VOLUME /data
EXPOSE 8080 2525
HEALTHCHECK --interval=10s --timeout=3s --start-period=60s CMD curl -fsS http://127.0.0.1:8080/readyz || exit 1
ENTRYPOINT ["cis"]
CMD ["serve"]
