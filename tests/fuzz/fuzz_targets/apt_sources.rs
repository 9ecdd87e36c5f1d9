//! The host's apt sources: what is found is an archive of Debian's and a URL.
#![no_main]

libfuzzer_sys::fuzz_target!(|bytes: &[u8]| {
    bedplate_tests::hostile::apt_sources(bytes);
});
