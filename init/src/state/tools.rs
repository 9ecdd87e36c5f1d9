//! mkfs.xfs and xfs_repair of the image's own state-tools, each with a deadline.

use std::{
    fs, io,
    path::Path,
    process::{Command, ExitStatus, Stdio},
    time::Duration,
};

use bedplate_contract::layout;

use crate::child;

/// Writes a few MiB, whatever the size of the disk.
const MAKE: Duration = Duration::from_secs(120);
/// Reads all metadata: some minutes on a large disk that is full of small files.
const REPAIR: Duration = Duration::from_secs(900);

/// Where a tool's words go: memory, so that it never waits for a reader.
const LOG: &str = "/run/bedplate/state-tools.log";
/// Characters of its last words that an error repeats.
const LAST_WORDS: usize = 200;

/// Whether mkfs.xfs may write over what looks like a file system.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Force {
    /// It may not.
    No,
    /// It may: what is there was never whole.
    Yes,
}

/// A tool that did not do its work.
#[derive(Debug, thiserror::Error)]
pub enum ToolError {
    /// It could not be run.
    #[error("running `{program}`")]
    Run {
        /// Path in the state-tools.
        program: &'static str,
        /// Cause.
        source: io::Error,
    },
    /// It was killed.
    #[error("`{program}` did not end within {} s", limit.as_secs())]
    Late {
        /// Path in the state-tools.
        program: &'static str,
        /// What it was given.
        limit: Duration,
    },
    /// It failed.
    #[error("`{program}` ended with {status}: {words}")]
    Failed {
        /// Path in the state-tools.
        program: &'static str,
        /// Its status.
        status: ExitStatus,
        /// Beginning and end of its output.
        words: String,
    },
}

/// Status of an xfs_repair that found a log which a mount must replay first. Source: xfs_repair(8).
const LOG_STATUS: i32 = 2;

impl ToolError {
    /// Whether a mount must replay the log first.
    pub fn is_log(&self) -> bool {
        matches!(self, Self::Failed { status, .. } if status.code() == Some(LOG_STATUS))
    }
}

/// Makes an XFS with reflinks, labelled `state`.
///
/// # Errors
/// Any [`ToolError`]; a refusal of what looks like a file system among them.
pub fn make_xfs(device: &Path, force: Force) -> Result<(), ToolError> {
    // -K: nothing is discarded; on a thin or slow disk that takes minutes.
    let mut arguments = vec!["-q", "-K", "-L", "state", "-m", "reflink=1"];
    if force == Force::Yes {
        arguments.push("-f");
    }
    run("usr/sbin/mkfs.xfs", &arguments, device, MAKE)
}

/// Repairs an XFS whose log is replayed.
///
/// # Errors
/// Any [`ToolError`]; status 2 is a log that is not.
pub fn repair_xfs(device: &Path) -> Result<(), ToolError> {
    run("usr/sbin/xfs_repair", &[], device, REPAIR)
}

fn run(
    program: &'static str,
    arguments: &[&str],
    device: &Path,
    limit: Duration,
) -> Result<(), ToolError> {
    let failed = |source| ToolError::Run { program, source };
    let mut command = loader(Path::new(layout::STATE_TOOLS), program);
    command.args(arguments).arg(device).env_clear();
    let log = child::open_log(Path::new(LOG)).map_err(failed)?;
    command.stdin(Stdio::null());
    command.stdout(log.try_clone().map_err(failed)?).stderr(log);
    let mut process = command.spawn().map_err(failed)?;
    let status = child::wait(&mut process, limit).map_err(failed)?;
    match status {
        Some(status) if status.success() => Ok(()),
        Some(status) => Err(ToolError::Failed {
            program,
            status,
            words: words(),
        }),
        None => Err(ToolError::Late { program, limit }),
    }
}

/// The tools bring their own libraries: their loader runs them, whatever the root has.
fn loader(tools: &Path, program: &str) -> Command {
    let mut command = Command::new(tools.join("lib64/ld-linux-x86-64.so.2"));
    let libraries = tools.join("usr/lib/x86_64-linux-gnu");
    command.arg("--library-path").arg(libraries);
    command.arg(tools.join(program));
    command
}

/// The first line of the log, where mkfs.xfs says what is wrong, and the end, where xfs_repair does.
fn words() -> String {
    let text = String::from_utf8_lossy(&fs::read(LOG).unwrap_or_default()).into_owned();
    abridge(text.trim())
}

fn abridge(text: &str) -> String {
    let (first, rest) = text.split_once('\n').unwrap_or((text, ""));
    let skipped = rest.chars().count().saturating_sub(LAST_WORDS);
    let end: String = rest.chars().skip(skipped).collect();
    let lines = [first, end.as_str()];
    let lines = lines.iter().flat_map(|text| text.lines());
    lines.map(str::trim).collect::<Vec<_>>().join(" / ")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn output_is_abridged() {
        assert_eq!(abridge(""), "");
        assert_eq!(
            abridge("too small\nUsage:\n\t-f"),
            "too small / Usage: / -f"
        );
        let long = format!("first\n{}end", "é".repeat(500));
        let text = abridge(&long);
        assert!(text.starts_with("first / é") && text.ends_with("end"));
        assert_eq!(text.chars().count(), 8 + LAST_WORDS);
    }

    #[test]
    fn the_loader_runs_the_tool() {
        let command = loader(Path::new("/t"), "usr/sbin/mkfs.xfs");
        let arguments: Vec<_> = command.get_args().collect();
        assert_eq!(command.get_program(), "/t/lib64/ld-linux-x86-64.so.2");
        assert_eq!(
            arguments,
            [
                "--library-path",
                "/t/usr/lib/x86_64-linux-gnu",
                "/t/usr/sbin/mkfs.xfs"
            ]
        );
    }
}
