//! A watch over the bytes of a client: a request whose head says its length twice, by `Content-Length` and by
//! `Transfer-Encoding`, is refused (<https://www.rfc-editor.org/rfc/rfc9112#section-6.1>). hyper takes the second alone and drops
//! the first before anybody sees it.

use std::io;
use std::pin::Pin;
use std::sync::atomic::{AtomicBool, Ordering};
use std::task::{Context, Poll};

use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};

/// What is known of a connection's request.
#[derive(Debug, Default)]
pub(crate) struct Guard {
    /// What comes now is the body of a request, and not looked at.
    in_body: AtomicBool,
    refused: AtomicBool,
}

impl Guard {
    /// Whether a head said its length twice: nothing of this connection is believed any more.
    pub(crate) fn has_refused(&self) -> bool {
        self.refused.load(Ordering::Relaxed)
    }

    /// A body begins, or is over.
    pub(crate) fn is_in_body(&self, is: bool) {
        self.in_body.store(is, Ordering::Relaxed);
    }
}

/// Reads heads as they come, in pieces of any size.
#[derive(Debug, Default)]
struct Scanner {
    /// The beginning of the line that is read, as far as it can name a header in question, in lower case.
    line: Vec<u8>,
    /// The line's length so far.
    length: usize,
    /// How many lines of the head there were, empty ones before it left out.
    lines: usize,
    has_length: bool,
    has_encoding: bool,
    /// The head has come to its end.
    is_over: bool,
}

const LENGTH: &[u8] = b"content-length";
const ENCODING: &[u8] = b"transfer-encoding";

impl Scanner {
    /// Reads on, and says whether the head has both. What follows a head in one piece with it, a body usually, is not looked at; what
    /// comes next is a new head.
    fn feed(&mut self, bytes: &[u8]) -> bool {
        if self.is_over {
            *self = Self::default();
        }
        for byte in bytes.iter().filter(|byte| **byte != b'\r') {
            match byte {
                // Empty lines before a request are none of it.
                b'\n' if self.length == 0 => self.is_over = self.lines > 0,
                b'\n' => self.end_line(),
                _ => {
                    self.length += 1;
                    if self.line.len() <= ENCODING.len() {
                        self.line.push(byte.to_ascii_lowercase());
                    }
                }
            }
            if self.is_over {
                break;
            }
        }
        self.has_length && self.has_encoding
    }

    fn end_line(&mut self) {
        let is = |name: &[u8]| self.line.strip_prefix(name).is_some_and(|rest| rest.first() == Some(&b':'));
        self.has_length |= is(LENGTH);
        self.has_encoding |= is(ENCODING);
        self.lines += 1;
        self.line.clear();
        self.length = 0;
    }
}

/// A client's connection with a guard.
pub(crate) struct Guarded<S> {
    stream: S,
    guard: std::sync::Arc<Guard>,
    scanner: Scanner,
}

impl<S> Guarded<S> {
    pub(crate) fn new(stream: S, guard: std::sync::Arc<Guard>) -> Self {
        Self { stream, guard, scanner: Scanner::default() }
    }
}

impl<S: AsyncRead + Unpin> AsyncRead for Guarded<S> {
    fn poll_read(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
        buffer: &mut ReadBuf<'_>,
    ) -> Poll<io::Result<()>> {
        let before = buffer.filled().len();
        let read = Pin::new(&mut self.stream).poll_read(context, buffer);
        if read.is_ready() && !self.guard.in_body.load(Ordering::Relaxed) {
            let this = &mut *self;
            if this.scanner.feed(&buffer.filled()[before..]) {
                this.guard.refused.store(true, Ordering::Relaxed);
            }
        }
        read
    }
}

impl<S: AsyncWrite + Unpin> AsyncWrite for Guarded<S> {
    fn poll_write(mut self: Pin<&mut Self>, context: &mut Context<'_>, bytes: &[u8]) -> Poll<io::Result<usize>> {
        Pin::new(&mut self.stream).poll_write(context, bytes)
    }

    fn poll_flush(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.stream).poll_flush(context)
    }

    fn poll_shutdown(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.stream).poll_shutdown(context)
    }

    fn is_write_vectored(&self) -> bool {
        self.stream.is_write_vectored()
    }

    fn poll_write_vectored(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
        pieces: &[io::IoSlice<'_>],
    ) -> Poll<io::Result<usize>> {
        Pin::new(&mut self.stream).poll_write_vectored(context, pieces)
    }
}

#[cfg(test)]
mod tests {
    use super::Scanner;

    const BOTH: &str = "POST / HTTP/1.1\r\nHost: a\r\nContent-Length: 5\r\nTransfer-Encoding: chunked\r\n\r\n";

    #[test]
    fn a_length_said_twice_is_seen_in_pieces_of_any_size_and_order() {
        let swapped = BOTH.replace("Content-Length: 5\r\n", "").replace("\r\n\r\n", "\r\ncontent-LENGTH: 5\r\n\r\n");
        for head in [BOTH, &swapped, &BOTH.replace('\r', ""), &format!("\r\n{BOTH}")] {
            for size in 1..head.len() {
                let mut scanner = Scanner::default();
                let seen: Vec<bool> = head.as_bytes().chunks(size).map(|piece| scanner.feed(piece)).collect();
                assert_eq!(seen.last(), Some(&true), "in pieces of {size}: {head}");
            }
        }
    }

    #[test]
    fn one_of_both_a_body_and_a_value_are_no_reason() {
        let mut scanner = Scanner::default();
        let body =
            "POST / HTTP/1.1\r\nContent-Length: 70\r\n\r\nTransfer-Encoding: chunked\r\nContent-Length: 1\r\n\r\n";
        assert!(!scanner.feed(body.as_bytes()));
        assert!(!scanner.feed(b"POST / HTTP/1.1\r\nTransfer-Encoding: chunked\r\nX: Content-Length: 5\r\n\r\n"));
        assert!(!scanner.feed(b"GET / HTTP/1.1\r\nContent-Length-X: 5\r\nTransfer-Encodin: x\r\n\r\n"));
        assert!(scanner.feed(BOTH.as_bytes()), "the next head is looked at again");
    }
}
