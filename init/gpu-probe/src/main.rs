//! `gpu-probe [--library PATH]`: prints the GPUs of this machine as one line of JSON.
//! `gpu-probe [--library PATH] check [KEY=VALUE]...`: says on standard error what of it does not hold.
//!
//! Exit status: 0 when the driver answered, and all holds; 1 when it cannot be used, or something does
//! not hold; 2 for wrong usage. The document is [`bedplate_contract::gpu::Report`] for 0 and 1 alike,
//! the keys are those of [`bedplate_contract::gpu_check::GpuCheck`].
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

use bedplate_contract::{
    gpu::Report,
    gpu_check::{CHECK, GpuCheck},
};

/// Soname of the driver's library, as every driver package installs it.
const LIBRARY: &str = "libnvidia-ml.so.1";

const USAGE: &str = "usage: gpu-probe [--library PATH] [check [KEY=VALUE]...]";

/// What the arguments ask for.
#[derive(Debug, PartialEq, Eq)]
struct Wanted {
    library: OsString,
    /// `None`: the report.
    check: Option<GpuCheck>,
}

fn main() -> ExitCode {
    let arguments: Vec<_> = env::args_os().skip(1).collect();
    let Some(wanted) = wanted(&arguments) else {
        // Nothing else can be told to a caller whose standard error is gone.
        let _ = writeln!(io::stderr(), "{USAGE}");
        return ExitCode::from(2);
    };
    let report = probe::read(&wanted.library);
    let done = match &wanted.check {
        Some(check) => judge(check, &report),
        None => print(&report).map(|()| matches!(report, Report::Read(_))),
    };
    match done {
        Ok(true) => ExitCode::SUCCESS,
        Ok(false) | Err(_) => ExitCode::FAILURE,
    }
}

/// `None` for wrong usage.
fn wanted(arguments: &[OsString]) -> Option<Wanted> {
    let (library, rest) = match arguments {
        [option, path, rest @ ..] if option == "--library" => (path.clone(), rest),
        rest => (LIBRARY.into(), rest),
    };
    let check = match rest {
        [] => None,
        [verb, words @ ..] if verb == CHECK => {
            let words: Option<Vec<&str>> = words.iter().map(|word| word.to_str()).collect();
            Some(GpuCheck::parse(words?)?)
        }
        _ => return None,
    };
    Some(Wanted { library, check })
}

/// Whether all holds; what does not is said, one a line.
fn judge(check: &GpuCheck, report: &Report) -> io::Result<bool> {
    let broken = check.broken(report);
    let mut out = io::stderr().lock();
    for text in &broken {
        writeln!(out, "{text}")?;
    }
    Ok(broken.is_empty())
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
    fn library_and_check_can_be_named() {
        let check = GpuCheck {
            count: Some(2),
            ..GpuCheck::default()
        };
        for (arguments, expected) in [
            (vec![], Some((LIBRARY, None))),
            (vec!["--library", "/a.so"], Some(("/a.so", None))),
            (vec!["check"], Some((LIBRARY, Some(GpuCheck::default())))),
            (
                vec!["--library", "/a.so", "check", "count=2"],
                Some(("/a.so", Some(check))),
            ),
            (vec!["--library"], None),
            (vec!["--help"], None),
            (vec!["check", "count"], None),
            (vec!["--library", "/a.so", "b"], None),
        ] {
            let arguments: Vec<_> = arguments.into_iter().map(OsString::from).collect();
            let expected = expected.map(|(library, check)| Wanted {
                library: library.into(),
                check,
            });
            assert_eq!(wanted(&arguments), expected);
        }
    }
}
