#!/bin/sh
# Runs the fuzz targets, as many at once as there are cores, and fails when one finds something: its input is then in
# fuzz/artifacts/TARGET. Where libFuzzer cannot be built, the same targets run over changed inputs of their corpus.
#
#   scripts/fuzz.sh SECS [TARGET...]   each target SECS long; all targets by default
set -eu

cd "$(dirname "$0")/../fuzz"
PATH="$HOME/.cargo/bin:$PATH"
secs=$1
shift
targets=${*:-$(sed -n 's|^path = "fuzz_targets/\(.*\)\.rs"$|\1|p' Cargo.toml)}

../scripts/setup.sh
# libFuzzer is C++.
if ! ../scripts/need.sh c++:g++; then
    echo "fuzz: no libFuzzer here, changing inputs at random instead"
    # shellcheck disable=SC2086 # a list of words
    FUZZ_SECS=$secs exec cargo test --release --package fuzz-targets --test mutations -- --nocapture --exact $targets
fi

# What `cargo fuzz build --sanitizer none` passes too. These flags are stable; a sanitizer would need nightly, and find
# little in code without `unsafe`.
flags="--cfg fuzzing -Cdebug-assertions -Cpasses=sancov-module"
for option in level=4 inline-8bit-counters pc-table trace-compares; do
    flags="$flags -Cllvm-args=-sanitizer-coverage-$option"
done
# With --target the flags are not for build scripts and macros.
triple=$(rustc -vV | sed -n 's/^host: //p')
RUSTFLAGS="$flags" cargo build --release --target "$triple"
binaries="${CARGO_TARGET_DIR:-target}/$triple/release"

for target in $targets; do
    mkdir -p "artifacts/$target" "found/$target" "corpus/$target"
done

# One target: its name, then whether it held. What it said is shown when it did not.
export binaries secs
run='
    target=$1
    case $target in
        config | jid | omemo_* | sasl_*) words="" ;;
        *) words="-dict=xml.dict" ;;
    esac
    # What is run for every change is the same every time; longer runs look elsewhere each time.
    [ "$secs" -gt 60 ] || words="$words -seed=1"
    log="artifacts/$target/log"
    if "$binaries/$target" -max_total_time="$secs" -max_len=4096 -timeout=10 -rss_limit_mb=2048 $words \
        -print_final_stats=1 -artifact_prefix="artifacts/$target/" "found/$target" "corpus/$target" >"$log" 2>&1
    then
        echo "fuzz: $target held for $(sed -n "s/^stat::number_of_executed_units: *//p" "$log") inputs"
    else
        echo "fuzz: $target FAILED"
        tail -n 40 "$log"
        exit 1
    fi
'
# shellcheck disable=SC2086 # a list of words
printf '%s\n' $targets | xargs -P "$(nproc)" -I '{}' sh -c "$run" run '{}'
