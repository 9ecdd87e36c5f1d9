//! Programs of the tools root in one long-lived process.
//!
//! `bedplate tool` takes its time to set up a root for one program. A test that looks at a disk
//! hundreds of times has one shell in such a root, and hands it one command after the other.

use std::{
    io::{BufRead, BufReader, Write},
    process::{Child, ChildStdin, ChildStdout, Stdio},
    sync::{Mutex, OnceLock, PoisonError},
};

use anyhow::{Context, Result, ensure};

use crate::bedplate;

/// Begins the line that ends a command's output; no program here writes it (ASCII record separator).
const END: char = '\u{1e}';

/// What a program of the tools root wrote, both streams in their order, and how it ended.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Said {
    /// Exit code.
    pub code: i32,
    /// Output.
    pub text: String,
}

/// A shell in the tools root.
#[derive(Debug)]
struct Toolbox {
    shell: Child,
    commands: ChildStdin,
    output: BufReader<ChildStdout>,
}

/// Runs `words` and returns how it ended.
///
/// # Errors
/// The tools cannot be had, or the shell is gone.
pub fn run(words: &[&str]) -> Result<Said> {
    static TOOLBOX: OnceLock<Mutex<Option<Toolbox>>> = OnceLock::new();
    let toolbox = TOOLBOX.get_or_init(Mutex::default);
    // A test that failed while it held the toolbox leaves none that could be trusted.
    let mut toolbox = toolbox.lock().unwrap_or_else(|poisoned: PoisonError<_>| {
        let mut inner = poisoned.into_inner();
        *inner = None;
        inner
    });
    if toolbox.is_none() {
        *toolbox = Some(Toolbox::open()?);
    }
    let said = toolbox.as_mut().context("a toolbox")?.run(words);
    if said.is_err() {
        *toolbox = None;
    }
    said.with_context(|| format!("running {words:?} in the tools root"))
}

/// Runs `words`, which must succeed; returns its output.
///
/// # Errors
/// As [`run`], and another exit code than 0.
pub fn succeed(words: &[&str]) -> Result<String> {
    let said = run(words)?;
    ensure!(
        said.code == 0,
        "{words:?} ended with {}:\n{}",
        said.code,
        said.text
    );
    Ok(said.text)
}

impl Toolbox {
    fn open() -> Result<Self> {
        let mut shell = bedplate::command()?
            .args(["tool", "bash"])
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .spawn()
            .context("starting a shell in the tools root")?;
        Ok(Self {
            commands: shell.stdin.take().context("the shell's input")?,
            output: BufReader::new(shell.stdout.take().context("the shell's output")?),
            shell,
        })
    }

    fn run(&mut self, words: &[&str]) -> Result<Said> {
        let words: Vec<_> = words.iter().map(|word| quote(word)).collect();
        let line = words.join(" ");
        writeln!(
            self.commands,
            "{line} </dev/null 2>&1; printf '{END}%d\\n' $?"
        )?;
        let mut text = String::new();
        loop {
            let mut bytes = Vec::new();
            let read = self.output.read_until(b'\n', &mut bytes)?;
            ensure!(read > 0, "the shell ended; it had said:\n{text}");
            let line = String::from_utf8_lossy(&bytes);
            // What comes before is output without an end of line.
            if let Some((last, code)) = line.split_once(END) {
                text.push_str(last);
                let code = code.trim().parse()?;
                return Ok(Said { code, text });
            }
            text.push_str(&line);
        }
    }
}

impl Drop for Toolbox {
    fn drop(&mut self) {
        // It ends by itself with its input; a hanging program does not.
        let _ = self.shell.kill();
        let _ = self.shell.wait();
    }
}

/// A word as a shell reads it back.
fn quote(word: &str) -> String {
    format!("'{}'", word.replace('\'', r"'\''"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn output_and_codes_are_told_apart() -> Result<()> {
        let said = run(&["bash", "-c", "printf \"it's\\ntwo\"; exit 3"])?;
        let expected = Said {
            code: 3,
            text: "it's\ntwo".to_owned(),
        };
        ensure!(said == expected, "{said:?}");
        ensure!(succeed(&["echo", "next"])? == "next\n");
        Ok(())
    }
}
