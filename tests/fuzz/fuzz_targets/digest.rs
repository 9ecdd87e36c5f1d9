//! A digest: one that was read is written as it was.
#![no_main]

libfuzzer_sys::fuzz_target!(|bytes: &[u8]| {
    bedplate_tests::hostile::digest(bytes);
});
