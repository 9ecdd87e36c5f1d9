//! The file in which credentials of registries are kept.
#![no_main]

libfuzzer_sys::fuzz_target!(|bytes: &[u8]| {
    bedplate_tests::hostile::credentials(bytes);
});
