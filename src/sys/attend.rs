//! A program that silo stays with until it ends: what it prints is handed on piece by piece, and its input is open as long as silo
//! is there, however silo ends.

use std::sync::mpsc::{RecvTimeoutError, sync_channel};
use std::time::{Duration, Instant};

use super::cmd::{self, Cmd, Ended};
use crate::failure::Failure;

/// How often is looked whether something else is to be done.
const LOOK: Duration = Duration::from_millis(50);
/// How many pieces wait at most.
const PIECES: usize = 16;
/// How long what it printed last is waited for: a grandchild may hold the pipes.
const DRAIN: Duration = Duration::from_millis(500);

/// Where a piece was printed to.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Stream {
    /// Standard output.
    Out,
    /// Standard error.
    Err,
}

/// What a program that is attended gets and gives.
pub trait Attend {
    /// Takes a piece.
    ///
    /// # Errors
    /// A [`Failure`] when it can be handed on no more.
    fn take(&mut self, stream: Stream, piece: &[u8]) -> Result<(), Failure>;

    /// Looks whether something is to be done, some times a second.
    ///
    /// # Errors
    /// A [`Failure`] when the program is not to be waited for any longer: it is ended then, and the program's own children are not
    /// looked after.
    fn look(&mut self) -> Result<(), Failure>;
}

/// Starts a program and stays with it until it ends. Its input is open and empty meanwhile; it does not get the terminal's signals.
///
/// # Errors
/// A [`Failure`] when it cannot be started, or of `attend`.
pub fn attend(cmd: &Cmd<'_>, attend: &mut impl Attend) -> Result<Ended, Failure> {
    let mut child = cmd.piped(true)?;
    // Closed when this function ends, or silo.
    let _input = child.stdin.take();
    let (send, pieces) = sync_channel(PIECES);
    let other = send.clone();
    cmd::pump(child.stdout.take(), move |piece| send.send((Stream::Out, piece)).is_ok());
    cmd::pump(child.stderr.take(), move |piece| other.send((Stream::Err, piece)).is_ok());
    let mut ended: Option<(Ended, Instant)> = None;
    let done = loop {
        let wait = match ended {
            Some((ended, at)) if at.elapsed() >= DRAIN => break Ok(ended),
            Some(_) => LOOK.min(DRAIN),
            None => LOOK,
        };
        match (pieces.recv_timeout(wait), ended) {
            (Ok((stream, piece)), _) => {
                if let Err(failure) = attend.take(stream, &piece) {
                    break Err(failure);
                }
            }
            (Err(RecvTimeoutError::Disconnected), Some((ended, _))) => break Ok(ended),
            (Err(RecvTimeoutError::Disconnected), None) => std::thread::sleep(LOOK),
            (Err(RecvTimeoutError::Timeout), _) => {}
        }
        if let Err(failure) = attend.look() {
            break Err(failure);
        }
        if ended.is_none() {
            match cmd.ended(&mut child) {
                Ok(now) => ended = now.map(|now| (now, Instant::now())),
                Err(failure) => break Err(failure),
            }
        }
    };
    if done.is_err() {
        cmd::kill_group(&mut child);
    }
    done
}

#[cfg(test)]
mod tests {
    use std::path::Path;

    use super::*;
    use crate::core::shell::environment::Environment;

    #[derive(Default)]
    struct Taken {
        out: Vec<u8>,
        err: Vec<u8>,
        looks: usize,
        most: usize,
    }

    impl Attend for Taken {
        fn take(&mut self, stream: Stream, piece: &[u8]) -> Result<(), Failure> {
            match stream {
                Stream::Out => self.out.extend_from_slice(piece),
                Stream::Err => self.err.extend_from_slice(piece),
            }
            Ok(())
        }

        fn look(&mut self) -> Result<(), Failure> {
            self.looks += 1;
            if self.looks > self.most { Err(Failure::new("enough")) } else { Ok(()) }
        }
    }

    fn run(script: &str, most: usize) -> (Result<Ended, Failure>, Taken) {
        let environment: Environment = std::env::vars_os().collect();
        let arguments = vec!["-c".into(), script.into()];
        let cmd = Cmd { program: "sh", arguments, environment: &environment, folder: Path::new("/") };
        let mut taken = Taken { most, ..Taken::default() };
        (attend(&cmd, &mut taken), taken)
    }

    #[test]
    fn all_of_both_streams_comes_and_the_input_stays_open() {
        let (ended, taken) = run("head -c 3000000 /dev/zero; echo no >&2; exit 7", usize::MAX);
        assert_eq!((ended, taken.out.len(), taken.err), (Ok(Ended::Code(7)), 3_000_000, b"no\n".to_vec()));
        let (ended, taken) = run("read -r line; echo never", 3);
        assert_eq!((ended.expect_err("it waits for input").what.as_str(), taken.out.len()), ("enough", 0));
    }

    #[test]
    fn a_child_that_holds_the_pipes_is_not_waited_for() {
        let start = Instant::now();
        let (ended, taken) = run("sleep 30 & echo $!", usize::MAX);
        assert_eq!(ended, Ok(Ended::Code(0)));
        assert!(start.elapsed() < Duration::from_secs(10));
        let pid = String::from_utf8_lossy(&taken.out).trim().parse().expect("it is a number");
        cmd::send(pid, nix::libc::SIGKILL);
    }
}
