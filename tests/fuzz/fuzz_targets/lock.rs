//! A lock: one that was read is saved as what reads the same.
#![no_main]

libfuzzer_sys::fuzz_target!(|bytes: &[u8]| {
    bedplate_tests::hostile::lock(bytes);
});
