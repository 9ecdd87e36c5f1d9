//! Why no root was reached.

use std::{io, path::PathBuf};

use bedplate_contract::cmdline;

use crate::{
    disk::DiskError,
    mounts::MountsError,
    verity::{Damage, VerityError},
};

/// Why no root was reached.
#[derive(Debug, thiserror::Error)]
pub enum Stage1Error {
    /// The kernel's own file systems.
    #[error("preparing the initramfs")]
    Mounts(#[source] MountsError),
    /// The command line cannot be read.
    #[error("reading the kernel command line")]
    Cmdline(#[source] io::Error),
    /// The command line names no root.
    #[error(
        "expected `{}=<64 hex digits>` on the kernel command line, found `{found}`",
        cmdline::ROOT_HASH
    )]
    NoRootHash {
        /// The command line.
        found: String,
    },
    /// Disks cannot be listed.
    #[error("looking for the disk")]
    Disk(#[source] DiskError),
    /// No slot of any disk has the root hash.
    #[error("no slot has the root hash `{wanted}`; partitions found: {found}")]
    NoSlot {
        /// Root hash of the command line, hex.
        wanted: String,
        /// Devices and labels that there are.
        found: String,
    },
    /// The slot is not what its tree says, and it is not the first time.
    #[error("slot `{slot}` is corrupt")]
    Corrupt {
        /// Letter.
        slot: &'static str,
        /// The first bad block.
        source: Damage,
    },
    /// The slot is sound, and still no boot of it comes to a verdict.
    #[error("slot `{slot}` is sound, but {attempts} boots in a row reached no verdict")]
    NoVerdict {
        /// Letter.
        slot: &'static str,
        /// This one included.
        attempts: u32,
    },
    /// The slot cannot be mapped.
    #[error("verifying slot `{slot}`")]
    Verity {
        /// Letter.
        slot: &'static str,
        /// Cause.
        source: VerityError,
    },
    /// The root cannot be mounted.
    #[error("mounting the root `{device}`")]
    Root {
        /// Node of the mapped device.
        device: PathBuf,
        /// Cause.
        source: io::Error,
    },
    /// The root cannot be entered.
    #[error("moving to the root: {step}")]
    Switch {
        /// What was being done.
        step: &'static str,
        /// Cause.
        source: io::Error,
    },
}
