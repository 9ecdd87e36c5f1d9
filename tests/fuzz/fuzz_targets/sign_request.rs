//! A sign request: what is believed can be signed, and only as what it is.
#![no_main]

libfuzzer_sys::fuzz_target!(|bytes: &[u8]| {
    bedplate_tests::hostile::sign_request(bytes);
});
