//! Versions of packages: their order is reflexive, antisymmetric and transitive.
#![no_main]

libfuzzer_sys::fuzz_target!(|bytes: &[u8]| {
    bedplate_tests::hostile::versions(bytes);
});
