//! The hardware watchdog of the machine: one per process, petted from wherever time goes by.
//!
//! Stage 1 arms it right after its driver, before any other, and hands it over ticking, so that a hang anywhere between
//! the kernel's start of `init` and the event loop ends in a reset, which the loader has counted.
//! A reboot leaves it ticking too: one that hangs is reset. Only a power-off stops it.

use std::{
    io,
    path::Path,
    sync::{Mutex, PoisonError},
};

use bedplate_contract::event::name;
use bedplate_sys::{
    clock,
    module::{self, Loaded},
    watchdog::{self, Watchdog},
};

use crate::{console, stage1::chain};

/// Seconds that stage 1 has for the way to PID 1 of the root: disks take 30, the rest is slow I/O.
pub const STAGE1_SECONDS: u32 = 120;

/// Event of a watchdog that does not do what it is told: `error`.
const FAILED: &str = "watchdog.failed";

/// The watchdog is petted when this part of its time is over: two pets may be late or lost.
const PART: u64 = 3;

static ARMED: Mutex<Option<Armed>> = Mutex::new(None);

/// A watchdog that ticks.
#[derive(Debug)]
struct Armed {
    device: Watchdog,
    /// Milliseconds between two pets.
    period: u64,
    /// When it is to be petted next.
    next: u64,
}

/// A watchdog that does not do what it is told.
#[derive(Debug, thiserror::Error)]
pub enum WatchdogError {
    /// Opening.
    #[error("opening the watchdog `{}`", watchdog::DEVICE)]
    Open(#[source] io::Error),
    /// Its time.
    #[error("setting the watchdog to {seconds} s")]
    Timeout {
        /// What was asked for.
        seconds: u32,
        /// Cause.
        source: io::Error,
    },
    /// Stopping.
    #[error("stopping the watchdog")]
    Disarm(#[source] io::Error),
}

/// The driver without hardware: a timer of the kernel's, which a kernel that hangs stops as well.
const LAST_RESORT: &str = "softdog";

/// Loads `module` of stage 1's list, in which watchdogs come first, and [`LAST_RESORT`] after the others.
///
/// The watchdog is armed as soon as its driver has made the device, so that a hang in any driver after it
/// is reset. The last resort is loaded only where no driver has found a device.
///
/// # Errors
/// As finit_module(2).
pub fn load_module(module: &Path) -> io::Result<Loaded> {
    let name = module.file_name().and_then(|name| name.to_str());
    let last = name.is_some_and(|name| name.split('.').next() == Some(LAST_RESORT));
    if last && is_armed() {
        return Ok(Loaded::Ready);
    }
    let loaded = module::load(module);
    if !is_armed() && Path::new(watchdog::DEVICE).exists() {
        tell(arm(STAGE1_SECONDS));
    }
    loaded
}

/// Whether one ticks that this process pets.
pub fn is_armed() -> bool {
    next_deadline().is_some()
}

/// Says that it does not do what it is told; the machine goes on without it.
pub fn tell(outcome: Result<(), WatchdogError>) {
    if let Err(error) = outcome {
        console::emit(&console::event(FAILED).with("error", chain(&error)));
    }
}

/// Arms the watchdog with `seconds`, or stops the one that ticks for 0 seconds.
///
/// A machine without one is told of once, by the event `watchdog.absent`, and is no error.
///
/// # Errors
/// Any [`WatchdogError`]; one that refuses the time ticks with its own.
pub fn arm(seconds: u32) -> Result<(), WatchdogError> {
    arm_device(Path::new(watchdog::DEVICE), seconds)
}

fn arm_device(path: &Path, seconds: u32) -> Result<(), WatchdogError> {
    if !path.exists() {
        if seconds > 0 {
            console::emit(&console::event(name::WATCHDOG_ABSENT));
        }
        return Ok(());
    }
    // One process may hold it at a time, and once; until it is open again it ticks on.
    with(|armed| *armed = None);
    let device = Watchdog::open(path).map_err(WatchdogError::Open)?;
    if seconds == 0 {
        return device.disarm().map_err(WatchdogError::Disarm);
    }
    let set = device.set_timeout(seconds);
    // One that keeps its own time is petted by that.
    let ticking = device.timeout().unwrap_or(seconds).max(1);
    hold(device, ticking);
    set.map_err(|source| WatchdogError::Timeout { seconds, source })?;
    console::emit(&console::event(name::WATCHDOG_ARMED).with("seconds", ticking));
    Ok(())
}

fn hold(device: Watchdog, seconds: u32) {
    let period = u64::from(seconds).saturating_mul(1000) / PART;
    let next = clock::since_boot_ms().saturating_add(period);
    with(|armed| {
        *armed = Some(Armed {
            device,
            period,
            next,
        });
    });
}

/// Begins the watchdog's time anew when a part of it is over; cheap enough for every turn of a loop.
pub fn pet() {
    let now = clock::since_boot_ms();
    with(|armed| {
        if let Some(armed) = armed.as_mut().filter(|armed| armed.next <= now) {
            // One that cannot be petted resets the machine: there is nothing better to be done.
            let _ = armed.device.keep_alive();
            armed.next = now.saturating_add(armed.period);
        }
    });
}

/// When [`pet`] is next needed, in milliseconds since the kernel started.
pub fn next_deadline() -> Option<u64> {
    let mut next = None;
    with(|armed| next = armed.as_ref().map(|armed| armed.next));
    next
}

/// Stops the watchdog, before the power is switched off.
///
/// # Errors
/// [`WatchdogError::Disarm`]: a machine that stays off for long enough is started again.
pub fn disarm() -> Result<(), WatchdogError> {
    let mut taken = None;
    with(|armed| taken = armed.take());
    taken.map_or(Ok(()), |armed| {
        armed.device.disarm().map_err(WatchdogError::Disarm)
    })
}

fn with(work: impl FnOnce(&mut Option<Armed>)) {
    work(&mut ARMED.lock().unwrap_or_else(PoisonError::into_inner));
}

#[cfg(test)]
mod tests {
    use super::*;

    /// One test, for the watchdog is one per process.
    #[test]
    fn a_machine_without_a_watchdog_goes_on() {
        let absent = Path::new("/no/such/watchdog");
        arm_device(absent, 60).unwrap();
        arm_device(absent, 0).unwrap();
        assert_eq!(next_deadline(), None);
        pet();
        disarm().unwrap();
        // What is no watchdog refuses the time; it is held all the same, by the time asked for.
        let error = arm_device(Path::new("/dev/null"), 60).unwrap_err();
        assert_eq!(error.to_string(), "setting the watchdog to 60 s");
        let next = next_deadline().unwrap();
        assert!(next >= clock::since_boot_ms() && next <= clock::since_boot_ms() + 20_000);
        disarm().unwrap();
        assert_eq!(next_deadline(), None);
    }
}
