//! A connection to Postgres that is cut when the server asks for the password itself, or for what anybody could try passwords on
//! (MD5), or asks for none at all, which shows nothing of who it is: behind a port of this machine may be something else than the
//! service. With TLS the server has shown who it is.
//!
//! Also: no server makes silo hold more than a bounded amount.

use std::io;
use std::pin::Pin;
use std::task::{Context, Poll, ready};

use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};

/// The most bytes that a server may say in all.
const MOST: u64 = 256 * 1024 * 1024;
/// The longest message before it has admitted silo, in bytes.
const LONGEST: u32 = 64 * 1024;
/// What begins a message about admission, and its kinds: admitted, the password itself, MD5, the end of SCRAM with which the server
/// proves that it knows the password too (<https://www.postgresql.org/docs/current/protocol-message-formats.html>).
const AUTHENTICATION: u8 = b'R';
const ADMITTED: u32 = 0;
const REFUSED: [u32; 2] = [3, 5];
const PROOF: u32 = 12;

/// Why a connection was cut: the password would have been given away.
pub(super) const IN_THE_CLEAR: &str = "it asks for it in a way that would give it away";
/// Why a connection was cut: the server does not ask for the password.
pub(super) const UNASKED: &str = "it asks for none";

/// The connection.
pub(super) struct Guard<S> {
    stream: S,
    watch: Option<Watch>,
    read: u64,
}

/// What was seen of the message that is on its way: its first nine bytes, and how many bytes of it are to come.
#[derive(Default)]
struct Watch {
    head: Vec<u8>,
    rest: u32,
    wants_proof: bool,
}

impl<S> Guard<S> {
    /// Around a connection: whether it is an open one, that of a server that has not shown who it is, and whether there is a password,
    /// which it has to know then.
    pub(super) fn new(stream: S, is_open: bool, wants_proof: bool) -> Self {
        Self { stream, watch: is_open.then(|| Watch { wants_proof, ..Watch::default() }), read: 0 }
    }
}

impl Watch {
    /// Looks at what came; true when nothing more is to be looked at.
    fn see(&mut self, mut bytes: &[u8]) -> io::Result<bool> {
        while !bytes.is_empty() {
            let skipped = bytes.len().min(usize::try_from(self.rest).unwrap_or(usize::MAX));
            self.rest -= u32::try_from(skipped).unwrap_or(self.rest);
            bytes = &bytes[skipped..];
            let Some((first, behind)) = bytes.split_first() else { break };
            bytes = behind;
            self.head.push(*first);
            let number =
                |at: usize| self.head.get(at..at + 4).and_then(|four| Some(u32::from_be_bytes(four.try_into().ok()?)));
            let Some(length) = number(1) else { continue };
            if !(4..=LONGEST).contains(&length) {
                return Err(io::Error::new(io::ErrorKind::InvalidData, "it is no Postgres"));
            }
            // A kind is behind the length.
            if self.head[0] == AUTHENTICATION && length >= 8 {
                match number(5) {
                    None => continue,
                    Some(ADMITTED) if self.wants_proof => return Err(io::Error::other(UNASKED)),
                    Some(ADMITTED) => return Ok(true),
                    Some(kind) if REFUSED.contains(&kind) => return Err(io::Error::other(IN_THE_CLEAR)),
                    Some(kind) => {
                        self.wants_proof &= kind != PROOF;
                        self.rest = length - 8;
                    }
                }
            } else {
                self.rest = length - 4;
            }
            self.head.clear();
        }
        Ok(false)
    }
}

impl<S: AsyncRead + Unpin> AsyncRead for Guard<S> {
    fn poll_read(self: Pin<&mut Self>, context: &mut Context<'_>, buffer: &mut ReadBuf<'_>) -> Poll<io::Result<()>> {
        let this = self.get_mut();
        let before = buffer.filled().len();
        ready!(Pin::new(&mut this.stream).poll_read(context, buffer))?;
        let came = &buffer.filled()[before..];
        this.read += came.len() as u64;
        if this.read > MOST {
            return Poll::Ready(Err(io::Error::other("it says more than silo reads at once")));
        }
        if let Some(watch) = &mut this.watch
            && watch.see(came)?
        {
            this.watch = None;
        }
        Poll::Ready(Ok(()))
    }
}

impl<S: AsyncWrite + Unpin> AsyncWrite for Guard<S> {
    fn poll_write(self: Pin<&mut Self>, context: &mut Context<'_>, bytes: &[u8]) -> Poll<io::Result<usize>> {
        Pin::new(&mut self.get_mut().stream).poll_write(context, bytes)
    }

    fn poll_flush(self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.get_mut().stream).poll_flush(context)
    }

    fn poll_shutdown(self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.get_mut().stream).poll_shutdown(context)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn message(kind: u8, body: &[u8]) -> Vec<u8> {
        let length = u32::try_from(body.len() + 4).expect("it is short");
        [&[kind][..], &length.to_be_bytes(), body].concat()
    }

    /// What comes of bytes, however they are cut.
    fn seen(bytes: &[u8], wants_proof: bool) -> Result<bool, String> {
        let mut each = Vec::new();
        for size in 1..=bytes.len() {
            let mut watch = Watch { wants_proof, ..Watch::default() };
            let mut end = Ok(false);
            for piece in bytes.chunks(size) {
                end = watch.see(piece).map_err(|error| error.to_string());
                if !matches!(end, Ok(false)) {
                    break;
                }
            }
            each.push(end);
        }
        assert!(each.windows(2).all(|two| two[0] == two[1]), "{each:?}");
        each.remove(0)
    }

    #[test]
    fn a_server_that_wants_the_password_itself_gets_nothing() {
        let ok = message(b'R', &0_u32.to_be_bytes());
        let scram = message(b'R', &[&10_u32.to_be_bytes()[..], b"SCRAM-SHA-256\0\0"].concat());
        let notice = message(b'N', b"SNOTICE\0\0");
        let proof = message(b'R', &[&12_u32.to_be_bytes()[..], b"v=x"].concat());
        assert_eq!(seen(&ok, false), Ok(true));
        assert_eq!(seen(&ok, true), Err(UNASKED.to_owned()));
        assert_eq!(seen(&[&notice[..], &scram, &ok].concat(), true), Err(UNASKED.to_owned()));
        assert_eq!(seen(&[&notice[..], &scram, &proof, &ok].concat(), true), Ok(true));
        assert_eq!(seen(&[&notice[..], &scram].concat(), true), Ok(false));
        let clear = message(b'R', &3_u32.to_be_bytes());
        let md5 = message(b'R', &[0, 0, 0, 5, 1, 2, 3, 4]);
        for asks in [&clear, &md5] {
            assert_eq!(seen(asks, true), Err(IN_THE_CLEAR.to_owned()));
            assert_eq!(seen(&[&notice[..], &scram, asks].concat(), false), Err(IN_THE_CLEAR.to_owned()));
        }
        assert_eq!(seen(b"HTTP/1.1 400 Bad Request\r\n", true), Err("it is no Postgres".to_owned()));
        assert_eq!(seen(b"R\0\0\0\0aaaa", true), Err("it is no Postgres".to_owned()));
    }
}
