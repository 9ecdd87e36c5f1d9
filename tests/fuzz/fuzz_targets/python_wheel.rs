//! A wheel: every file lies in its tree.
#![no_main]

libfuzzer_sys::fuzz_target!(|bytes: &[u8]| {
    bedplate_tests::hostile::python_wheel(bytes);
});
