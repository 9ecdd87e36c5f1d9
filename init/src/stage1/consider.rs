//! Whether the root is started once more.

use std::path::Path;

use bedplate_contract::{Digest, event::name};
use bedplate_sys::clock;

use super::{Failure, Stage1Error, chain};
use crate::{
    attempt::Attempt,
    console,
    course::{self, Course},
    disk,
    verity::{self, Damage, Verified},
    watchdog,
};

/// Whether it makes sense to start the root once more.
///
/// # Errors
/// Why not, and what is done instead.
pub(super) fn consider(
    attempt: &mut Attempt,
    slot: &Verified,
    wanted: &Digest,
) -> Result<(), Failure> {
    if attempt.attempts() < course::CHECK_FROM {
        return Ok(());
    }
    let mut chances = attempt.chances();
    let mut damage = None;
    if course::before_root(&chances) == Course::Check {
        damage = check(slot, wanted).err();
        chances.sound = Some(damage.is_none());
    }
    if course::before_root(&chances) == Course::CheckOther {
        chances.other_sound = Some(is_other_sound(attempt));
    }
    let course = course::before_root(&chances);
    if !matches!(course, Course::Leave | Course::Stay) {
        return Ok(());
    }
    let slot = slot.slot.letter();
    let attempts = attempt.attempts();
    let error = match damage {
        Some(source) => Stage1Error::Corrupt { slot, source },
        None => Stage1Error::NoVerdict { slot, attempts },
    };
    let course = Some(course);
    Err(Failure { error, course })
}

/// Whether the slot that would be left for is worth it; one that is not there is not.
pub fn is_other_sound(attempt: &Attempt) -> bool {
    let find = |root: &Digest| {
        let mut partitions = disk::scan(Path::new(disk::SYS_BLOCK)).ok()?;
        partitions.retain(|partition| partition.disk == attempt.disk());
        verity::find_slot(&partitions, root)
    };
    let mut found = attempt.other_roots().into_iter();
    found.any(|root| find(&root).is_some_and(|slot| check(&slot, &root).is_ok()))
}

fn check(slot: &Verified, wanted: &Digest) -> Result<(), Damage> {
    let letter = slot.slot.letter();
    console::emit(&console::event(name::SLOT_CHECK).with("slot", letter));
    let begin = clock::since_boot_ms();
    let checked = verity::check(slot, wanted, || {
        watchdog::pet();
        console::flush();
    });
    let ms = clock::since_boot_ms().saturating_sub(begin);
    let sound = if checked.is_ok() { "yes" } else { "no" };
    let mut line = console::event(name::SLOT_CHECKED)
        .with("slot", letter)
        .with("sound", sound)
        .with("ms", ms);
    if let Err(damage) = &checked {
        line = line.with("reason", chain(damage));
    }
    console::emit(&line);
    checked
}
