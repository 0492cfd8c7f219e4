#!/bin/sh
# Installs what tests and benchmarks run as servers of their own, from Debian's packages: databases, the servers that
# Whimbrel is compared with, and what operators run beside it. And what building needs.
set -eu

cd "$(dirname "$0")/.."
scripts/setup.sh
# erlang-p1-sqlite3 is for ejabberd's archive in SQLite.
exec scripts/need.sh postgresql mariadb-server ejabberd erlang-p1-sqlite3 prosody \
    turnserver:coturn promtool:prometheus pebble:pebble systemd-analyze:systemd
