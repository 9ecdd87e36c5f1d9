//! The manifest of a bundle: it reads again as the same.
#![no_main]

libfuzzer_sys::fuzz_target!(|bytes: &[u8]| {
    bedplate_tests::hostile::bundle_manifest(bytes);
});
