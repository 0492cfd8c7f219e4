//! See `fuzz_targets::stream`.
#![no_main]

libfuzzer_sys::fuzz_target!(|bytes: &[u8]| fuzz_targets::stream::run(bytes));
