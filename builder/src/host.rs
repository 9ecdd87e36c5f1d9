//! The programs that every appliance carries, built beside the builder and embedded in it.
//!
//! See `build.rs` for how they are linked.

/// PID 1 and `/init` of the initramfs; static.
pub const INIT: &[u8] = include_bytes!(concat!(env!("OUT_DIR"), "/init"));
/// The host command line; static.
pub const BEDPLATECTL: &[u8] = include_bytes!(concat!(env!("OUT_DIR"), "/bedplatectl"));
/// The GPU reader; dynamic, needs libc and libgcc_s.
pub const GPU_PROBE: &[u8] = include_bytes!(concat!(env!("OUT_DIR"), "/gpu-probe"));

/// The programs that an appliance carries, as a stage is given them.
#[derive(Debug, Clone, Copy)]
pub struct HostPrograms<'a> {
    /// PID 1, static.
    pub init: &'a [u8],
    /// The host command line, static.
    pub bedplatectl: &'a [u8],
    /// The GPU reader, dynamic; left out of roots without libc.
    pub gpu_probe: &'a [u8],
}

/// Those of this builder.
pub const PROGRAMS: HostPrograms<'static> = HostPrograms {
    init: INIT,
    bedplatectl: BEDPLATECTL,
    gpu_probe: GPU_PROBE,
};

#[cfg(test)]
mod tests {
    use goblin::elf::Elf;

    #[test]
    fn host_programs_are_linked_as_the_design_says() {
        for (program, needs_libraries) in [
            (super::INIT, false),
            (super::BEDPLATECTL, false),
            (super::GPU_PROBE, true),
        ] {
            let elf = Elf::parse(program).unwrap();
            assert_eq!(!elf.libraries.is_empty(), needs_libraries);
        }
    }
}
