//! What `gpu-probe` prints: a report that was read reads again as the same.
#![no_main]

libfuzzer_sys::fuzz_target!(|bytes: &[u8]| {
    bedplate_tests::hostile::gpu_report(bytes);
});
