//! The index of a layout: few candidates, each with a label that can be shown.
#![no_main]

libfuzzer_sys::fuzz_target!(|bytes: &[u8]| {
    bedplate_tests::hostile::layout_index(bytes);
});
