//! A schedule: its next time is later.
#![no_main]

libfuzzer_sys::fuzz_target!(|bytes: &[u8]| {
    bedplate_tests::hostile::cron(bytes);
});
