//! Relations between packages: those that were read read again as the same.
#![no_main]

libfuzzer_sys::fuzz_target!(|bytes: &[u8]| {
    bedplate_tests::hostile::relations(bytes);
});
