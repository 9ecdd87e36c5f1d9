//! A release file: the indexes it gives lie below their component.
#![no_main]

libfuzzer_sys::fuzz_target!(|bytes: &[u8]| {
    bedplate_tests::hostile::release(bytes);
});
