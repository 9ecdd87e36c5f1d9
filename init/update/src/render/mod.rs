//! Replies as text for a person. Pure: a reply in, text with a final newline out.
//!
//! Text that came from services or files is made harmless first ([`text::printable`]): a log line
//! must not command the operator's terminal.

pub mod report;
pub mod services;
pub mod slots;
pub mod status;
pub mod table;
pub mod text;

#[cfg(test)]
pub mod sample;

use bedplate_contract::control::Reply;

use crate::cli::Verb;

/// The text of `reply` to `verb`; `None` when the reply is to another question.
pub fn reply(verb: &Verb, reply: &Reply) -> Option<String> {
    Some(match (verb, reply) {
        (Verb::Status, Reply::Status(status)) => status::render(status),
        (Verb::Services, Reply::Status(status)) => services::render(&status.services),
        (Verb::Report, Reply::Reports { reports }) => report::render(reports),
        (Verb::Logs { .. }, Reply::Logs { lines }) => logs(lines),
        (Verb::Restart { service }, Reply::Done) => format!("{service} is being restarted\n"),
        (Verb::Stop { service }, Reply::Done) => format!("{service} is being stopped\n"),
        (Verb::Start { service }, Reply::Done) => format!("{service} is being started\n"),
        (Verb::Signal { service, signal }, Reply::Done) => format!("{service} got {signal}\n"),
        (
            Verb::Run { .. } | Verb::Backup(_),
            Reply::Ran {
                good,
                result,
                lines,
            },
        ) => ran(*good, result, lines),
        (Verb::Rollback, Reply::Done) => {
            "services are being stopped, then the other version is booted\n".into()
        }
        (Verb::Poweroff, Reply::Done) => "services are being stopped, then power goes off\n".into(),
        (Verb::Reboot, Reply::Done) => {
            "services are being stopped, then the machine reboots\n".into()
        }
        _ => return None,
    })
}

/// What a run printed last; a bad one also says how it ended.
fn ran(good: bool, result: &str, lines: &[String]) -> String {
    let printed = logs(lines);
    match good {
        true if !lines.is_empty() => printed,
        true => format!("{}\n", text::printable(result)),
        false => format!("{printed}failed: {}\n", text::printable(result)),
    }
}

fn logs(lines: &[String]) -> String {
    let printable = lines.iter().map(|line| text::printable(line));
    printable.map(|line| line + "\n").collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn logs_do_not_command_the_terminal() {
        let verb = Verb::Logs {
            service: "a".to_owned(),
            lines: 10,
        };
        let lines = vec!["ready\t1".to_owned(), "\u{1b}]0;pwned\u{7}é".to_owned()];
        let expected = "ready\t1\n\\u{1b}]0;pwned\\u{7}é\n";
        assert_eq!(
            reply(&verb, &Reply::Logs { lines }).as_deref(),
            Some(expected)
        );
    }

    #[test]
    fn a_run_that_failed_says_how() {
        let verb = Verb::Run {
            service: "a".to_owned(),
        };
        for (good, lines, expected) in [
            (true, vec![], "exit status 0\n"),
            (true, vec!["done".to_owned()], "done\n"),
            (false, vec!["no".to_owned()], "no\nfailed: exit status 0\n"),
        ] {
            let ran = Reply::Ran {
                good,
                result: "exit status 0".to_owned(),
                lines,
            };
            assert_eq!(reply(&verb, &ran).as_deref(), Some(expected));
        }
    }

    #[test]
    fn a_reply_to_another_question_has_no_text() {
        let reports = Reply::Reports { reports: vec![] };
        assert_eq!(reply(&Verb::Status, &reports), None);
        assert_eq!(reply(&Verb::Report, &Reply::Done), None);
    }
}
