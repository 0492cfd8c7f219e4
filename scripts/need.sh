#!/bin/sh
# Installs Debian packages that are missing, and says nothing when none is. The one place that does.
#
#   scripts/need.sh WORD...
#
# A word is PACKAGE, wanted if it is not installed; COMMAND:PACKAGE, wanted if there is no such command, whoever brought
# it; or /FILE:PACKAGE, wanted if there is no such file. Servers among them are not started, now or at the next boot: who
# needs one runs a process of its own on a free port.
set -eu

say() { echo "setup: $*"; }
fail() { say "$*" >&2; exit 1; }

as_root() {
    if [ "$(id -u)" -eq 0 ]; then "$@"
    elif command -v sudo >/dev/null; then sudo "$@"
    else fail "not root and no sudo: run as root: $*"
    fi
}

installed() { [ "$(dpkg-query -W -f '${db:Status-Status}' "$1" 2>/dev/null)" = installed ]; }

is_there() { # WORD
    case $1 in
        /*:*) [ -e "${1%%:*}" ] ;;
        *:*) command -v "${1%%:*}" >/dev/null ;;
        *) installed "$1" ;;
    esac
}

missing=""
for word in "$@"; do
    is_there "$word" || missing="$missing ${word#*:}"
done
[ -n "$missing" ] || exit 0

command -v apt-get >/dev/null || fail "this is no Debian: install by hand what it calls$missing"
say "installing$missing"
# What asks this before it starts a service is told not to.
policy=/usr/sbin/policy-rc.d
ours=""
if [ ! -e "$policy" ]; then
    printf '#!/bin/sh\nexit 101\n' | as_root tee "$policy" >/dev/null
    as_root chmod 755 "$policy"
    ours=yes
fi
trap '[ -z "$ours" ] || as_root rm -f "$policy"' EXIT
as_root apt-get update -qq
# shellcheck disable=SC2086 # a list of words
as_root env DEBIAN_FRONTEND=noninteractive apt-get install -y -qq --no-install-recommends $missing >/dev/null

[ -d /run/systemd/system ] || exit 0
for package in $missing; do
    case $package in
        mariadb-server) service=mariadb ;;
        nginx | postgresql | ejabberd | prosody) service=$package ;;
        *) continue ;;
    esac
    as_root systemctl disable --now --quiet "$service"
done
