//! The last lines of a service, in bounded memory.

use std::collections::VecDeque;

/// Most lines kept; what `logs` may ask for.
pub(super) const LINES: usize = 1000;

/// Most bytes kept: ten chatty services cost PID 1 one MiB.
const BYTES: usize = 96 * 1024;

/// Lines, oldest first, each with its newline, in one allocation.
#[derive(Debug, Default)]
pub(super) struct Ring {
    bytes: VecDeque<u8>,
    lines: usize,
}

impl Ring {
    pub fn push(&mut self, line: &str) {
        self.bytes.extend(line.bytes());
        self.bytes.push_back(b'\n');
        self.lines += 1;
        while self.lines > LINES || self.bytes.len() > BYTES {
            self.forget();
        }
    }

    fn forget(&mut self) {
        let end = self.bytes.iter().position(|byte| *byte == b'\n');
        let count = end.map_or(self.bytes.len(), |end| end + 1);
        self.bytes.drain(..count);
        self.lines = self.lines.saturating_sub(1);
    }

    pub fn last(&self, count: usize) -> Vec<String> {
        let (head, tail) = self.bytes.as_slices();
        let all = [head, tail].concat();
        let text = String::from_utf8_lossy(&all);
        let skipped = self.lines.saturating_sub(count);
        text.lines().skip(skipped).map(str::to_owned).collect()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_oldest_go_first() {
        let mut ring = Ring::default();
        for number in 0..LINES + 10 {
            ring.push(&number.to_string());
        }
        assert_eq!(ring.last(LINES * 2).len(), LINES);
        assert_eq!(ring.last(2), ["1008", "1009"]);
        assert_eq!(ring.last(LINES)[0], "10");
    }

    #[test]
    fn memory_is_bounded() {
        let mut ring = Ring::default();
        for _ in 0..LINES {
            ring.push(&"x".repeat(4096));
        }
        assert!(ring.bytes.len() <= BYTES);
        assert!(!ring.last(1000).is_empty());
    }
}
