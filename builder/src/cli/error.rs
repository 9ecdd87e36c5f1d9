//! Errors on the terminal: the chain once, and the exit code of its class.

use std::process::ExitCode;

use crate::{
    definition::DefinitionErrors,
    disk::DiskError,
    pipeline::BuildError,
    resolve::{ErrorClass, ResolveError},
    run::{LinkError, SecretError},
    sign::file::KeyFileError,
};

/// Arguments that cannot be meant.
#[derive(Debug, thiserror::Error)]
#[error("{0}")]
pub struct Usage(pub String);

/// Everything else.
const FAILURE: u8 = 1;
/// Wrong usage or definition.
const DEFINITION: u8 = 2;
/// The lock is out of date.
const STALE: u8 = 3;

/// Prints `error: …`, then `caused by: …` lines, to stderr.
///
/// A cause whose text its parent shows already is not repeated; the problems of a definition say
/// themselves that they are errors.
pub fn print(error: &anyhow::Error) {
    if let Some(problems) = error.downcast_ref::<DefinitionErrors>() {
        return eprintln!("{problems}");
    }
    eprintln!("error: {error}");
    let mut shown = error.to_string();
    for cause in error.chain().skip(1) {
        let text = cause.to_string();
        if !shown.contains(&text) {
            eprintln!("  caused by: {text}");
        }
        shown = text;
    }
}

/// The exit code of the first cause that has a class.
pub fn exit_code(error: &anyhow::Error) -> ExitCode {
    error
        .chain()
        .find_map(class)
        .map_or(ExitCode::FAILURE, ExitCode::from)
}

fn class(cause: &(dyn std::error::Error + 'static)) -> Option<u8> {
    if cause.is::<DefinitionErrors>() || cause.is::<KeyFileError>() || cause.is::<Usage>() {
        return Some(DEFINITION);
    }
    if let Some(error) = cause.downcast_ref::<SecretError>() {
        return error.is_usage().then_some(DEFINITION);
    }
    if let Some(error) = cause.downcast_ref::<LinkError>() {
        return error.is_definition().then_some(DEFINITION);
    }
    // A transparent error is not in the chain of what it is wrapped in.
    match cause.downcast_ref::<BuildError>() {
        Some(BuildError::Resolve(error)) => Some(of_resolve(error)),
        Some(BuildError::Disk(error)) => of_disk(error),
        Some(BuildError::Layer(error)) => error.is_definition().then_some(DEFINITION),
        _ => cause.downcast_ref().map(of_resolve),
    }
}

fn of_disk(error: &DiskError) -> Option<u8> {
    error.is_definition().then_some(DEFINITION)
}

fn of_resolve(error: &ResolveError) -> u8 {
    match error.class() {
        ErrorClass::Definition => DEFINITION,
        ErrorClass::StaleLock => STALE,
        ErrorClass::Other => FAILURE,
    }
}
