//! Block 0 of a hash partition: a superblock that was read reads again as the same, and its device has a length.
#![no_main]

libfuzzer_sys::fuzz_target!(|bytes: &[u8]| {
    bedplate_tests::hostile::verity_superblock(bytes);
});
