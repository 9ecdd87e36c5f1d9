//! Random numbers of the kernel.

use std::io;

use nix::libc;

/// Fills `buffer` from the kernel's generator, without waiting.
///
/// # Errors
/// `WouldBlock` until the kernel has gathered enough entropy; callers retry up to a deadline.
pub fn fill(buffer: &mut [u8]) -> io::Result<()> {
    let mut done = 0;
    while let Some(rest) = buffer.get_mut(done..).filter(|rest| !rest.is_empty()) {
        // SAFETY: pointer and length are those of a live, exclusively borrowed slice.
        let count =
            unsafe { libc::getrandom(rest.as_mut_ptr().cast(), rest.len(), libc::GRND_NONBLOCK) };
        match usize::try_from(count) {
            Ok(count) => done = done.saturating_add(count),
            Err(_) => match io::Error::last_os_error() {
                error if error.kind() == io::ErrorKind::Interrupted => {}
                error => return Err(error),
            },
        }
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    #[test]
    fn a_buffer_is_filled() {
        let mut buffer = [0; 1000];
        super::fill(&mut buffer).unwrap();
        assert!(buffer[990..].iter().any(|byte| *byte != 0));
    }
}
