//! Where each partition lies: pure arithmetic on sizes.
//!
//! Sizes of the profile and of the artifacts → the table of partitions, or the figure that does not
//! fit. Nothing is read or written here.

use bedplate_contract::{
    layout::{META_SIZE, PARTITIONS, Partition},
    verity::BLOCK_SIZE,
};

use super::verity;
use crate::definition;

/// Bytes of a mebibyte, to which every partition is aligned.
pub const MIB: u64 = 1 << 20;
/// Bytes at each end of the disk that the partition tables take.
const TABLE: u64 = MIB;
/// What slots are rounded up to when the profile names no size, so that a grown root still fits.
const SLOT_STEP: u64 = 64 * MIB;

/// A partition and its place, bytes.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Placed {
    /// Which one.
    pub partition: Partition,
    /// First byte; a multiple of [`MIB`].
    pub start: u64,
    /// Length; a multiple of [`MIB`].
    pub size: u64,
}

/// A whole disk.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Layout {
    /// Bytes of the disk.
    pub size: u64,
    /// The partitions, in the order of [`PARTITIONS`].
    pub partitions: [Placed; PARTITIONS.len()],
}

/// A layout that cannot be: the profile asks for less than the content needs.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum LayoutError {
    /// `disk.size_mib` is less than the partitions need.
    #[error(
        "disk too small for the layout: `disk.size_mib` is {size}, the partitions need {needed} MiB ({parts})"
    )]
    DiskTooSmall {
        /// What the profile says, MiB.
        size: u64,
        /// What is needed, MiB.
        needed: u64,
        /// The partitions with their sizes.
        parts: String,
    },
    /// `disk.slot_mib` is less than the root image.
    #[error(
        "slot too small for the root: `disk.slot_mib` is {size}, the root image needs {needed} MiB"
    )]
    SlotTooSmall {
        /// What the profile says, MiB.
        size: u64,
        /// What is needed, MiB.
        needed: u64,
    },
}

impl Layout {
    /// Places the partitions that `disk` asks for around a root image of `root` bytes.
    ///
    /// State takes what is left of a disk whose size is given.
    ///
    /// # Errors
    /// The disk is smaller than its parts, or a slot smaller than the root.
    pub fn plan(disk: &definition::Disk, root: u64) -> Result<Self, LayoutError> {
        let slot = slot_size(disk, root)?;
        let tree = verity::file_size(slot / BLOCK_SIZE as u64).next_multiple_of(MIB);
        let least_state = mib(disk.state_mib);
        let fixed = [mib(disk.esp_mib), slot, tree, slot, tree, META_SIZE];
        let used = fixed
            .iter()
            .fold(2 * TABLE, |sum, size| sum.saturating_add(*size));
        let needed = used.saturating_add(least_state);
        let size = disk.size_mib.map_or(needed, mib);
        let [esp, a, a_tree, b, b_tree, meta] = fixed;
        let with_state = |state| [esp, a, a_tree, b, b_tree, meta, state];
        if size < needed {
            return Err(too_small(size, needed, with_state(least_state)));
        }
        Ok(Self {
            size,
            partitions: place(with_state(size - used)),
        })
    }
}

fn slot_size(disk: &definition::Disk, root: u64) -> Result<u64, LayoutError> {
    let twice = root.saturating_mul(2);
    let size = disk.slot_mib.map_or(twice.next_multiple_of(SLOT_STEP), mib);
    if size < root {
        return Err(LayoutError::SlotTooSmall {
            size: size / MIB,
            needed: root.div_ceil(MIB),
        });
    }
    Ok(size)
}

/// One after the other, behind the primary table.
fn place(sizes: [u64; PARTITIONS.len()]) -> [Placed; PARTITIONS.len()] {
    let mut next = TABLE;
    std::array::from_fn(|index| {
        let (start, size) = (next, sizes[index]);
        next += size;
        Placed {
            partition: PARTITIONS[index],
            start,
            size,
        }
    })
}

fn too_small(size: u64, needed: u64, sizes: [u64; PARTITIONS.len()]) -> LayoutError {
    let parts = PARTITIONS.iter().zip(sizes);
    let parts: Vec<_> = parts
        .map(|(partition, size)| format!("{} {}", partition.label, size / MIB))
        .collect();
    LayoutError::DiskTooSmall {
        size: size / MIB,
        needed: needed.div_ceil(MIB),
        parts: parts.join(", "),
    }
}

/// Saturates where a profile asks for more than any disk has, which the comparisons then refuse.
fn mib(count: u64) -> u64 {
    count.saturating_mul(MIB) / MIB * MIB
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;
    use crate::definition::Disk;

    const DISK: Disk = Disk {
        esp_mib: 512,
        slot_mib: None,
        state_mib: 1024,
        size_mib: None,
    };

    #[test]
    fn parts_add_up() {
        for (root_mib, slot_mib, size_mib, expected) in [
            // Two slots of 64 MiB with trees of 1 MiB.
            (30, None, None, [512, 64, 1, 64, 1, 4, 1024]),
            (33, None, None, [512, 128, 2, 128, 2, 4, 1024]),
            (33, Some(33), None, [512, 33, 1, 33, 1, 4, 1024]),
            // State takes the rest: 4096 - 2 - 646.
            (30, None, Some(4096), [512, 64, 1, 64, 1, 4, 3448]),
        ] {
            let disk = Disk {
                slot_mib,
                size_mib,
                ..DISK
            };
            let layout = Layout::plan(&disk, root_mib * MIB).unwrap();
            assert_eq!(layout.partitions.map(|placed| placed.size / MIB), expected);
            let total = expected.iter().sum::<u64>() + 2;
            assert_eq!(layout.size / MIB, total);
        }
    }

    #[test]
    fn what_does_not_fit_is_refused_with_figures() {
        let refused = |disk: Disk| Layout::plan(&disk, 30 * MIB + 1).unwrap_err().to_string();
        assert_eq!(
            refused(Disk {
                size_mib: Some(1000),
                ..DISK
            }),
            "disk too small for the layout: `disk.size_mib` is 1000, the partitions need 1672 MiB \
             (esp 512, slot-a 64, slot-a-verity 1, slot-b 64, slot-b-verity 1, meta 4, state 1024)"
        );
        assert_eq!(
            refused(Disk {
                slot_mib: Some(30),
                ..DISK
            }),
            "slot too small for the root: `disk.slot_mib` is 30, the root image needs 31 MiB"
        );
        assert!(
            refused(Disk {
                esp_mib: u64::MAX,
                size_mib: Some(1),
                ..DISK
            })
            .contains("too small")
        );
    }

    proptest! {
        #[test]
        fn partitions_are_aligned_and_follow_each_other(root in 1..1u64 << 34, esp_mib in 512..2048u64) {
            let disk = Disk { esp_mib, ..DISK };
            let layout = Layout::plan(&disk, root).unwrap();
            let mut end = TABLE;
            for placed in layout.partitions {
                prop_assert_eq!(placed.start, end);
                prop_assert_eq!(placed.start % MIB + placed.size % MIB, 0);
                end += placed.size;
            }
            prop_assert_eq!(end + TABLE, layout.size);
            let [_, slot, tree, ..] = layout.partitions;
            prop_assert!(slot.size >= root);
            prop_assert!(tree.size >= verity::file_size(root.div_ceil(4096)));
        }
    }
}
