//! See `fuzz_targets::websocket`.
#![no_main]

libfuzzer_sys::fuzz_target!(|bytes: &[u8]| fuzz_targets::websocket::run(bytes));
