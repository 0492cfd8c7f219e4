//! See `fuzz_targets::omemo_session_state`.
#![no_main]

libfuzzer_sys::fuzz_target!(|bytes: &[u8]| fuzz_targets::omemo_session_state::run(bytes));
