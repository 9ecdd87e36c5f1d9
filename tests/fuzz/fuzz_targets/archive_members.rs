//! A tar archive on a stick: members lie within it.
#![no_main]

libfuzzer_sys::fuzz_target!(|bytes: &[u8]| {
    bedplate_tests::hostile::archive_members(bytes);
});
