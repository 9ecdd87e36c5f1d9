//! A text with references to secrets.
#![no_main]

libfuzzer_sys::fuzz_target!(|bytes: &[u8]| {
    bedplate_tests::hostile::secret_references(bytes);
});
