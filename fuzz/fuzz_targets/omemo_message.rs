//! See `fuzz_targets::omemo_message`.
#![no_main]

libfuzzer_sys::fuzz_target!(|bytes: &[u8]| fuzz_targets::omemo_message::run(bytes));
