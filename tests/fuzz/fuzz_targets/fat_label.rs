//! The first sector of a medium.
#![no_main]

libfuzzer_sys::fuzz_target!(|bytes: &[u8]| {
    bedplate_tests::hostile::fat_label(bytes);
});
