#!/bin/sh
# Installs the servers of others that tests and benchmarks run: databases, and ejabberd and Prosody, from Debian's packages;
# and what building needs. The services that the packages would start are not wanted: each run starts processes of its own
# on free ports.
set -eu

cd "$(dirname "$0")/.."
scripts/setup.sh

say() { echo "setup-servers: $*"; }
fail() { say "$*" >&2; exit 1; }

as_root() {
    if [ "$(id -u)" -eq 0 ]; then "$@"
    elif command -v sudo >/dev/null; then sudo "$@"
    else fail "not root and no sudo: run as root: $*"
    fi
}

installed() { [ "$(dpkg-query -W -f '${db:Status-Status}' "$1" 2>/dev/null)" = installed ]; }

command -v apt-get >/dev/null || fail "this is no Debian: install ejabberd (with SQLite for Erlang), Prosody, PostgreSQL and MariaDB by hand"
missing=""
# erlang-p1-sqlite3 is for ejabberd's archive in SQLite.
for package in ejabberd erlang-p1-sqlite3 prosody postgresql mariadb-server; do
    installed "$package" || missing="$missing $package"
done
[ -n "$missing" ] || exit 0

say "installing$missing"
as_root apt-get update -qq
# shellcheck disable=SC2086 # a list of words
as_root env DEBIAN_FRONTEND=noninteractive RUNLEVEL=1 apt-get install -y -qq --no-install-recommends $missing >/dev/null
for service in ejabberd prosody postgresql mariadb; do
    if [ -d /run/systemd/system ] && systemctl is-enabled --quiet "$service" 2>/dev/null; then
        as_root systemctl disable --now --quiet "$service"
    fi
done
