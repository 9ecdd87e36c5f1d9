//! `gpu-probe [--library PATH]`: prints the GPUs of this machine as one line of JSON.
//!
//! Exit status: 0 when the driver answered, 1 when it cannot be used, 2 for wrong usage. The
//! document is [`bedplate_contract::gpu::Report`] for 0 and 1 alike.
//!
//! It keeps no deadline: on a sick GPU a call into the driver may never return, and then not even
//! a signal handler runs. Whoever starts this program kills it past a deadline.

#![forbid(unsafe_code)]

mod probe;

use std::{
    env,
    ffi::OsString,
    io::{self, Write},
    process::ExitCode,
};

use bedplate_contract::gpu::Report;

/// Soname of the driver's library, as every driver package installs it.
const LIBRARY: &str = "libnvidia-ml.so.1";

const USAGE: &str = "usage: gpu-probe [--library PATH]";

fn main() -> ExitCode {
    let arguments: Vec<_> = env::args_os().skip(1).collect();
    let Some(library) = library(arguments) else {
        // Nothing else can be told to a caller whose standard error is gone.
        let _ = writeln!(io::stderr(), "{USAGE}");
        return ExitCode::from(2);
    };
    let report = probe::read(&library);
    match print(&report) {
        Ok(()) if matches!(report, Report::Read(_)) => ExitCode::SUCCESS,
        Ok(()) | Err(_) => ExitCode::FAILURE,
    }
}

/// The library to load; `None` for wrong usage.
fn library(arguments: Vec<OsString>) -> Option<OsString> {
    let mut arguments = arguments.into_iter();
    match (arguments.next(), arguments.next(), arguments.next()) {
        (None, None, None) => Some(LIBRARY.into()),
        (Some(option), Some(path), None) if option == "--library" => Some(path),
        _ => None,
    }
}

fn print(report: &Report) -> io::Result<()> {
    let mut out = io::stdout().lock();
    out.write_all(report.encode()?.as_bytes())?;
    out.flush()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_the_library_can_be_named() {
        for (arguments, expected) in [
            (vec![], Some(LIBRARY)),
            (vec!["--library", "/a.so"], Some("/a.so")),
            (vec!["--library"], None),
            (vec!["--help"], None),
            (vec!["--library", "/a.so", "b"], None),
        ] {
            let arguments = arguments.into_iter().map(OsString::from).collect();
            assert_eq!(library(arguments), expected.map(OsString::from));
        }
    }
}
