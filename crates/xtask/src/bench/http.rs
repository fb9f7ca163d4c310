//! The least HTTP client: one connection kept alive, requests as ready bytes. Whatever it would cost more would be taken from the
//! server that is measured.

use std::io::{ErrorKind, Read as _, Write as _};
use std::net::{SocketAddr, TcpStream};
use std::time::Duration;

use anyhow::{Context as _, Result, bail, ensure};

use super::clock;

/// How long an answer may take before the run is given up.
const PATIENCE: Duration = Duration::from_secs(60);
const HEAD_END: &[u8] = b"\r\n\r\n";
const LENGTH: &[u8] = b"content-length: ";

/// What a read does while nothing has come.
pub(super) enum Waits {
    ForAnswer,
    Not,
}

/// A connection, and the answer that it received last.
pub(super) struct Connection {
    stream: TcpStream,
    buffer: Vec<u8>,
    filled: usize,
    body: std::ops::Range<usize>,
}

impl Connection {
    pub(super) fn open(address: SocketAddr) -> Result<Self> {
        let stream = TcpStream::connect(address).with_context(|| format!("cannot connect to {address}"))?;
        stream.set_nodelay(true)?;
        stream.set_read_timeout(Some(PATIENCE))?;
        stream.set_write_timeout(Some(PATIENCE))?;
        Ok(Self { stream, buffer: vec![0; 64 << 10], filled: 0, body: 0..0 })
    }

    pub(super) fn open_many(address: SocketAddr, count: usize) -> Result<Vec<Self>> {
        (0..count).map(|_| Self::open(address)).collect()
    }

    /// Whether reads answer at once, with or without an answer.
    pub(super) fn set_waiting(&self, waits: Waits) -> Result<()> {
        Ok(self.stream.set_nonblocking(matches!(waits, Waits::Not))?)
    }

    /// Sends a request; its answer is still to be read.
    pub(super) fn send(&mut self, request: &[u8]) -> Result<()> {
        self.filled = 0;
        Ok(self.stream.write_all(request)?)
    }

    /// Takes in what has come of an answer: its status once it is whole.
    pub(super) fn receive(&mut self) -> Result<Option<u16>> {
        ensure!(self.filled < self.buffer.len(), "the head of an answer does not end");
        match self.stream.read(&mut self.buffer[self.filled..]) {
            Ok(0) => bail!("the server closed the connection"),
            Ok(read) => self.filled += read,
            Err(error) if error.kind() == ErrorKind::WouldBlock => return Ok(None),
            Err(error) => return Err(error.into()),
        }
        let Some(head) = find(&self.buffer[..self.filled], HEAD_END) else { return Ok(None) };
        let start = head + HEAD_END.len();
        let end = start + content_length(&self.buffer[..start])?;
        if end >= self.buffer.len() {
            self.buffer.resize(end + 1, 0);
        }
        ensure!(self.filled <= end, "the server said more than one answer");
        if self.filled < end {
            return Ok(None);
        }
        self.body = start..end;
        status(&self.buffer).map(Some)
    }

    /// Sends a request and waits for its whole answer.
    pub(super) fn exchange(&mut self, request: &[u8]) -> Result<u16> {
        self.send(request)?;
        let started = clock::now();
        loop {
            if let Some(status) = self.receive()? {
                return Ok(status);
            }
            ensure!(started.elapsed() < PATIENCE, "the server does not answer");
        }
    }

    /// As [`Self::exchange`], and anything but 200 ends the run.
    pub(super) fn succeed(&mut self, request: &[u8]) -> Result<&[u8]> {
        let status = self.exchange(request)?;
        if status != 200 {
            bail!("the server answered {status}: {}", String::from_utf8_lossy(self.body()));
        }
        Ok(self.body())
    }

    pub(super) fn body(&self) -> &[u8] {
        &self.buffer[self.body.clone()]
    }
}

/// A GET of this path, as bytes.
pub(super) fn get(path: &str, key: &str) -> Vec<u8> {
    without_body("GET", path, key)
}

/// A DELETE of this path, as bytes.
pub(super) fn delete(path: &str, key: &str) -> Vec<u8> {
    without_body("DELETE", path, key)
}

fn without_body(method: &str, path: &str, key: &str) -> Vec<u8> {
    format!("{method} {path} HTTP/1.1\r\nhost: bench\r\nauthorization: Bearer {key}\r\n\r\n").into_bytes()
}

/// A POST of JSON, as bytes.
pub(super) fn post(path: &str, key: &str, body: &[u8], out: &mut Vec<u8>) {
    with_body("POST", path, key, body, out);
}

/// A PUT of JSON, as bytes.
pub(super) fn put(path: &str, key: &str, body: &[u8], out: &mut Vec<u8>) {
    with_body("PUT", path, key, body, out);
}

fn with_body(method: &str, path: &str, key: &str, body: &[u8], out: &mut Vec<u8>) {
    out.clear();
    let length = body.len();
    let head = format!(
        "{method} {path} HTTP/1.1\r\nhost: bench\r\nauthorization: Bearer {key}\r\n\
         content-type: application/json\r\ncontent-length: {length}\r\n\r\n"
    );
    out.extend_from_slice(head.as_bytes());
    out.extend_from_slice(body);
}

fn find(bytes: &[u8], wanted: &[u8]) -> Option<usize> {
    bytes.windows(wanted.len()).position(|window| window == wanted)
}

fn status(head: &[u8]) -> Result<u16> {
    let digits = head.get(9..12).and_then(|digits| std::str::from_utf8(digits).ok());
    digits.and_then(|digits| digits.parse().ok()).context("the answer has no status")
}

fn content_length(head: &[u8]) -> Result<usize> {
    let at = find(head, LENGTH).context("the answer does not say its length")? + LENGTH.len();
    let digits = head[at..].iter().take_while(|byte| byte.is_ascii_digit());
    Ok(digits.fold(0, |length, digit| length * 10 + usize::from(digit - b'0')))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn heads_are_read() {
        let head = b"HTTP/1.1 404 Not Found\r\ncontent-type: text/plain\r\ncontent-length: 127\r\n\r\n";
        assert_eq!(status(head).ok(), Some(404));
        assert_eq!(content_length(head).ok(), Some(127));
        assert_eq!(find(head, HEAD_END), Some(head.len() - 4));
        assert!(content_length(b"HTTP/1.1 200 OK\r\n\r\n").is_err());
    }
}
