//! A manifest or an index: layers have a form that is known.
#![no_main]

libfuzzer_sys::fuzz_target!(|bytes: &[u8]| {
    bedplate_tests::hostile::image_document(bytes);
});
