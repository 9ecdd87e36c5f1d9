//! Where the lines of a console go: terminal and log file.

use std::{
    fs::File,
    io::{self, Write},
    path::Path,
};

use bedplate_contract::event::Event;

use super::{Show, story};

/// Shows and keeps console lines.
#[derive(Debug)]
pub struct Transcript {
    show: Show,
    log: Option<File>,
}

impl Transcript {
    /// A transcript that also writes every line to `log`.
    ///
    /// # Errors
    /// The log cannot be created.
    pub fn open(show: Show, log: Option<&Path>) -> io::Result<Self> {
        Ok(Self {
            show,
            log: log.map(File::create).transpose()?,
        })
    }

    /// Takes one line; returns its event when it is one.
    ///
    /// A closed terminal or a full disk of the log is no reason to stop the machine.
    pub fn line(&mut self, text: &str) -> Option<Event> {
        if let Some(log) = &mut self.log {
            let _ = writeln!(log, "{text}");
        }
        let event = Event::parse(text);
        let shown = match (&event, self.show) {
            (Some(event), Show::Events) => Some(event.to_string()),
            (Some(event), _) => Some(story::line(event)),
            (None, Show::Console) => Some(text.to_owned()),
            (None, Show::Story | Show::Events) => None,
        };
        if let Some(shown) = shown {
            let _ = writeln!(io::stdout(), "{shown}");
        }
        event
    }
}
