//! As much of HTTP/1.1 as the handlers of the demo speak: a head, and a body of a known length.

use std::io::{self, BufRead, ErrorKind, Read};

/// The longest line of a head; a worker's longest is an id of 255 bytes.
const LINE: u64 = 8 * 1024;

/// The longest body; no order of the demo is near it.
const BODY: u64 = 1024 * 1024;

/// What a worker says about the message (the headers of the HTTP handler).
#[derive(Debug, Default, PartialEq, Eq)]
pub(super) struct Request {
    /// `Warren-Queue`.
    pub(super) queue: Option<String>,
    /// `webhook-id`.
    pub(super) id: Option<String>,
    /// `Warren-Attempt`.
    pub(super) attempt: Option<u32>,
    length: u64,
}

impl Request {
    /// Reads the next request and its body; nothing when the other side has closed the connection.
    ///
    /// # Errors
    /// When the connection breaks, or when that is not HTTP.
    pub(super) fn read(reader: &mut impl BufRead) -> io::Result<Option<Self>> {
        let Some(_request_line) = line(reader)? else {
            return Ok(None);
        };
        let mut request = Self::default();
        loop {
            match line(reader)?.as_deref() {
                Some("") => break,
                Some(header) => request.take(header),
                None => return Err(ErrorKind::UnexpectedEof.into()),
            }
        }
        if request.length > BODY {
            return Err(malformed("a body that is too long"));
        }
        let read = io::copy(&mut reader.take(request.length), &mut io::sink())?;
        if read < request.length {
            return Err(ErrorKind::UnexpectedEof.into());
        }
        Ok(Some(request))
    }

    fn take(&mut self, header: &str) {
        let Some((name, value)) = header.split_once(':') else {
            return;
        };
        let value = value.trim();
        match name.to_ascii_lowercase().as_str() {
            "warren-queue" => self.queue = Some(value.to_owned()),
            "webhook-id" => self.id = Some(value.to_owned()),
            "warren-attempt" => self.attempt = value.parse().ok(),
            "content-length" => self.length = value.parse().unwrap_or_default(),
            _ => {}
        }
    }
}

/// A line without its end; nothing at the end of the stream.
fn line(reader: &mut impl BufRead) -> io::Result<Option<String>> {
    let mut bytes = Vec::new();
    if reader.take(LINE).read_until(b'\n', &mut bytes)? == 0 {
        return Ok(None);
    }
    if bytes.pop() != Some(b'\n') {
        return Err(malformed("a line that does not end"));
    }
    if bytes.last() == Some(&b'\r') {
        bytes.pop();
    }
    let text = String::from_utf8(bytes);
    text.map(Some).map_err(|_| malformed("a line that is no text"))
}

fn malformed(what: &str) -> io::Error {
    io::Error::new(ErrorKind::InvalidData, format!("{what} in a request"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_body_of_a_request_is_not_taken_for_the_next_one() {
        let mut text: &[u8] = b"POST /email HTTP/1.1\r\nhost: a\r\nWARREN-QUEUE: email\r\n\
            Webhook-Id: order-1\r\nwarren-attempt: 3\r\ncontent-length: 4\r\n\r\n\r\n\r\n\
            GET / HTTP/1.1\r\n\r\n";
        let first = Request::read(&mut text).expect("HTTP").expect("a request");
        let expected = Request {
            queue: Some("email".to_owned()),
            id: Some("order-1".to_owned()),
            attempt: Some(3),
            length: 4,
        };
        assert_eq!(first, expected);
        let second = Request::read(&mut text).expect("HTTP").expect("a request");
        assert_eq!(second, Request::default());
        assert_eq!(Request::read(&mut text).expect("the end"), None);
    }

    #[test]
    fn what_is_cut_off_or_endless_is_refused() {
        let endless = vec![b'x'; 10_000];
        let cut = b"POST / HTTP/1.1\r\ncontent-length: 5\r\n\r\nab".to_vec();
        let without_end = b"POST / HTTP/1.1\r\nhost: a\r\n".to_vec();
        for bytes in [endless, cut, without_end] {
            assert!(Request::read(&mut bytes.as_slice()).is_err());
        }
    }
}
