#![no_main]

libfuzzer_sys::fuzz_target!(|input: &[u8]| server_bodies::namenode::run(input));
