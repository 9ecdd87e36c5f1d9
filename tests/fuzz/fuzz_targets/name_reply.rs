//! What a name server sends: addresses of the kind that was asked for.
#![no_main]

libfuzzer_sys::fuzz_target!(|bytes: &[u8]| {
    bedplate_tests::hostile::name_reply(bytes);
});
