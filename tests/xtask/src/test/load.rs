//! Busy loops beside the tests.

use std::{
    hint,
    sync::{
        Arc,
        atomic::{AtomicBool, Ordering},
    },
    thread::{self, JoinHandle},
};

/// Loops that run until this is dropped.
#[derive(Debug)]
pub struct Load {
    ends: Arc<AtomicBool>,
    loops: Vec<JoinHandle<()>>,
}

impl Load {
    /// Starts so many.
    pub fn start(count: u32) -> Self {
        let ends = Arc::new(AtomicBool::new(false));
        let spin = |ends: Arc<AtomicBool>| {
            while !ends.load(Ordering::Relaxed) {
                hint::spin_loop();
            }
        };
        let start = |_| {
            let ends = Arc::clone(&ends);
            thread::spawn(move || spin(ends))
        };
        let loops = (0..count).map(start).collect();
        Self { ends, loops }
    }
}

impl Drop for Load {
    fn drop(&mut self) {
        self.ends.store(true, Ordering::Relaxed);
        for spinning in self.loops.drain(..) {
            // A loop cannot panic.
            let _ = spinning.join();
        }
    }
}
