//! What is done to a state partition, purely.

use bedplate_contract::meta::StateNote;

use super::content::Content;

/// What is known of a state partition.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Known {
    /// What the boot record has noted; `None` where there is no record that could note anything.
    pub note: Option<StateNote>,
    /// Whether a version was ever blessed on this disk: it had a state then, whatever was noted.
    pub was_good: bool,
    /// What the first blocks hold.
    pub content: Content,
    /// Whether later blocks are those of a state whose beginning is lost; `None` while they were not
    /// looked at.
    pub remains: Option<bool>,
}

/// What is done.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Plan {
    /// Look for remains, then choose again.
    Search,
    /// Make a file system: nothing was ever kept here.
    Make,
    /// Mount it.
    Mount,
    /// Repair it, then mount it.
    Repair,
    /// Leave it alone.
    Stay(Why),
}

/// Why it is left alone.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Why {
    /// It holds something that is no state.
    Foreign,
    /// There was a state, and nothing of it is left that could be repaired.
    Lost,
    /// Its beginning is blank, and later blocks are those of a state that nobody knows of.
    Remains,
    /// A state that is made here could not be noted.
    NoRecord,
}

/// What is done to a partition of which so much is known.
pub const fn plan(known: &Known) -> Plan {
    let making = matches!(known.note, Some(StateNote::Making));
    let was_there = known.was_good || matches!(known.note, Some(StateNote::Made));
    match (known.content, known.remains) {
        (Content::Xfs, _) => Plan::Mount,
        (Content::Foreign, _) => Plan::Stay(Why::Foreign),
        // Power was cut while it was being made.
        (Content::Blank | Content::Broken, _) if making => Plan::Make,
        (Content::Unknown, _) if making => Plan::Stay(Why::Foreign),
        (Content::Broken, _) => Plan::Repair,
        (Content::Blank | Content::Unknown, None) => Plan::Search,
        (Content::Blank | Content::Unknown, Some(true)) if was_there => Plan::Repair,
        (Content::Blank | Content::Unknown, Some(false)) if was_there => Plan::Stay(Why::Lost),
        (Content::Unknown, _) => Plan::Stay(Why::Foreign),
        (Content::Blank, Some(true)) => Plan::Stay(Why::Remains),
        (Content::Blank, Some(false)) if known.note.is_none() => Plan::Stay(Why::NoRecord),
        (Content::Blank, Some(false)) => Plan::Make,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const CONTENTS: [Content; 5] = [
        Content::Blank,
        Content::Xfs,
        Content::Broken,
        Content::Foreign,
        Content::Unknown,
    ];
    const REMAINS: [Option<bool>; 3] = [None, Some(false), Some(true)];
    const NEW: Option<StateNote> = Some(StateNote::Unnoted);
    const MAKING: Option<StateNote> = Some(StateNote::Making);
    const MADE: Option<StateNote> = Some(StateNote::Made);

    #[test]
    fn what_is_done_follows_from_note_and_content() {
        use Content::*;
        for (note, was_good, content, remains, expected) in [
            // A new machine.
            (NEW, false, Blank, None, Plan::Search),
            (NEW, false, Blank, Some(false), Plan::Make),
            (NEW, false, Unknown, Some(false), Plan::Stay(Why::Foreign)),
            // An image that was written over the disk of another.
            (NEW, false, Blank, Some(true), Plan::Stay(Why::Remains)),
            // A crash within mkfs.xfs, and between it and the note.
            (MAKING, false, Broken, None, Plan::Make),
            (MAKING, false, Blank, None, Plan::Make),
            (MAKING, false, Xfs, None, Plan::Mount),
            // A sector, 128 KiB, everything is lost of a state that was made.
            (MADE, true, Broken, None, Plan::Repair),
            (MADE, false, Blank, Some(true), Plan::Repair),
            (MADE, false, Unknown, Some(true), Plan::Repair),
            (MADE, true, Blank, Some(false), Plan::Stay(Why::Lost)),
            (MADE, true, Unknown, Some(false), Plan::Stay(Why::Lost)),
            (MADE, true, Foreign, None, Plan::Stay(Why::Foreign)),
            // Both copies of the record are lost; the reports know that there was a state, or not.
            (NEW, true, Blank, Some(false), Plan::Stay(Why::Lost)),
            (NEW, true, Blank, Some(true), Plan::Repair),
            (NEW, false, Broken, None, Plan::Repair),
            (NEW, false, Xfs, None, Plan::Mount),
            // No meta partition at all.
            (None, false, Xfs, None, Plan::Mount),
            (None, false, Blank, Some(false), Plan::Stay(Why::NoRecord)),
        ] {
            let known = Known {
                note,
                was_good,
                content,
                remains,
            };
            assert_eq!(plan(&known), expected, "{known:?}");
        }
    }

    /// The one rule of which everything else follows.
    #[test]
    fn only_what_was_never_whole_is_made() {
        for note in [None, NEW, MAKING, MADE] {
            for (was_good, content) in [true, false]
                .into_iter()
                .flat_map(|was_good| CONTENTS.into_iter().map(move |content| (was_good, content)))
            {
                for remains in REMAINS {
                    let known = Known {
                        note,
                        was_good,
                        content,
                        remains,
                    };
                    if plan(&known) != Plan::Make {
                        continue;
                    }
                    let begun =
                        note == MAKING && matches!(content, Content::Blank | Content::Broken);
                    let new = note == NEW && !was_good && content == Content::Blank;
                    assert!(begun || new && remains == Some(false), "{known:?}");
                }
            }
        }
    }
}
