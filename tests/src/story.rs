//! What a machine's console told: its boots, each with what the loader had made of the entries.

use std::path::Path;

use anyhow::Result;
use bedplate_contract::event::{Event, name};

use crate::esp;

/// One line of the console.
#[derive(Debug)]
pub struct Line {
    /// The text.
    pub text: String,
    /// The entries of the ESP, where the line begins a boot: the loader has counted it by then, and
    /// PID 1 has written nothing yet.
    entries: Option<Result<Vec<String>>>,
}

/// The console so far.
#[derive(Debug, Default)]
pub struct Story {
    lines: Vec<String>,
    /// The boots, the first one first.
    pub boots: Vec<Boot>,
}

/// One boot, from the moment that its root was found.
#[derive(Debug)]
pub struct Boot {
    /// `a` or `b`.
    pub slot: String,
    /// Root hash, hex: which version it is.
    pub root_hash: String,
    /// The entries as the loader left them.
    pub entries: Vec<String>,
    /// Every event of it.
    pub events: Vec<Event>,
}

impl Line {
    /// Takes a line of the machine that runs on `disk`.
    pub fn read(text: String, disk: &Path) -> Self {
        let begins = Event::parse(&text).is_some_and(|event| event.name == name::SLOT);
        let entries = begins.then(|| esp::entries(disk));
        Self { text, entries }
    }
}

impl Story {
    /// Takes the next line; returns its event.
    ///
    /// # Errors
    /// The entries of a boot could not be read.
    pub fn take(&mut self, line: Line) -> Result<Option<Event>> {
        let event = Event::parse(&line.text);
        self.lines.push(line.text);
        if let (Some(entries), Some(event)) = (line.entries, &event) {
            let field = |key| event.field(key).unwrap_or_default().to_owned();
            self.boots.push(Boot {
                slot: field("slot"),
                root_hash: field("roothash"),
                entries: entries?,
                events: Vec::new(),
            });
        }
        if let (Some(boot), Some(event)) = (self.boots.last_mut(), &event) {
            boot.events.push(event.clone());
        }
        Ok(event)
    }

    /// What a failed assertion shows: the boots, and the last lines.
    pub fn tail(&self) -> String {
        let boots = self.boots.iter().map(|boot| format!("{}\n", boot.line()));
        let last = &self.lines[self.lines.len().saturating_sub(60)..];
        boots.chain([last.join("\n")]).collect()
    }
}

impl Boot {
    /// The boot in one line: slot, entries, how it ended as far as its events tell.
    pub fn line(&self) -> String {
        format!("{}: {}: {}", self.slot, self.entries.join(" "), self.end())
    }

    /// How it ended.
    fn end(&self) -> &'static str {
        let ends = self
            .events
            .iter()
            .rev()
            .find_map(|event| match &*event.name {
                name::HEALTHY => Some("healthy"),
                name::GATE_FAILED => Some("gate failed"),
                name::DEGRADED => Some("degraded"),
                _ => None,
            });
        ends.unwrap_or("no verdict")
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn line(event: Event, entries: Option<&[&str]>) -> Line {
        let entries = entries.map(|names| Ok(names.iter().map(|name| name.to_string()).collect()));
        Line {
            text: event.to_string(),
            entries,
        }
    }

    #[test]
    fn boots_are_told_apart() -> Result<()> {
        let mut story = Story::default();
        let slot = |slot| Event::new(1, name::SLOT).with("slot", slot);
        story.take(line(slot("b"), Some(&["lab_1.efi", "lab_2+2-1.efi"])))?;
        story.take(line(slot("b"), Some(&["lab_1.efi", "lab_2+1-2.efi"])))?;
        story.take(line(Event::new(2, name::GATE_FAILED), None))?;
        story.take(line(slot("a"), Some(&["lab_1.efi", "lab_2+0-2.efi"])))?;
        story.take(line(Event::new(2, name::HEALTHY), None))?;
        let lines: Vec<_> = story.boots.iter().map(Boot::line).collect();
        let expected = [
            "b: lab_1.efi lab_2+2-1.efi: no verdict",
            "b: lab_1.efi lab_2+1-2.efi: gate failed",
            "a: lab_1.efi lab_2+0-2.efi: healthy",
        ];
        anyhow::ensure!(lines == expected, "{lines:?}");
        Ok(())
    }
}
