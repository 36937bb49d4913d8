//! A question to a program that listens on a Unix socket.

use std::io::{self, BufRead as _, BufReader, ErrorKind, Read as _, Write as _};
use std::os::unix::net::UnixStream;
use std::path::Path;
use std::time::{Duration, Instant};

use rustix::io::Errno;
use rustix::net::{AddressFamily, SocketAddrUnix, SocketType, connect, socket};

/// How long to wait until a queue that is full is tried again.
const PAUSE: Duration = Duration::from_millis(10);

/// How long a program may take to take a call whose answer is followed.
const LONG: Duration = Duration::from_secs(3);
/// Longest line that is handed on in one piece, in bytes.
const LINE: u64 = 64 * 1024;

/// Whether nobody listens there for this user: no socket, one that its program left, or one for others.
pub fn nobody(path: &Path) -> bool {
    let gone = |error: &io::Error| {
        matches!(error.kind(), ErrorKind::NotFound | ErrorKind::ConnectionRefused | ErrorKind::PermissionDenied)
    };
    // One whose queue is full has somebody.
    reach(path, Duration::ZERO).is_err_and(|error| gone(&error))
}

/// The process that listens there, where the system tells: a number of this process's own view.
pub fn listener(path: &Path) -> Option<u32> {
    #[cfg(target_os = "linux")]
    {
        let stream = reach(path, LONG).ok()?;
        let other = rustix::net::sockopt::socket_peercred(&stream).ok()?;
        u32::try_from(other.pid.as_raw_nonzero().get()).ok()
    }
    #[cfg(not(target_os = "linux"))]
    {
        let _ = path;
        None
    }
}

/// Connects within a limit: where a program listens and takes no call, the system's own connect waits for ever.
fn reach(path: &Path, limit: Duration) -> io::Result<UnixStream> {
    let start = Instant::now();
    let address = SocketAddrUnix::new(path)?;
    loop {
        let socket = socket(AddressFamily::UNIX, SocketType::STREAM, None)?;
        rustix::io::fcntl_setfd(&socket, rustix::io::FdFlags::CLOEXEC)?;
        rustix::io::ioctl_fionbio(&socket, true)?;
        match connect(&socket, &address) {
            Ok(()) => {
                rustix::io::ioctl_fionbio(&socket, false)?;
                return Ok(UnixStream::from(socket));
            }
            Err(Errno::AGAIN | Errno::INTR) if start.elapsed() < limit => std::thread::sleep(PAUSE),
            Err(Errno::AGAIN | Errno::INTR) => return Err(ErrorKind::TimedOut.into()),
            Err(error) => return Err(error.into()),
        }
    }
}

/// Sends a request and takes the answer until the other end closes, within `limit` and at most `max` bytes.
///
/// # Errors
/// An [`io::Error`] when nobody listens, or the answer is late or too long.
pub fn exchange(path: &Path, request: &[u8], limit: Duration, max: u64) -> io::Result<Vec<u8>> {
    let start = Instant::now();
    let mut stream = reach(path, limit)?;
    let left = || limit.checked_sub(start.elapsed()).filter(|left| !left.is_zero());
    let late = || io::Error::from(ErrorKind::TimedOut);
    stream.set_write_timeout(Some(left().ok_or_else(late)?))?;
    stream.write_all(request)?;
    let mut answer = Vec::new();
    let mut piece = [0; 16 * 1024];
    loop {
        stream.set_read_timeout(Some(left().ok_or_else(late)?))?;
        match stream.read(&mut piece) {
            Ok(0) => return Ok(answer),
            Ok(length) => answer.extend_from_slice(&piece[..length]),
            Err(error) if error.kind() == ErrorKind::Interrupted => {}
            Err(error) if error.kind() == ErrorKind::WouldBlock => return Err(late()),
            Err(error) => return Err(error),
        }
        if answer.len() as u64 > max {
            return Err(io::Error::new(ErrorKind::FileTooLarge, "the answer is too long"));
        }
    }
}

/// Sends a request and hands on each line of an answer that does not end, until the other end closes or `each` returns false.
///
/// # Errors
/// An [`io::Error`] when nobody listens, or the connection breaks.
pub fn lines(path: &Path, request: &[u8], mut each: impl FnMut(&str) -> bool) -> io::Result<()> {
    let mut stream = reach(path, LONG)?;
    stream.set_write_timeout(Some(LONG))?;
    stream.write_all(request)?;
    let mut reader = BufReader::new(stream);
    let mut line = Vec::new();
    loop {
        line.clear();
        if (&mut reader).take(LINE).read_until(b'\n', &mut line)? == 0 {
            return Ok(());
        }
        if !each(&String::from_utf8_lossy(&line)) {
            return Ok(());
        }
    }
}

#[cfg(test)]
mod tests {
    use std::os::unix::net::UnixListener;

    use super::*;

    #[test]
    fn one_that_takes_no_call_is_waited_for_within_the_limit() {
        let folder = tempfile::tempdir().expect("there is room");
        let path = folder.path().join("socket");
        assert!(nobody(&path));
        let server = socket(AddressFamily::UNIX, SocketType::STREAM, None).expect("there is one");
        rustix::net::bind(&server, &SocketAddrUnix::new(&path).expect("it is short")).expect("the folder is writable");
        assert!(nobody(&path), "it does not listen");
        rustix::net::listen(&server, 0).expect("it is bound");
        let first = reach(&path, Duration::ZERO);
        let error = exchange(&path, b"?", Duration::from_millis(50), 1).expect_err("nobody takes it");
        assert_eq!(error.kind(), ErrorKind::TimedOut);
        assert!(!nobody(&path), "it is there");
        assert_eq!(listener(&folder.path().join("none")), None);
        drop(first);
    }

    #[test]
    fn an_answer_is_taken_whole_and_one_that_is_late_or_long_is_not() {
        let folder = tempfile::tempdir().expect("there is room");
        let path = folder.path().join("socket");
        let ask = |limit, max| exchange(&path, b"?", limit, max);
        assert_eq!(ask(Duration::from_secs(1), 1).expect_err("nobody listens").kind(), ErrorKind::NotFound);
        let listener = UnixListener::bind(&path).expect("the folder is writable");
        let server = std::thread::spawn(move || {
            for answer in [&b"yes"[..], &b"far too long"[..]] {
                let (mut stream, _) = listener.accept().expect("somebody asks");
                let _ = stream.read(&mut [0; 1]);
                let _ = stream.write_all(answer);
            }
            // The third one waits.
            listener.accept().map(|(stream, _)| (stream, listener))
        });
        let long = Duration::from_secs(10);
        assert_eq!(ask(long, 100).expect("it answers"), b"yes");
        assert_eq!(ask(long, 3).expect_err("it is too long").kind(), ErrorKind::FileTooLarge);
        assert_eq!(ask(Duration::from_millis(50), 100).expect_err("it is late").kind(), ErrorKind::TimedOut);
        drop(server.join().expect("it ran"));
    }
}
