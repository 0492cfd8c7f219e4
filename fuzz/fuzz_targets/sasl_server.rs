//! See `fuzz_targets::sasl_server`.
#![no_main]

libfuzzer_sys::fuzz_target!(|bytes: &[u8]| fuzz_targets::sasl_server::run(bytes));
