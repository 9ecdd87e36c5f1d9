//! What must hold of every parser of outside bytes, whatever the bytes.
//!
//! One function per parser: bytes in, `true` when they were accepted. A broken invariant panics,
//! which is how both users of this module want it: `tests/hostile_bytes.rs`, which CI runs, and the
//! fuzz targets in `tests/fuzz`, which somebody lets run for hours.

mod archive;
mod contract;
mod network;
mod registry;
mod signing;
mod upgrade;

pub use archive::{apt_sources, deb822, definition, lock, package, relations, release, versions};
pub use contract::{
    appliance, backup_manifest, boot_record, boot_report, control_reply, control_request, cron,
    digest, entry_name, event, fat_label, gpu_report, secret_references, verity_superblock,
};
pub use network::dhcp;
pub use registry::{
    challenge, credentials, image_config, image_document, image_layer, image_reference,
    python_wheel,
};
pub use signing::{answer, cosign_payload, published_file, sign_request};
pub use upgrade::{
    archive_members, bundle_manifest, envelope, envelope_manifest, frame_index, layout_index,
    name_reply,
};

use std::fmt::Debug;

/// Asserts that what was read is read again from what is written for it.
fn round_trips<T: PartialEq + Debug, E: Debug>(value: &T, again: Result<T, E>) {
    match again {
        Ok(again) => assert_eq!(&again, value),
        Err(error) => panic!("{value:?} was written as what is refused: {error:?}"),
    }
}
