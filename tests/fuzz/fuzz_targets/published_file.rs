//! A published file: a blob that was read is the one of its digest.
#![no_main]

libfuzzer_sys::fuzz_target!(|bytes: &[u8]| {
    bedplate_tests::hostile::published_file(bytes);
});
