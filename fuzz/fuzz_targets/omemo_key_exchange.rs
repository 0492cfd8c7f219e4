//! See `fuzz_targets::omemo_key_exchange`.
#![no_main]

libfuzzer_sys::fuzz_target!(|bytes: &[u8]| fuzz_targets::omemo_key_exchange::run(bytes));
