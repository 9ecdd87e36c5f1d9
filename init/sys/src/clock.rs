//! Time since the kernel started.

use std::time::{Duration, SystemTime, UNIX_EPOCH};

use std::io;

use nix::{
    sys::time::TimeSpec,
    time::{ClockId, clock_gettime, clock_settime},
};

/// Time on `CLOCK_MONOTONIC`: since the kernel started, never set back, the clock of every deadline.
///
/// Zero where the kernel refuses the clock, which Linux never does.
pub fn since_boot() -> Duration {
    clock_gettime(ClockId::CLOCK_MONOTONIC).map_or(Duration::ZERO, Duration::from)
}

/// Milliseconds of [`since_boot`].
pub fn since_boot_ms() -> u64 {
    u64::try_from(since_boot().as_millis()).unwrap_or(u64::MAX)
}

/// Milliseconds since the start of 1970 by the wall clock, which may be set at any time; zero for a
/// clock that shows less.
pub fn wall_ms() -> u64 {
    let shown = SystemTime::now().duration_since(UNIX_EPOCH);
    shown.map_or(0, |shown| {
        u64::try_from(shown.as_millis()).unwrap_or(u64::MAX)
    })
}

/// Sets the wall clock to so many milliseconds since the start of 1970.
///
/// # Errors
/// As clock_settime(2): `EPERM` without `CAP_SYS_TIME`, `EINVAL` for a time that the kernel cannot show.
pub fn set_wall_ms(ms: u64) -> io::Result<()> {
    let time = TimeSpec::from(Duration::from_millis(ms));
    Ok(clock_settime(ClockId::CLOCK_REALTIME, time)?)
}

#[cfg(test)]
mod tests {
    use super::since_boot;

    #[test]
    fn time_does_not_run_back() {
        let first = since_boot();
        assert!(first.as_millis() > 0);
        assert!(since_boot() >= first);
    }
}
