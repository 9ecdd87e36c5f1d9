//! Programs that write and read archives.
//!
//! Their standard error is the service's log, and so is what a reading one prints.

use std::{
    io::{self, Read, Write},
    process::{Child, Command, ExitStatus, Stdio},
};

use super::ArchiveError;

/// Lets `command` write to `sink`.
///
/// # Errors
/// It cannot be run or fails; the sink takes no more, and then it is killed.
pub(super) fn pour(command: &[String], sink: &mut impl Write) -> Result<(), ArchiveError> {
    let mut child = spawn(command, Stdio::null(), Stdio::piped())?;
    let copied = match child.stdout.take() {
        Some(mut output) => io::copy(&mut output, sink).map(|_| ()),
        None => Ok(()),
    };
    if let Err(error) = copied {
        // One that has ended already is what is wanted.
        let _ = child.kill();
        let _ = child.wait();
        return Err(ArchiveError::Stream("writing", error));
    }
    wait(command, &mut child)
}

/// Lets `command` read all of `content`; one that has read enough may close its input.
///
/// # Errors
/// It cannot be run or fails; the content cannot be read, and then it is killed.
pub(super) fn feed(command: &[String], content: &mut impl Read) -> Result<(), ArchiveError> {
    let mut child = spawn(command, Stdio::piped(), Stdio::inherit())?;
    let fed = match child.stdin.take() {
        Some(input) => copy_while_wanted(content, input),
        None => Ok(()),
    };
    if let Err(error) = fed {
        let _ = child.kill();
        let _ = child.wait();
        return Err(ArchiveError::Stream("reading", error));
    }
    wait(command, &mut child)
}

fn copy_while_wanted(content: &mut impl Read, mut input: impl Write) -> io::Result<()> {
    let mut buffer = vec![0; 1 << 16];
    loop {
        let count = content.read(&mut buffer)?;
        let piece = buffer.get(..count).unwrap_or_default();
        match input.write_all(piece) {
            _ if count == 0 => return Ok(()),
            Err(error) if error.kind() == io::ErrorKind::BrokenPipe => return Ok(()),
            other => other?,
        }
    }
}

fn spawn(command: &[String], input: Stdio, output: Stdio) -> Result<Child, ArchiveError> {
    let (program, arguments) = command.split_first().map_or(("", command), |(p, a)| (p, a));
    let child = Command::new(program)
        .args(arguments)
        .stdin(input)
        .stdout(output)
        .spawn();
    child.map_err(|source| ArchiveError::Spawn {
        program: program.to_owned(),
        source,
    })
}

fn wait(command: &[String], child: &mut Child) -> Result<(), ArchiveError> {
    let program = command.first().cloned().unwrap_or_default();
    let status = child.wait();
    let status: ExitStatus = status.map_err(|source| ArchiveError::Spawn {
        program: program.clone(),
        source,
    })?;
    match status.success() {
        true => Ok(()),
        false => Err(ArchiveError::Failed {
            program,
            end: status.to_string(),
        }),
    }
}
