//! A layer of an image: nothing of it lies beside its tree.
#![no_main]

libfuzzer_sys::fuzz_target!(|bytes: &[u8]| {
    bedplate_tests::hostile::image_layer(bytes);
});
