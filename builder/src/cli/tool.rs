//! `bedplate tool`: programs of the tools root, on files of this host.

use std::{
    ffi::OsString,
    process::{Command, ExitCode, Stdio},
};

use anyhow::{Context, Result};

use super::source::SourceArguments;
use crate::{
    privilege,
    resolve::{self, LockMode, tools},
    tool::Tools,
};

/// Lock of the tools that are no part of an image, in the store.
const LOCK: &str = "tools.lock";

/// Arguments of `bedplate tool`.
#[derive(Debug, clap::Args)]
pub struct Arguments {
    #[command(flatten)]
    source: SourceArguments,
    /// Program, such as `veritysetup`, `skopeo`, `umoci`, `sgdisk`, `ukify`, `fsck.erofs`.
    program: String,
    /// Its arguments.
    #[arg(trailing_var_arg = true, allow_hyphen_values = true)]
    arguments: Vec<OsString>,
}

/// Runs the program with this process's streams; its exit code becomes ours.
pub fn run(arguments: &Arguments) -> Result<ExitCode> {
    privilege::acquire()?;
    let sources = arguments.source.sources()?;
    let path = sources.store.root().join(LOCK);
    let sets = [tools::TEST];
    let lock = resolve::ensure_tools_lock(&path, &sets, LockMode::UseIfCurrent, &sources)?;
    resolve::fetch(&lock, &[tools::TEST.name], &sources)?;
    let tools = Tools::assemble(&lock, tools::TEST.name, &sources.store)?;
    let tool = tools
        .command(&arguments.program)?
        .args(&arguments.arguments);
    let inherit = |command: &mut Command| {
        command
            .stdin(Stdio::inherit())
            .stdout(Stdio::inherit())
            .stderr(Stdio::inherit());
    };
    let status = tool
        .spawn(inherit)?
        .wait()
        .context("waiting for the tool")?;
    let code = status.code().and_then(|code| u8::try_from(code).ok());
    Ok(code.map_or(ExitCode::FAILURE, ExitCode::from))
}
