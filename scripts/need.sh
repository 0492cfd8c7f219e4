#!/bin/sh
# Installs a Debian package when the command it brings is missing: scripts/need.sh COMMAND PACKAGE
set -eu

command -v "$1" >/dev/null && exit 0
command -v apt-get >/dev/null || { echo "setup: $1 is missing, and this is no Debian: install it by hand" >&2; exit 1; }
echo "setup: installing $2"
as_root=""
[ "$(id -u)" -eq 0 ] || as_root=sudo
$as_root apt-get update -qq
$as_root env DEBIAN_FRONTEND=noninteractive apt-get install -y -qq --no-install-recommends "$2" >/dev/null
