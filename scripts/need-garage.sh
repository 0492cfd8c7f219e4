#!/bin/sh
# Installs Garage, the S3 store that tests run against, into cargo's own folder when it is missing: some ten minutes, once.
set -eu

PATH="${CARGO_HOME:-$HOME/.cargo}/bin:$PATH"
command -v garage >/dev/null && exit 0
echo "setup: building garage, which takes some minutes the first time"
cargo install garage --version 2.5.0 --locked --quiet
