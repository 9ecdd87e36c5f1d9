//! The manifest that leads to an envelope: it is read, or refused in words.
#![no_main]

libfuzzer_sys::fuzz_target!(|bytes: &[u8]| {
    bedplate_tests::hostile::envelope_manifest(bytes);
});
