# make run    sets up and starts a server to try out, on this machine only
# make test   sets up and runs every test, those with other people's clients included
# Both install what they need on a fresh Debian 12 with git and make.

export PATH := $(HOME)/.cargo/bin:$(PATH)

.PHONY: run test setup check fmt release bench bench-databases bench-archive bench-media bench-sessions fuzz fuzz-smoke budget

run:
	@scripts/setup.sh
	cargo build --package server --bin whimbreld
	@$${CARGO_TARGET_DIR:-target}/debug/whimbreld dev

test: setup
	cargo build --workspace --all-targets
	cargo test --workspace

# What building and the tests need.
setup:
	@scripts/setup-servers.sh
	@scripts/need-garage.sh
	@tests/interop/setup.sh
	@tests/administration/setup.sh

# What can be said about the text without running it. Private items are documented too, so links to them hold.
check:
	@scripts/setup.sh lint
	cargo fmt --all --check
	cargo clippy --workspace --all-targets -- -D warnings
	cargo xtask tidy
	cargo xtask doap --check
	RUSTDOCFLAGS="-D warnings -A rustdoc::private_intra_doc_links" cargo doc --workspace --no-deps --document-private-items

fmt:
	@scripts/setup.sh lint
	cargo fmt --all

# The binary for real use: target/release/whimbreld.
release:
	@scripts/setup.sh
	cargo build --release --package server --bin whimbreld

# Every fuzz target FUZZ_SECS seconds long, as many at once as there are cores.
FUZZ_SECS ?= 600
fuzz:
	@scripts/fuzz.sh $(FUZZ_SECS)

# The same, short enough for every change.
fuzz-smoke:
	@scripts/fuzz.sh 60

# Instructions an operation costs, against xtask/budget.txt.
budget:
	@scripts/setup.sh
	@scripts/need.sh valgrind:valgrind
	cargo xtask budget

# The same work for whimbreld, ejabberd and Prosody; writes docs/benchmarks.md. Half an hour.
bench: bench-build
	@$${CARGO_TARGET_DIR:-target}/release/bench compare --output docs/benchmarks.md
	@$(MAKE) --no-print-directory bench-media

# Of it only the table of databases. Ten minutes.
bench-databases: bench-build
	@$${CARGO_TARGET_DIR:-target}/release/bench compare --only databases --output docs/benchmarks.md

# Sealing can be off in the example alone, so that it is built by itself.
.PHONY: bench-build
bench-build:
	@scripts/setup-servers.sh
	cargo build --release --package server --package bench
	cargo build --release --package storage --example sealing

# 10 million archived messages in each database: pages, and sending during a purge. Half an hour and 20 GB of disk.
bench-archive:
	@scripts/setup-servers.sh
	cargo build --release --package bench
	@cd $${CARGO_TARGET_DIR:-target} && for database in sqlite postgres mariadb; do \
	    release/bench archive --database $$database --dir bench-archive && rm -rf bench-archive || exit 1; \
	done

# 1 GiB up and down over TLS, beside nginx.
bench-media:
	@scripts/setup.sh
	@scripts/need.sh nginx:nginx curl:curl
	cargo build --release --package server --package bench
	@$${CARGO_TARGET_DIR:-target}/release/bench media

# 19,000 TLS sessions in one whimbreld: memory, a storm of log-ins, messages. Then a million without sockets, in one
# process with their clients.
bench-sessions:
	@scripts/setup.sh
	cargo build --release --package server --package bench
	@$${CARGO_TARGET_DIR:-target}/release/bench sessions
	@MIMALLOC_ALLOW_THP=0 $${CARGO_TARGET_DIR:-target}/release/bench memory-sessions
