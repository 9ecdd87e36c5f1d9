//! PID 1 with real processes: `init` runs as process 1 of a pid and mount namespace, in a root of
//! its own that holds this very program as its services.
//!
//! Needs root for the namespaces; elsewhere every case is shown as ignored.

mod appliance;
mod cases;
mod escape;
mod gate;
mod gpu;
mod root;
mod service;

use std::{env, process::ExitCode};

use libtest_mimic::{Arguments, Trial};

fn main() -> ExitCode {
    let arguments: Vec<String> = env::args().collect();
    if let Some(("serve", rest)) = arguments
        .get(1)
        .map(|word| (word.as_str(), &arguments[2..]))
    {
        return service::serve(rest);
    }
    let skip = !root::can_run();
    if skip {
        eprintln!("skipped: user 0 and `unshare` are needed");
    }
    if gpu::here().is_empty() {
        eprintln!("skipped: gpu cases: no NVIDIA GPU");
    }
    let cases = cases::ALL.iter().chain(escape::ALL).chain(gpu::here());
    let trials = cases.map(|(name, case)| {
        let trial = Trial::test(*name, || case().map_err(|error| error.to_string().into()));
        trial.with_ignored_flag(skip)
    });
    libtest_mimic::run(&Arguments::from_args(), trials.collect()).exit_code()
}
