#!/usr/bin/env bash
# Installs what the interop tests drive: system packages, a Python environment and node modules.
# May run again at any time and is quick when nothing is missing.
set -euo pipefail

here=$(cd "$(dirname "$0")" && pwd)
cache=$(cd "$here/../.." && pwd)/.cache/interop

words=(python3:python3 node:nodejs npm:npm profanity:profanity tmux:tmux openssl:openssl
  chromium:chromium nginx:nginx)
# tests/media reads back what was uploaded.
words+=(curl:curl ffmpeg:ffmpeg)
# omemo-dr comes as source, and a part of it is C.
words+=(cc:gcc /usr/include/stdio.h:libc6-dev)
python3 -c 'import pathlib, sys, sysconfig; sys.exit(not (pathlib.Path(sysconfig.get_path("include")) / "Python.h").exists())' 2>/dev/null ||
  words+=(python3-dev)
python3 -c 'import ensurepip, venv' 2>/dev/null || words+=(python3-venv)
"$here/../../scripts/need.sh" "${words[@]}"

mkdir -p "$cache"

stamp=$cache/venv/requirements.txt
if ! cmp -s "$here/requirements.txt" "$stamp"; then
  echo "making the Python environment"
  rm -rf "$cache/venv"
  python3 -m venv "$cache/venv"
  "$cache/venv/bin/pip" install --quiet --disable-pip-version-check -r "$here/requirements.txt"
  cp "$here/requirements.txt" "$stamp"
fi

stamp=$cache/node/installed.json
if ! cmp -s "$here/package-lock.json" "$stamp"; then
  echo "installing the node modules"
  rm -rf "$cache/node"
  mkdir -p "$cache/node"
  cp "$here/package.json" "$here/package-lock.json" "$cache/node/"
  (cd "$cache/node" && npm ci --no-audit --no-fund --ignore-scripts --silent)
  cp "$here/package-lock.json" "$stamp"
fi
