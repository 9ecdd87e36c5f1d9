//! A console line: an event that was read is one line without control characters that reads as the same event.
#![no_main]

libfuzzer_sys::fuzz_target!(|bytes: &[u8]| {
    bedplate_tests::hostile::event(bytes);
});
