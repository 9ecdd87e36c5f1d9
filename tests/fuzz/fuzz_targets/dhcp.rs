//! Options of a DHCP answer: a lease can be configured, and the client never acts at once again.
#![no_main]

libfuzzer_sys::fuzz_target!(|bytes: &[u8]| {
    bedplate_tests::hostile::dhcp(bytes);
});
