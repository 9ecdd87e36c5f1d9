//! What the events of a machine amount to: pure.
//!
//! Without an upgrade the first boot that decides ends the run. With one, the first healthy boot is
//! where the bundle is offered; the story then goes on through reboots until a version is healthy.

use bedplate_contract::event::{Event, name};

use super::Outcome;

/// What follows an event.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Next {
    /// More events.
    Follow,
    /// The machine is ready for the upgrade.
    Offer,
    /// The verdict.
    End(Outcome),
}

/// Follows the events of one machine over its boots.
#[derive(Debug)]
pub enum Judge {
    /// The boot alone.
    Boot,
    /// A boot that is to take an upgrade.
    Before,
    /// An upgrade that was offered.
    Offered {
        /// The version that ran.
        from: String,
        /// Why the new one was left, as far as it is known.
        reason: Option<String>,
    },
}

impl Judge {
    /// A judge of a machine that is offered an upgrade, or of its boot alone.
    pub fn new(upgrade: bool) -> Self {
        if upgrade { Self::Before } else { Self::Boot }
    }

    /// Takes the next event.
    pub fn take(&mut self, event: &Event) -> Next {
        match self {
            Self::Boot => boot(event),
            Self::Before => {
                if event.name != name::HEALTHY {
                    return boot(event);
                }
                let from = words(event, "version");
                *self = Self::Offered { from, reason: None };
                Next::Offer
            }
            Self::Offered { from, reason } => offered(event, from, reason),
        }
    }
}

/// A gate that failed is a verdict although the machine goes on: it reboots or stays degraded.
fn boot(event: &Event) -> Next {
    match event.name.as_str() {
        name::HEALTHY => Next::End(Outcome::Healthy),
        name::GATE_FAILED | name::DEGRADED => Next::End(Outcome::Unhealthy(words(event, "reason"))),
        _ => Next::Follow,
    }
}

fn offered(event: &Event, from: &str, reason: &mut Option<String>) -> Next {
    match event.name.as_str() {
        name::UPGRADE_ENDED if event.field("outcome") == Some("refused") => {
            Next::End(Outcome::Refused(words(event, "reason")))
        }
        // The new version's: the old one is next, and there it ends.
        name::GATE_FAILED => {
            *reason = Some(words(event, "reason"));
            Next::Follow
        }
        // Of a version that crashed, this is the first that is heard.
        name::QUARANTINED => {
            reason.get_or_insert_with(|| words(event, "reason"));
            Next::Follow
        }
        name::DEGRADED => Next::End(Outcome::Unhealthy(words(event, "reason"))),
        name::HEALTHY if event.field("version") == Some(from) => {
            let reason = reason.take();
            let reason = reason.unwrap_or_else(|| "its boots came to no verdict".to_owned());
            Next::End(Outcome::RolledBack(reason))
        }
        name::HEALTHY => Next::End(Outcome::Healthy),
        _ => Next::Follow,
    }
}

fn words(event: &Event, key: &str) -> String {
    let found = event.field(key);
    found.map_or_else(|| format!("no {key} was given"), str::to_owned)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn event(name: &str, key: &str, value: &str) -> Event {
        Event::new(9, name).with(key, value)
    }

    /// What follows the last of `events`, where all before it are followed by more.
    fn last(judge: &mut Judge, events: &[Event]) -> Next {
        let (last, before) = events.split_last().unwrap();
        for event in before {
            assert_eq!(judge.take(event), Next::Follow, "{event}");
        }
        judge.take(last)
    }

    #[test]
    fn the_first_verdict_ends_a_boot() {
        let failed = "agent: connection refused";
        for (name, expected) in [
            (name::HEALTHY, Next::End(Outcome::Healthy)),
            (
                name::GATE_FAILED,
                Next::End(Outcome::Unhealthy(failed.to_owned())),
            ),
            (
                name::DEGRADED,
                Next::End(Outcome::Unhealthy(failed.to_owned())),
            ),
            (name::SERVICE_READY, Next::Follow),
        ] {
            let event = event(name, "reason", failed);
            assert_eq!(Judge::new(false).take(&event), expected, "{name}");
        }
    }

    #[test]
    fn a_machine_that_is_not_healthy_is_offered_nothing() {
        let failed = event(name::GATE_FAILED, "reason", "x");
        let next = Judge::new(true).take(&failed);
        assert_eq!(next, Next::End(Outcome::Unhealthy("x".to_owned())));
    }

    #[test]
    fn an_upgrade_is_followed_to_its_end() {
        let healthy = |version| event(name::HEALTHY, "version", version);
        let done = event(name::UPGRADE_ENDED, "outcome", "done");
        let refused = event(name::UPGRADE_ENDED, "outcome", "refused").with("reason", "expired");
        let failed = event(name::GATE_FAILED, "reason", "agent");
        let crashed = event(name::QUARANTINED, "reason", "it crashed");
        let back = |reason: &str| Outcome::RolledBack(reason.to_owned());
        let slot = event(name::SLOT, "slot", "b");
        for (events, expected) in [
            (
                vec![done.clone(), slot.clone(), healthy("2")],
                Outcome::Healthy,
            ),
            (vec![refused], Outcome::Refused("expired".to_owned())),
            (
                vec![
                    done.clone(),
                    failed,
                    crashed.clone(),
                    slot.clone(),
                    healthy("1"),
                ],
                back("agent"),
            ),
            (
                vec![done.clone(), slot.clone(), slot, crashed, healthy("1")],
                back("it crashed"),
            ),
            (
                vec![done, healthy("1")],
                back("its boots came to no verdict"),
            ),
            (
                vec![event(name::DEGRADED, "reason", "both")],
                Outcome::Unhealthy("both".to_owned()),
            ),
        ] {
            let mut judge = Judge::new(true);
            assert_eq!(judge.take(&healthy("1")), Next::Offer);
            assert_eq!(last(&mut judge, &events), Next::End(expected));
        }
    }
}
