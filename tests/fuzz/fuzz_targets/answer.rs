//! An answer to a sign request: what was read is written as what reads the same.
#![no_main]

libfuzzer_sys::fuzz_target!(|bytes: &[u8]| {
    bedplate_tests::hostile::answer(bytes);
});
