//! When a service may be started again.

use bedplate_contract::service::Restart;

/// The restarts of one service, as far as its budget remembers them.
#[derive(Debug, Clone, Default)]
pub(super) struct Backoff {
    /// Times of restarts within the window, oldest first.
    spent: Vec<u64>,
    /// Doublings of the first delay so far.
    doublings: u32,
}

/// One exit, as far as the budget is concerned.
#[derive(Debug, Clone, Copy)]
pub(super) struct Exhaustion {
    /// Time of the exit.
    pub now: u64,
    /// How long the process had run, in milliseconds.
    pub ran: u64,
    /// Any number; decides the jitter.
    pub dice: u64,
}

impl Backoff {
    /// The delay before the next start in milliseconds; `None` when the budget is spent.
    pub fn delay(&mut self, policy: &Restart, exit: Exhaustion) -> Option<u64> {
        if exit.ran >= policy.window_ms {
            *self = Self::default();
        }
        let age = |time: &u64| exit.now.saturating_sub(*time);
        self.spent.retain(|time| age(time) < policy.window_ms);
        if self.spent.len() >= policy.budget as usize {
            return None;
        }
        self.spent.push(exit.now);
        let base = doubled(policy.delay_ms, self.doublings).min(policy.max_delay_ms);
        self.doublings = self.doublings.saturating_add(1);
        let jitter = scramble(exit.dice) % (base / 4 + 1);
        Some(base.saturating_add(jitter).min(policy.max_delay_ms))
    }
}

fn doubled(delay: u64, times: u32) -> u64 {
    2u64.checked_pow(times)
        .and_then(|factor| delay.checked_mul(factor))
        .unwrap_or(u64::MAX)
}

/// One round of SplitMix64 (Steele, Lea, Flood 2014): neighbouring numbers give unrelated ones.
fn scramble(number: u64) -> u64 {
    let mut z = number.wrapping_add(0x9e37_79b9_7f4a_7c15);
    z = (z ^ (z >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
    z = (z ^ (z >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
    z ^ (z >> 31)
}

#[cfg(test)]
mod tests {
    use super::*;
    use bedplate_contract::service::RestartWhen;

    fn policy() -> Restart {
        Restart {
            when: RestartWhen::Always,
            delay_ms: 1000,
            max_delay_ms: 10_000,
            budget: 5,
            window_ms: 60_000,
        }
    }

    fn exit(now: u64, ran: u64) -> Exhaustion {
        Exhaustion { now, ran, dice: 7 }
    }

    #[test]
    fn delays_double_up_to_the_ceiling() {
        let mut backoff = Backoff::default();
        for least in [1000, 2000, 4000, 8000, 10_000] {
            let delay = backoff.delay(&policy(), exit(0, 0)).unwrap();
            assert!(delay >= least && delay <= (least + least / 4).min(10_000));
        }
        assert_eq!(backoff.delay(&policy(), exit(0, 0)), None);
    }

    #[test]
    fn a_long_run_gives_the_budget_back() {
        let mut backoff = Backoff::default();
        while backoff.delay(&policy(), exit(0, 0)).is_some() {}
        let delay = backoff.delay(&policy(), exit(1, 60_000)).unwrap();
        assert!((1000..=1250).contains(&delay));
    }

    #[test]
    fn restarts_outside_the_window_do_not_count() {
        let mut backoff = Backoff::default();
        while backoff.delay(&policy(), exit(0, 0)).is_some() {}
        assert!(backoff.delay(&policy(), exit(60_000, 1)).is_some());
    }

    #[test]
    fn huge_exponents_do_not_overflow() {
        assert_eq!(doubled(3, 63), u64::MAX);
        assert_eq!(doubled(3, 200), u64::MAX);
    }
}
