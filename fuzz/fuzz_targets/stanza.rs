//! See `fuzz_targets::stanza`.
#![no_main]

libfuzzer_sys::fuzz_target!(|bytes: &[u8]| fuzz_targets::stanza::run(bytes));
