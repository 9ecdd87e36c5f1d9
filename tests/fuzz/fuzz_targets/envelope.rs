//! A DSSE envelope: it reads again as the same and opens for no stranger.
#![no_main]

libfuzzer_sys::fuzz_target!(|bytes: &[u8]| {
    bedplate_tests::hostile::envelope(bytes);
});
