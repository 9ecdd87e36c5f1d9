//! An answer as it comes in: its head is kept, of its body the length alone.
//!
//! Source: RFC 9112, sections 4 to 6.

use std::io;

use super::super::closed;

/// Longest head in bytes; a server that sends more speaks no HTTP.
const HEAD: usize = 16 * 1024;
/// Most headers.
const HEADERS: usize = 100;
/// Longest body that is read, in bytes: enough for every status page, not for a stream without end.
const BODY: u64 = 1 << 20;
/// How a chunked body ends (RFC 9112, 7.1), but for trailers, which the end of the connection ends.
const LAST_CHUNK: &[u8] = b"0\r\n\r\n";

/// What the first lines say.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct Head {
    pub status: u16,
    pub location: Option<String>,
    body: Body,
}

/// How the length of a body is known.
#[derive(Debug, PartialEq, Eq)]
enum Body {
    Bytes(u64),
    Chunked,
    /// The connection ends it.
    ToEnd,
}

/// An answer so far.
#[derive(Debug, Default)]
pub(super) struct Answer {
    /// The head while it is not whole, then the last bytes of the body.
    bytes: Vec<u8>,
    head: Option<Head>,
    read: u64,
}

impl Answer {
    /// Takes the next bytes; whether the answer is whole.
    pub fn take(&mut self, bytes: &[u8]) -> io::Result<bool> {
        self.bytes.extend_from_slice(bytes);
        let mut new = bytes.len();
        // An answer of 1xx announces another one (RFC 9110, 15.2).
        while self.head.is_none() {
            let Some((head, length)) = parse(&self.bytes)? else {
                return Ok(false);
            };
            self.bytes.drain(..length);
            new = self.bytes.len();
            self.head = Some(head).filter(|head| !matches!(head.status, 100..=199));
        }
        self.read = self.read.saturating_add(new as u64);
        let tail = self.bytes.len().saturating_sub(LAST_CHUNK.len());
        self.bytes.drain(..tail);
        Ok(self.is_whole())
    }

    fn is_whole(&self) -> bool {
        let ended = match self.head.as_ref().map(|head| &head.body) {
            Some(Body::Bytes(length)) => self.read >= *length,
            // A body that only looks so at this point ends early, which spoils nothing.
            Some(Body::Chunked) => self.bytes == LAST_CHUNK,
            Some(Body::ToEnd) | None => false,
        };
        ended || self.read >= BODY
    }

    /// Takes the end of the connection; an answer that was to be longer is an error.
    pub fn end(&self) -> io::Result<bool> {
        match self.head.as_ref().map(|head| &head.body) {
            Some(Body::ToEnd | Body::Chunked) => Ok(true),
            Some(Body::Bytes(_)) | None => Err(closed()),
        }
    }

    /// The first lines, once they are there.
    pub const fn head(&self) -> Option<&Head> {
        self.head.as_ref()
    }
}

impl Head {
    /// Whether the answer is elsewhere, at its `location` (RFC 9110, 15.4).
    pub const fn redirects(&self) -> bool {
        matches!(self.status, 301 | 302 | 303 | 307 | 308)
    }
}

/// The head and its length; `None` while it is not whole.
fn parse(bytes: &[u8]) -> io::Result<Option<(Head, usize)>> {
    let bad = || io::Error::new(io::ErrorKind::InvalidData, "the answer is not HTTP/1");
    let mut headers = [httparse::EMPTY_HEADER; HEADERS];
    let mut response = httparse::Response::new(&mut headers);
    match response.parse(bytes).map_err(|_| bad())? {
        httparse::Status::Partial if bytes.len() >= HEAD => Err(bad()),
        httparse::Status::Partial => Ok(None),
        httparse::Status::Complete(length) => {
            let status = response.code.ok_or_else(bad)?;
            let header = |name: &str| find(response.headers, name);
            let body = body(
                status,
                (header("transfer-encoding"), header("content-length")),
            );
            let location = header("location").map(str::to_owned);
            let head = Head {
                status,
                location,
                body,
            };
            Ok(Some((head, length)))
        }
    }
}

/// RFC 9112, 6.3, for an answer to a `GET` or `POST`.
fn body(status: u16, (encoding, length): (Option<&str>, Option<&str>)) -> Body {
    match (encoding, length.and_then(|length| length.parse().ok())) {
        _ if matches!(status, 100..=199 | 204 | 304) => Body::Bytes(0),
        (Some(encoding), _) if encoding.to_ascii_lowercase().ends_with("chunked") => Body::Chunked,
        (None, Some(length)) => Body::Bytes(length),
        _ => Body::ToEnd,
    }
}

fn find<'a>(headers: &[httparse::Header<'a>], name: &str) -> Option<&'a str> {
    let mut headers = headers.iter();
    let found = headers.find(|header| header.name.eq_ignore_ascii_case(name))?;
    std::str::from_utf8(found.value).ok().map(str::trim)
}

#[cfg(test)]
mod tests {
    use super::*;

    /// The status once `text` is whole, given in pieces of this size.
    fn read(text: &[u8], piece: usize) -> io::Result<Option<u16>> {
        let mut answer = Answer::default();
        for bytes in text.chunks(piece) {
            if answer.take(bytes)? {
                return Ok(answer.head().map(|head| head.status));
            }
        }
        Ok(None)
    }

    #[test]
    fn answers_that_end_by_themselves() {
        for (text, status) in [
            (
                &b"HTTP/1.1 200 OK\r\ncontent-length: 3\r\n\r\nabc"[..],
                Some(200),
            ),
            (b"HTTP/1.1 200 OK\r\nContent-Length: 4\r\n\r\nabc", None),
            (b"HTTP/1.1 204 None\r\n\r\n", Some(204)),
            (b"HTTP/1.0 503 \r\nContent-Length: 0\r\n\r\n", Some(503)),
            (
                b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n3\r\nabc\r\n0\r\n\r\n",
                Some(200),
            ),
            (
                b"HTTP/1.1 100 Continue\r\n\r\nHTTP/1.1 204 None\r\n\r\n",
                Some(204),
            ),
            (b"HTTP/1.1 200 OK\r\n\r\nto its end", None),
            (b"HTTP/1.1 20", None),
        ] {
            for piece in [1, 7, text.len()] {
                assert_eq!(read(text, piece).unwrap(), status, "{text:?} by {piece}");
            }
        }
    }

    #[test]
    fn other_answers_are_refused() {
        for text in [
            &b"SSH-2.0-OpenSSH\r\n"[..],
            b"HTTP/1.1 2000 OK\r\n\r\n",
            b"\xff\xfe\n",
            &[b'x'; 64],
        ] {
            assert!(read(text, text.len()).is_err(), "{text:?}");
        }
        let endless = [b"HTTP/1.1 200 OK\r\nA: ".to_vec(), vec![b'x'; HEAD]].concat();
        assert!(read(&endless, 4096).is_err());
    }

    #[test]
    fn a_body_without_end_is_cut() {
        let mut answer = Answer::default();
        assert!(!answer.take(b"HTTP/1.1 200 OK\r\n\r\n").unwrap());
        let pieces = (0..).find(|_| answer.take(&[b'x'; 4096]).unwrap());
        assert_eq!(pieces, Some((BODY / 4096 - 1) as usize));
        assert!(answer.bytes.len() <= 4096);
    }
}
