//! A frame index: one spelling, frames that fill their blob.
#![no_main]

libfuzzer_sys::fuzz_target!(|bytes: &[u8]| {
    bedplate_tests::hostile::frame_index(bytes);
});
