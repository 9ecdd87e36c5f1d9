//! A file name on the ESP: it has one spelling, names no other directory, and its blessed and bad forms are names.
#![no_main]

libfuzzer_sys::fuzz_target!(|bytes: &[u8]| {
    bedplate_tests::hostile::entry_name(bytes);
});
