//! The boot story: events of the guest's console as lines for a person.

use bedplate_contract::event::{Event, name};

/// `event` as one line: seconds, a mark, words.
pub fn line(event: &Event) -> String {
    let seconds = event.at_ms / 1000;
    let millis = event.at_ms % 1000;
    format!(
        "{seconds:>4}.{millis:03}  {}  {}",
        mark(event),
        words(event)
    )
}

fn mark(event: &Event) -> char {
    match event.name.as_str() {
        name::UPGRADE_ENDED if is_refused(event) => '✗',
        name::UPGRADE_ENDED => '✓',
        name::SERVICE_READY | name::GATE_PASSED | name::BLESSED => '✓',
        name::HEALTHY | name::RECOVERED => '✓',
        name::PHASE_FAILED | name::SERVICE_FAILED | name::GATE_FAILED => '✗',
        name::MARKED_BAD | name::DEGRADED | name::FAILING | name::QUARANTINED => '✗',
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
        name::GATE_FAILED => format!("the gate failed: {}", field("reason")),
        name::MARKED_BAD => format!("marked bad: the entry is now {}", field("entry")),
        name::DEGRADED => format!("degraded, and stays: {}", field("reason")),
        name::FAILING => format!("failing: {}", field("reason")),
        name::RECOVERED => "healthy again".to_owned(),
        name::QUARANTINED => format!(
            "version {} is not taken again unless forced: {}",
            field("version"),
            field("reason")
        ),
        name::UPGRADE => format!("upgrade: {}", field("text")),
        name::UPGRADE_ENDED if is_refused(event) => {
            format!("the upgrade is refused: {}", field("reason"))
        }
        name::UPGRADE_ENDED => "the upgrade is done".to_owned(),
        name::SHUTDOWN => format!("shutdown: {}", field("how")),
        name::LOG => format!("{}: {}", field("name"), field("text")),
        other => plain(other, &event.fields),
    }
}

fn is_refused(event: &Event) -> bool {
    event.field("outcome") == Some("refused")
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
    fn lines_read_as_a_story() {
        let ready = Event::new(12_034, name::SERVICE_READY)
            .with("name", "redis")
            .with("ms", 812);
        assert_eq!(line(&ready), "  12.034  ✓  redis is ready after 812 ms");
        let refused = Event::new(61_000, name::UPGRADE_ENDED)
            .with("outcome", "refused")
            .with("reason", "the bundle has expired");
        assert_eq!(
            line(&refused),
            "  61.000  ✗  the upgrade is refused: the bundle has expired"
        );
        let bad = Event::new(90_500, name::MARKED_BAD).with("entry", "lab_1.0.1+0-1.efi");
        assert_eq!(
            line(&bad),
            "  90.500  ✗  marked bad: the entry is now lab_1.0.1+0-1.efi"
        );
        let other = Event::new(5, "new.event").with("a", 1);
        assert_eq!(line(&other), "   0.005  ·  new.event a=1");
    }
}
