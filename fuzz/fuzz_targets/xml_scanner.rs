//! See `fuzz_targets::xml_scanner`.
#![no_main]

libfuzzer_sys::fuzz_target!(|bytes: &[u8]| fuzz_targets::xml_scanner::run(bytes));
