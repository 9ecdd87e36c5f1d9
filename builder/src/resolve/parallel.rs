//! Many downloads at a time.

use std::{
    sync::{
        Mutex, MutexGuard, PoisonError,
        atomic::{AtomicUsize, Ordering},
    },
    thread,
};

/// Downloads at a time: enough to hide latency, few enough to be welcome at a mirror.
const PARALLEL: usize = 8;

/// Does `work` with every item, the first ones first.
///
/// # Errors
/// The first failure; nothing is begun after it.
pub fn each<T: Sync, E: Send>(
    items: &[T],
    work: impl Fn(&T) -> Result<(), E> + Sync,
) -> Result<(), E> {
    let next = AtomicUsize::new(0);
    let failure = Mutex::new(None);
    let take = || {
        while let Some(item) = items.get(next.fetch_add(1, Ordering::Relaxed)) {
            if let Err(error) = work(item) {
                // Nobody takes another one; the first failure is the one told.
                next.store(items.len(), Ordering::Relaxed);
                lock(&failure).get_or_insert(error);
            }
        }
    };
    thread::scope(|scope| {
        for _ in 0..PARALLEL.min(items.len()) {
            scope.spawn(take);
        }
    });
    match lock(&failure).take() {
        Some(error) => Err(error),
        None => Ok(()),
    }
}

fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

#[cfg(test)]
mod tests {
    use super::each;

    #[test]
    fn a_failure_ends_it() {
        let items: Vec<u32> = (0..100).collect();
        assert_eq!(each(&items, |_| Ok::<(), u32>(())), Ok(()));
        let failed = each(&items, |item| if *item == 7 { Err(*item) } else { Ok(()) });
        assert_eq!(failed, Err(7));
    }
}
