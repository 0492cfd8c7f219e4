//! See `fuzz_targets::payload`.
#![no_main]

libfuzzer_sys::fuzz_target!(|bytes: &[u8]| fuzz_targets::payload::run(bytes));
