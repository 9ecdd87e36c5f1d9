//! A copy of the boot record, raw and as a payload: a whole one reads again as the same.
#![no_main]

libfuzzer_sys::fuzz_target!(|bytes: &[u8]| {
    bedplate_tests::hostile::boot_record(bytes);
});
