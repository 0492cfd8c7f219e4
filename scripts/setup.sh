#!/bin/sh
# Installs what building needs and this machine lacks: a C compiler, and Rust of the version that
# Cargo.toml names. Quick and silent when nothing is missing. Made for Debian 12; elsewhere it says
# what to install.
#
#   scripts/setup.sh        what `make run` needs
#   scripts/setup.sh lint   also what formats and lints
set -eu

cd "$(dirname "$0")/.."
PATH="$HOME/.cargo/bin:$PATH"
wanted=$(sed -n 's/^rust-version = "\(.*\)"$/\1/p' Cargo.toml)

say() { echo "setup: $*"; }
fail() { say "$*" >&2; exit 1; }

# Whether rustc is there and not older than wanted. Its own version is looked at, not its package's.
rust_is_new_enough() {
    command -v cargo >/dev/null || return 1
    have=$(rustc --version 2>/dev/null | cut -d ' ' -f 2) || return 1
    [ -n "$have" ] && [ "$(printf '%s\n%s\n' "$wanted" "$have" | sort -V | head -n 1)" = "$wanted" ]
}

scripts/need.sh cc:gcc /usr/include/stdio.h:libc6-dev /etc/ssl/certs/ca-certificates.crt:ca-certificates

if ! rust_is_new_enough; then
    if command -v rustup >/dev/null; then
        say "updating Rust to $wanted or newer"
        rustup update stable
        rustup default stable
    else
        # Debian 12 carries a current Rust under these names, for its web browsers.
        scripts/need.sh rustc-web cargo-web
    fi
    rust_is_new_enough || fail "Rust $wanted or newer is needed, this is $(rustc --version 2>/dev/null || echo none): add bookworm-security to the sources of apt, or install it with rustup"
fi

if [ "${1:-}" = lint ]; then
    missing_packages="" missing_components=""
    cargo fmt --version >/dev/null 2>&1 || { missing_packages="rustfmt-web"; missing_components="rustfmt"; }
    cargo clippy --version >/dev/null 2>&1 || {
        missing_packages="$missing_packages rust-web-clippy"
        missing_components="$missing_components clippy"
    }
    if [ -n "$missing_components" ]; then
        # shellcheck disable=SC2086 # lists of words
        if command -v rustup >/dev/null; then rustup component add $missing_components; else scripts/need.sh $missing_packages; fi
    fi
fi
