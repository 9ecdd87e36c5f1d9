//! PID 1; see the library.

use std::{env, panic, process::ExitCode, thread, time::Duration};

use bedplate_init::{boot, console, inspect, provision, stage1, supervise::Place};
use bedplate_sys::{
    host,
    reboot::{self, Down},
};

/// Exit status for a call that makes no sense.
const USAGE: u8 = 2;

/// How long the console may take the last words.
const LAST_WORDS: Duration = Duration::from_secs(2);

fn main() -> ExitCode {
    let arguments: Vec<String> = env::args().skip(1).collect();
    match arguments
        .split_first()
        .map(|(word, rest)| (word.as_str(), rest))
    {
        Some((inspect::WORD, rest)) => return ExitCode::from(inspect::child(rest)),
        Some((provision::WORD, rest)) => return ExitCode::from(provision::child(rest)),
        _ => {}
    }
    if std::process::id() != 1 {
        eprintln!(
            "error: expected to be process 1, found {}",
            std::process::id()
        );
        return ExitCode::from(USAGE);
    }
    panic::set_hook(Box::new(|info| leave(&info.to_string())));
    if stage1::is_initramfs() {
        stage1::run();
        sleep_for_ever();
    }
    match boot::run() {
        Ok(status) => ExitCode::from(status),
        Err(error) => {
            leave(&format!("signals cannot be read: {error}"));
            ExitCode::FAILURE
        }
    }
}

/// The way out that should never be needed: says why and starts the machine again, so that the
/// boot counter leads to a version that works.
fn leave(why: &str) {
    console::emit(&console::event("init.failed").with("error", why));
    console::drain(LAST_WORDS);
    if boot::place() == Place::Machine || stage1::is_initramfs() {
        host::sync();
        // Without the right to reboot there is nothing else to try.
        let _ = reboot::go_down(Down::Reboot);
        sleep_for_ever();
    }
}

/// PID 1 must not end: the kernel would panic.
fn sleep_for_ever() -> ! {
    loop {
        thread::sleep(Duration::MAX);
    }
}
