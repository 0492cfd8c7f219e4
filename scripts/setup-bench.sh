#!/bin/sh
# Installs what the benchmarks compare with: ejabberd and Prosody from Debian's packages, and what building needs.
# The services that the packages would start are not wanted: the benchmark runs its own processes on free ports.
set -eu

cd "$(dirname "$0")/.."
scripts/setup.sh

say() { echo "setup-bench: $*"; }
fail() { say "$*" >&2; exit 1; }

as_root() {
    if [ "$(id -u)" -eq 0 ]; then "$@"
    elif command -v sudo >/dev/null; then sudo "$@"
    else fail "not root and no sudo: run as root: $*"
    fi
}

installed() { [ "$(dpkg-query -W -f '${db:Status-Status}' "$1" 2>/dev/null)" = installed ]; }

command -v apt-get >/dev/null || fail "this is no Debian: install ejabberd (with SQLite for Erlang) and Prosody by hand"
missing=""
# erlang-p1-sqlite3 is for ejabberd's archive in SQLite.
for package in ejabberd erlang-p1-sqlite3 prosody; do
    installed "$package" || missing="$missing $package"
done
[ -n "$missing" ] || exit 0

say "installing$missing"
as_root apt-get update -qq
# shellcheck disable=SC2086 # a list of words
as_root env DEBIAN_FRONTEND=noninteractive RUNLEVEL=1 apt-get install -y -qq --no-install-recommends $missing >/dev/null
for service in ejabberd prosody; do
    if [ -d /run/systemd/system ] && systemctl is-enabled --quiet "$service" 2>/dev/null; then
        as_root systemctl disable --now --quiet "$service"
    fi
done
