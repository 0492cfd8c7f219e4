//! See `fuzz_targets::sasl_client`.
#![no_main]

libfuzzer_sys::fuzz_target!(|bytes: &[u8]| fuzz_targets::sasl_client::run(bytes));
