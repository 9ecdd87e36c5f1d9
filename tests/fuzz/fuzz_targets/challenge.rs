//! `WWW-Authenticate`: the URL of a token has no more than realm and query.
#![no_main]

libfuzzer_sys::fuzz_target!(|bytes: &[u8]| {
    bedplate_tests::hostile::challenge(bytes);
});
