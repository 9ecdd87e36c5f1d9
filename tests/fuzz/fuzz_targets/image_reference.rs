//! A reference of an image: one that was read is written the same.
#![no_main]

libfuzzer_sys::fuzz_target!(|bytes: &[u8]| {
    bedplate_tests::hostile::image_reference(bytes);
});
