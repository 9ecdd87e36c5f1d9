//! Random values that are made once on the host.

use std::{io, thread, time::Duration};

use bedplate_sys::{clock, random};

/// How long the kernel's generator may take to be ready, where a machine has few sources of entropy.
const READY: Duration = Duration::from_secs(20);
const POLL: Duration = Duration::from_millis(20);

const LETTERS: &[u8; 62] = b"0123456789ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz";
/// The greatest multiple of 62 that a byte holds: bytes from here on would favour some letters.
const FAIR: u8 = 248;

/// No random numbers.
#[derive(Debug, thiserror::Error)]
#[error("reading random numbers of the kernel")]
pub struct RandomError(#[source] io::Error);

/// Random bytes.
///
/// # Errors
/// A generator that is not ready within 20 seconds.
pub fn bytes<const N: usize>() -> Result<[u8; N], RandomError> {
    let end = clock::since_boot().saturating_add(READY);
    let mut bytes = [0; N];
    loop {
        match random::fill(&mut bytes) {
            Ok(()) => return Ok(bytes),
            Err(error) if error.kind() != io::ErrorKind::WouldBlock => {
                return Err(RandomError(error));
            }
            Err(error) if clock::since_boot() >= end => return Err(RandomError(error)),
            Err(_) => thread::sleep(POLL),
        }
    }
}

/// `length` random characters of `[0-9A-Za-z]`, each as likely as any other.
///
/// # Errors
/// As [`bytes`].
pub fn letters(length: usize) -> Result<String, RandomError> {
    let mut text = String::new();
    while text.len() < length {
        let fair = bytes::<256>()?.into_iter().filter(|byte| *byte < FAIR);
        let letters = fair.filter_map(|byte| LETTERS.get(usize::from(byte % 62)));
        let room = length.saturating_sub(text.len());
        text.extend(letters.take(room).map(|letter| char::from(*letter)));
    }
    Ok(text)
}

/// A new machine id: 32 lower-case hex digits, a version 4 UUID as machine-id(5) asks for.
///
/// # Errors
/// As [`bytes`].
pub fn machine_id() -> Result<String, RandomError> {
    let mut id = u128::from_be_bytes(bytes()?);
    id &= !(0xf << 76 | 0x3 << 62);
    id |= 0x4 << 76 | 0x2 << 62;
    Ok(format!("{id:032x}"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn letters_are_of_the_alphabet() {
        for length in [0, 1, 32, 1000] {
            let text = letters(length).unwrap();
            assert_eq!(text.len(), length);
            assert!(text.bytes().all(|byte| byte.is_ascii_alphanumeric()));
        }
        assert_ne!(letters(32).unwrap(), letters(32).unwrap());
    }

    #[test]
    fn every_letter_comes_up() {
        let text = letters(10_000).unwrap();
        for letter in LETTERS {
            // 161 are expected; fewer than 80 would be six standard deviations off.
            let count = text.bytes().filter(|byte| byte == letter).count();
            assert!((80..260).contains(&count), "{letter}: {count}");
        }
        assert_eq!(FAIR % 62, 0);
    }

    #[test]
    fn machine_ids_are_uuids() {
        let id = machine_id().unwrap();
        assert_eq!(id.len(), 32);
        assert_eq!(id.get(12..13), Some("4"));
        assert!(["8", "9", "a", "b"].contains(&&id[16..17]));
    }
}
