#![no_main]

libfuzzer_sys::fuzz_target!(|input: &[u8]| server_bodies::log::run(input));
