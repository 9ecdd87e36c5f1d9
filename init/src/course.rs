//! What stage 1 does with a root that boots again and again and never comes to a verdict.
//!
//! The loader counts the tries of a version on trial and ends them. A blessed entry has no counter,
//! and one whose tries are spent is started all the same while nothing else can boot: a corrupt
//! block, a panic or a hang in such a root would restart the machine for ever. The boot record
//! counts those boots; what follows from the count is decided here, purely. It outvotes the counter of a
//! loader that cannot count: a firmware that does not write FAT, an ESP that is read-only or damaged.

use bedplate_contract::entry::TRIES;

use crate::decide::Fallback;

/// The boot in a row without a verdict from which the slot is read whole against its hash tree.
///
/// Corruption restarts the machine at the first bad block, so three boots tell nothing new; reading
/// takes seconds to minutes, which a box after three bad boots has.
pub const CHECK_FROM: u32 = 4;

/// The boot from which tries that are left are not believed: every try has had its boot, and one was to
/// spare, for the loader counts before it starts anything.
pub const OUTVOTE_FROM: u32 = TRIES + 2;

/// The boot from which a sound root is left for another blessed one.
///
/// Six in a row are more than a few power cuts, which must never burn a good slot.
pub const LEAVE_FROM: u32 = 7;

/// The boot from which a sound root that has no blessed neighbour is not started any more.
///
/// Staying counts as a verdict: the next start of the machine, by hand or after a power cut, has as
/// many boots again.
pub const STAY_FROM: u32 = 13;

/// What the loader counts of the entry that it started.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Own {
    /// It has tries left: the loader comes to an end by itself.
    Tries,
    /// It is blessed or has no tries left: the loader would start it for ever.
    Endless,
    /// The ESP does not say.
    Unknown,
}

/// What stage 1 knows when it must choose.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Chances {
    /// Boots in a row without a verdict, this one included; 0 where they cannot be counted.
    pub attempts: u32,
    /// The entry of this boot.
    pub own: Own,
    /// What else the loader could start.
    pub other: Fallback,
    /// Whether every block of the slot is what its tree says; `None` while it was not read.
    pub sound: Option<bool>,
    /// The same of the other slot.
    pub other_sound: Option<bool>,
}

/// What stage 1 does.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Course {
    /// Go on to the root; after a failure: start the machine again.
    Go,
    /// Read the slot whole, then choose again.
    Check,
    /// Read the other slot whole, then choose again: a sound one is not left for a corrupt one.
    CheckOther,
    /// Take the entry's tries away and start the machine again: the loader takes another entry.
    Leave,
    /// Start nothing, stay reachable, say why.
    Stay,
}

impl Chances {
    /// The entry of this boot as far as the count of the boots lets it be believed.
    const fn believed(&self) -> Own {
        match self.own {
            Own::Tries if self.attempts >= OUTVOTE_FROM => Own::Endless,
            own => own,
        }
    }

    /// Whether a sound root is left: for a blessed one; and where its tries are spent by right, for
    /// whatever the loader would start after them.
    const fn may_leave_sound(&self) -> bool {
        let is_worth_it = match self.other {
            Fallback::Absent => false,
            Fallback::Trial => matches!(self.own, Own::Tries),
            Fallback::Blessed => true,
        };
        is_worth_it && self.attempts >= LEAVE_FROM
    }
}

/// What is done before the root is entered.
pub const fn before_root(chances: &Chances) -> Course {
    let Chances {
        attempts,
        other,
        sound,
        other_sound,
        ..
    } = *chances;
    if attempts < CHECK_FROM || matches!(chances.believed(), Own::Tries) {
        return Course::Go;
    }
    match (sound, other) {
        (None, _) => Course::Check,
        (Some(false), Fallback::Absent) => Course::Stay,
        (Some(false), Fallback::Trial | Fallback::Blessed) => Course::Leave,
        (Some(true), _) if chances.may_leave_sound() && other_sound.is_none() => Course::CheckOther,
        (Some(true), _) if chances.may_leave_sound() && matches!(other_sound, Some(true)) => {
            Course::Leave
        }
        (Some(true), _) if attempts >= STAY_FROM => Course::Stay,
        (Some(true), _) => Course::Go,
    }
}

/// What is done when the root was not reached.
///
/// Where neither the boots are counted nor the ESP can be read, the machine starts again: the disk
/// is not there, so that either the loader counts a trial whose kernel lacks its driver, or the disk
/// may come.
pub const fn without_root(chances: &Chances) -> Course {
    match (chances.believed(), chances.attempts, chances.other) {
        (Own::Tries, ..) | (Own::Unknown, 0, _) => Course::Go,
        (_, attempts, _) if attempts > 0 && attempts < CHECK_FROM => Course::Go,
        (_, _, Fallback::Absent) => Course::Stay,
        (_, _, Fallback::Trial | Fallback::Blessed) => Course::Leave,
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    const BLESSED: Chances = Chances {
        attempts: 1,
        own: Own::Endless,
        other: Fallback::Blessed,
        sound: None,
        other_sound: None,
    };

    #[test]
    fn the_slot_is_read_from_the_fourth_boot_on() {
        for (attempts, expected) in [
            (0, Course::Go),
            (1, Course::Go),
            (3, Course::Go),
            (4, Course::Check),
        ] {
            let chances = Chances {
                attempts,
                ..BLESSED
            };
            assert_eq!(before_root(&chances), expected, "{attempts}");
        }
    }

    #[test]
    fn a_corrupt_slot_is_left_or_stayed_in() {
        for (other, expected) in [
            (Fallback::Absent, Course::Stay),
            (Fallback::Trial, Course::Leave),
            (Fallback::Blessed, Course::Leave),
        ] {
            let chances = Chances {
                attempts: 4,
                other,
                sound: Some(false),
                ..BLESSED
            };
            assert_eq!(before_root(&chances), expected, "{other:?}");
        }
    }

    #[test]
    fn a_few_power_cuts_burn_no_sound_slot() {
        let sound = |attempts, other, other_sound| {
            before_root(&Chances {
                attempts,
                other,
                sound: Some(true),
                other_sound,
                ..BLESSED
            })
        };
        for other in [Fallback::Absent, Fallback::Trial, Fallback::Blessed] {
            assert_eq!(sound(6, other, None), Course::Go);
        }
        assert_eq!(sound(7, Fallback::Blessed, None), Course::CheckOther);
        assert_eq!(sound(7, Fallback::Blessed, Some(true)), Course::Leave);
        assert_eq!(sound(12, Fallback::Blessed, Some(false)), Course::Go);
        assert_eq!(sound(13, Fallback::Blessed, Some(false)), Course::Stay);
        assert_eq!(sound(12, Fallback::Trial, None), Course::Go);
        assert_eq!(sound(13, Fallback::Trial, None), Course::Stay);
        assert_eq!(sound(13, Fallback::Absent, None), Course::Stay);
    }

    #[test]
    fn a_loader_that_cannot_count_is_outvoted() {
        for (attempts, other, expected) in [
            (4, Fallback::Blessed, Course::Go),
            (5, Fallback::Blessed, Course::Check),
            (13, Fallback::Blessed, Course::Check),
        ] {
            let chances = Chances {
                attempts,
                own: Own::Tries,
                other,
                ..BLESSED
            };
            assert_eq!(before_root(&chances), expected, "{attempts}");
        }
    }

    #[test]
    fn a_root_that_is_not_reached_is_tried_a_few_times() {
        let failed = |attempts, own, other| {
            without_root(&Chances {
                attempts,
                own,
                other,
                ..BLESSED
            })
        };
        assert_eq!(failed(3, Own::Endless, Fallback::Blessed), Course::Go);
        assert_eq!(failed(4, Own::Endless, Fallback::Blessed), Course::Leave);
        assert_eq!(failed(4, Own::Endless, Fallback::Absent), Course::Stay);
        assert_eq!(failed(4, Own::Tries, Fallback::Absent), Course::Go);
        assert_eq!(failed(0, Own::Tries, Fallback::Absent), Course::Go);
        assert_eq!(failed(5, Own::Tries, Fallback::Absent), Course::Stay);
        assert_eq!(failed(5, Own::Tries, Fallback::Blessed), Course::Leave);
        assert_eq!(failed(0, Own::Unknown, Fallback::Absent), Course::Go);
        assert_eq!(failed(0, Own::Endless, Fallback::Absent), Course::Stay);
        assert_eq!(failed(4, Own::Unknown, Fallback::Absent), Course::Stay);
    }

    proptest! {
        /// However a root fails: the first boots are free, no tries are taken of a root that nothing
        /// replaces, and it is not started for ever.
        #[test]
        fn every_row_ends(
            own in prop_oneof![Just(Own::Endless), Just(Own::Unknown), Just(Own::Tries)],
            other in prop_oneof![
                Just(Fallback::Absent), Just(Fallback::Trial), Just(Fallback::Blessed)
            ],
            sound: bool,
            other_sound: bool,
            attempts in 1..2 * STAY_FROM,
        ) {
            let (sound, other_sound) = (Some(sound), Some(other_sound));
            let chances = Chances { attempts, own, other, sound, other_sound };
            for course in [before_root(&chances), without_root(&chances)] {
                prop_assert!(course != Course::Leave || other != Fallback::Absent);
                prop_assert!(attempts >= CHECK_FROM || course == Course::Go);
                prop_assert!(attempts < STAY_FROM || matches!(course, Course::Leave | Course::Stay));
            }
        }
    }
}
