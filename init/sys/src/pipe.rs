//! The pipe that a child writes its output to, read by a loop that must not wait.
//!
//! A child's end and its last words reach the loop on two ways, and under load the end comes first. So
//! there are two readings: [`Pipe::read_turn`] while the child runs, which leaves others their turn,
//! and as many of them as [`Pipe::turns_left`] says once it was reaped, which leave nothing behind.

use std::{
    io::{self, PipeReader, Read},
    os::fd::{AsFd, BorrowedFd, OwnedFd},
};

use super::socket;

/// Bytes of one turn: what a pipe holds unless its writer makes it larger.
const TURN: usize = 64 * 1024;

/// Most turns that an ended child is read for: `/proc/sys/fs/pipe-max-size` is 1 MiB, and a process
/// with `CAP_SYS_RESOURCE`, which may ask for more, gets no more of PID 1's time.
const MOST_TURNS: usize = 16;

/// The end of a pipe that is read; nothing at all once the other end is closed.
#[derive(Debug, Default)]
pub struct Pipe(Option<PipeReader>);

impl Pipe {
    /// A fresh pipe, and the end to write to.
    ///
    /// # Errors
    /// As pipe(2): no descriptors left.
    pub fn open() -> io::Result<(Self, OwnedFd)> {
        let (reader, writer) = io::pipe()?;
        socket::set_nonblocking(&reader)?;
        Ok((Self(Some(reader)), writer.into()))
    }

    /// Whether somebody may still write.
    pub const fn is_open(&self) -> bool {
        self.0.is_some()
    }

    /// The descriptor to wait for; `None` once the other end is closed.
    pub fn watch(&self) -> Option<BorrowedFd<'_>> {
        self.0.as_ref().map(AsFd::as_fd)
    }

    /// What waits in the pipe, at most 64 KiB of it; a pipe that ends or fails is closed.
    pub fn read_turn(&mut self) -> Vec<u8> {
        let mut bytes = Vec::new();
        let Some(pipe) = &mut self.0 else {
            return bytes;
        };
        match pipe.take(TURN as u64).read_to_end(&mut bytes) {
            Ok(count) if count < TURN => self.0 = None,
            Err(error) if error.kind() != io::ErrorKind::WouldBlock => self.0 = None,
            Ok(_) | Err(_) => {}
        }
        bytes
    }

    /// How many turns take all that is in the pipe now, at most 16.
    ///
    /// What an ended child wrote is in the pipe before its end can be known (pipe(7)); what it left
    /// running may write for ever, and is not waited for.
    pub fn turns_left(&self) -> usize {
        let waiting = self.0.as_ref().map_or(0, waiting);
        waiting.div_ceil(TURN).min(MOST_TURNS)
    }
}

/// Bytes that wait; as many as there can be where the kernel does not tell (`FIONREAD` of ioctl_pipe(2)).
fn waiting(pipe: &PipeReader) -> usize {
    let bytes = rustix::io::ioctl_fionread(pipe);
    bytes.map_or(usize::MAX, |bytes| {
        usize::try_from(bytes).unwrap_or(usize::MAX)
    })
}

#[cfg(test)]
mod tests {
    use std::{fs::File, io::Write};

    use rustix::pipe::fcntl_setpipe_size;

    use super::*;

    fn read_rest(pipe: &mut Pipe) -> Vec<u8> {
        let turns = 0..pipe.turns_left();
        turns.flat_map(|_| pipe.read_turn()).collect()
    }

    #[test]
    fn nothing_of_a_full_pipe_stays_behind() {
        let (mut pipe, writer) = Pipe::open().unwrap();
        // As a child may do with its own end.
        fcntl_setpipe_size(&writer, 1 << 20).unwrap();
        let mut writer = File::from(writer);
        let text = [vec![b'x'; (1 << 20) - 4], b"end\n".to_vec()].concat();
        writer.write_all(&text).unwrap();
        // The writer stays, as a grandchild would.
        assert_eq!(read_rest(&mut pipe), text);
        assert_eq!(pipe.turns_left(), 0);
        assert!(pipe.is_open());
    }

    #[test]
    fn a_turn_is_bounded_and_the_end_is_seen() {
        let (mut pipe, writer) = Pipe::open().unwrap();
        let mut writer = File::from(writer);
        writer.write_all(&[b'x'; TURN]).unwrap();
        assert_eq!(pipe.read_turn().len(), TURN);
        assert!(pipe.is_open() && pipe.read_turn().is_empty());
        writer.write_all(b"end").unwrap();
        drop(writer);
        assert_eq!(pipe.read_turn(), b"end");
        assert!(!pipe.is_open() && pipe.watch().is_none());
        assert!(Pipe::default().read_turn().is_empty());
    }
}
