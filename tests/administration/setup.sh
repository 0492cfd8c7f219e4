#!/usr/bin/env bash
# Installs what fuzzes the administration's API, in a Python environment of its own. May run again at any time and is
# quick when nothing is missing.
set -euo pipefail

here=$(cd "$(dirname "$0")" && pwd)
cache=$(cd "$here/../.." && pwd)/.cache/administration

words=(python3:python3)
python3 -c 'import ensurepip, venv' 2>/dev/null || words+=(python3-venv)
"$here/../../scripts/need.sh" "${words[@]}"

stamp=$cache/venv/requirements.txt
if ! cmp -s "$here/requirements.txt" "$stamp"; then
  echo "making the Python environment of the administration's tests"
  mkdir -p "$cache"
  rm -rf "$cache/venv"
  python3 -m venv "$cache/venv"
  "$cache/venv/bin/pip" install --quiet --disable-pip-version-check -r "$here/requirements.txt"
  cp "$here/requirements.txt" "$stamp"
fi
