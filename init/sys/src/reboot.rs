//! The end of the machine's run.

use std::io;

use rustix::system::{RebootCommand, reboot};

/// How a machine goes down.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Down {
    /// Starts again through the firmware.
    Reboot,
    /// Without power.
    Poweroff,
    /// Stands still.
    Halt,
}

/// Takes the machine down at once; what is not synced is lost.
///
/// # Errors
/// As reboot(2); never returns `Ok` where it works.
pub fn go_down(how: Down) -> io::Result<()> {
    let command = match how {
        Down::Reboot => RebootCommand::Restart,
        Down::Poweroff => RebootCommand::PowerOff,
        Down::Halt => RebootCommand::Halt,
    };
    Ok(reboot(command)?)
}

/// Makes Ctrl-Alt-Del a `SIGINT` to PID 1 in place of an instant reset.
///
/// # Errors
/// As reboot(2).
pub fn tame_ctrl_alt_del() -> io::Result<()> {
    Ok(reboot(RebootCommand::CadOff)?)
}
