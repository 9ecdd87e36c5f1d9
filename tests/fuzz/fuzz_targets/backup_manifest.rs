//! The manifest beside an archive: a document that was read reads again as the same.
#![no_main]

libfuzzer_sys::fuzz_target!(|bytes: &[u8]| {
    bedplate_tests::hostile::backup_manifest(bytes);
});
