//! The boot story: events of the guest's console as lines for a person, and what they amount to.

use bedplate_contract::event::{Event, name};

/// How a boot ended, as far as its events tell.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Verdict {
    /// The gate passed and the entry is blessed.
    Healthy,
    /// The gate failed; the reason names the services.
    Unhealthy(String),
}

/// The verdict that `event` brings, if it brings one.
///
/// A gate that failed is a verdict although the machine goes on: it reboots or stays degraded.
pub fn verdict(event: &Event) -> Option<Verdict> {
    match event.name.as_str() {
        name::HEALTHY => Some(Verdict::Healthy),
        name::GATE_FAILED | name::DEGRADED => {
            let reason = event.field("reason").unwrap_or("no reason was given");
            Some(Verdict::Unhealthy(reason.to_owned()))
        }
        _ => None,
    }
}

/// `event` as one line: seconds, a mark, words.
pub fn line(event: &Event) -> String {
    let seconds = event.at_ms / 1000;
    let millis = event.at_ms % 1000;
    format!(
        "{seconds:>4}.{millis:03}  {}  {}",
        mark(&event.name),
        words(event)
    )
}

fn mark(event: &str) -> char {
    match event {
        name::SERVICE_READY | name::GATE_PASSED | name::BLESSED | name::HEALTHY => '✓',
        name::PHASE_FAILED | name::SERVICE_FAILED | name::GATE_FAILED => '✗',
        name::MARKED_BAD | name::DEGRADED => '✗',
        name::SERVICE_EXITED | name::SERVICE_UNREADY => '!',
        name::LOG => '|',
        _ => '·',
    }
}

fn words(event: &Event) -> String {
    let field = |key| event.field(key).unwrap_or("?");
    match event.name.as_str() {
        name::PHASE => format!("{} ({} ms)", field("phase"), field("ms")),
        name::SLOT => format!(
            "root found in slot {}, verified by its root hash",
            field("slot")
        ),
        name::SERVICE_STARTED => format!("{} starts", field("name")),
        name::SERVICE_READY => format!("{} is ready after {} ms", field("name"), field("ms")),
        name::SERVICE_WAITING => {
            format!(
                "{} waits for {} because {}",
                field("name"),
                field("for"),
                field("because")
            )
        }
        name::GATE_PASSED => "the gate passed".to_owned(),
        name::BLESSED => format!("blessed: the entry is now {}", field("entry")),
        name::HEALTHY => format!("healthy: version {}", field("version")),
        name::LOG => format!("{}: {}", field("name"), field("text")),
        other => plain(other, &event.fields),
    }
}

/// Events without words of their own: the name and all fields, so nothing is hidden.
fn plain(name: &str, fields: &[(String, String)]) -> String {
    let fields = fields.iter().map(|(key, value)| format!(" {key}={value}"));
    std::iter::once(name.to_owned()).chain(fields).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn verdicts() {
        let failed = Event::new(9, name::GATE_FAILED).with("reason", "agent: connection refused");
        let reason = "agent: connection refused".to_owned();
        for (event, expected) in [
            (Event::new(9, name::HEALTHY), Some(Verdict::Healthy)),
            (failed, Some(Verdict::Unhealthy(reason))),
            (Event::new(9, name::SERVICE_READY), None),
        ] {
            assert_eq!(verdict(&event), expected);
        }
    }

    #[test]
    fn lines_read_as_a_story() {
        let ready = Event::new(12_034, name::SERVICE_READY)
            .with("name", "redis")
            .with("ms", 812);
        assert_eq!(line(&ready), "  12.034  ✓  redis is ready after 812 ms");
        let other = Event::new(5, "new.event").with("a", 1);
        assert_eq!(line(&other), "   0.005  ·  new.event a=1");
    }
}
