//! The configuration of an image: its words are words of a process.
#![no_main]

libfuzzer_sys::fuzz_target!(|bytes: &[u8]| {
    bedplate_tests::hostile::image_config(bytes);
});
