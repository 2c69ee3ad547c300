#!/bin/sh
# The embedded engine listens on loopback only, as two users. In front of it, HAProxy lets the other containers in, whatever they are called; the password is checked by the engine.
set -eu
mkdir -p /tmp /var/lib/clickhouse/engine
cat >/tmp/haproxy.cfg <<EOT
defaults
  mode http
  timeout connect 2s
  timeout client 1h
  timeout server 1h
frontend clickhouse
  bind :8123
  http-request set-header X-ClickHouse-Key %[http_auth_pass] if { req.hdr(authorization) -m found }
  http-request del-header authorization
  http-request set-header X-ClickHouse-User leeward
  default_backend engine
backend engine
  server engine 127.0.0.1:8124
EOT
haproxy -D -f /tmp/haproxy.cfg
export LEEWARD_CLICKHOUSE_ADDR=127.0.0.1:8124 LEEWARD_CLICKHOUSE_STORE=/var/lib/clickhouse/engine LEEWARD_CLICKHOUSE_TOKEN=env:CLICKHOUSE_RECORDER_PASSWORD LEEWARD_LIBCHDB=/usr/lib/libchdb.so
exec leeward serve clickhouse
