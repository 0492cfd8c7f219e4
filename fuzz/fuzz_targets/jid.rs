//! See `fuzz_targets::jid`.
#![no_main]

libfuzzer_sys::fuzz_target!(|bytes: &[u8]| fuzz_targets::jid::run(bytes));
