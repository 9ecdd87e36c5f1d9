//! A line on the control socket: a request that was read reads again as the same.
#![no_main]

libfuzzer_sys::fuzz_target!(|bytes: &[u8]| {
    bedplate_tests::hostile::control_request(bytes);
});
