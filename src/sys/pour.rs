//! One program's output into another's input, of any length, piece by piece: neither silo nor the two keep more of it than a few
//! pieces.

use std::io::{self, ErrorKind, Write as _};
use std::process::{Child, ChildStdin};
use std::sync::mpsc::{Receiver, RecvTimeoutError, sync_channel};
use std::time::{Duration, Instant};

use super::cmd::{self, Captured, Cmd, Ended};
use super::signals;
use crate::failure::Failure;

/// How often a signal is looked for while nothing comes.
const LOOK: Duration = Duration::from_millis(50);
/// How many pieces wait at most.
const PIECES: usize = 8;
/// How long the two may take to end once all was handed over, or to say why they did not.
const END: Duration = Duration::from_mins(10);
/// How long what they said last is waited for.
const DRAIN: Duration = Duration::from_millis(500);

/// What goes on after each piece.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Go {
    /// The next piece.
    On,
    /// That was enough: the program is ended, and what it says to that does not matter.
    No,
}

/// Looks at what a program prints, piece by piece, until it ends or `each` has seen enough.
///
/// # Errors
/// A [`Failure`] when it cannot be started, or fails, or silo is asked to stop.
pub fn watch(from: &Cmd<'_>, mut each: impl FnMut(&[u8]) -> Go) -> Result<(), Failure> {
    let mut child = from.piped(false)?;
    let (pieces, said) = (read(&mut child), cmd::drain(child.stderr.take()));
    loop {
        match next(&pieces) {
            _ if signals::asked().is_some() => return Err(stopped(from, &mut [&mut child])),
            Next::Piece(piece) if each(&piece) == Go::On => {}
            Next::Nothing => {}
            Next::Piece(_) => {
                cmd::kill_group(&mut child);
                return Ok(());
            }
            Next::End => break,
        }
    }
    end(from, &mut child, &said)
}

/// Hands what one program prints to another, with each piece shown to `each`, and waits for both.
///
/// # Errors
/// A [`Failure`] of the one that failed, the first before the second, or when silo is asked to stop; both are ended then.
pub fn pour(from: &Cmd<'_>, to: &Cmd<'_>, mut each: impl FnMut(&[u8])) -> Result<(), Failure> {
    let mut source = from.piped(false)?;
    let mut target = match to.piped(true) {
        Ok(target) => target,
        Err(failure) => {
            cmd::kill_group(&mut source);
            return Err(failure);
        }
    };
    let (pieces, source_said) = (read(&mut source), cmd::drain(source.stderr.take()));
    let target_said = cmd::drain(target.stderr.take());
    // What it prints is useless, and must not fill its pipe.
    cmd::pump(target.stdout.take(), |_| true);
    let mut input = target.stdin.take();
    loop {
        let piece = match next(&pieces) {
            _ if signals::asked().is_some() => return Err(stopped(from, &mut [&mut source, &mut target])),
            Next::Nothing => continue,
            Next::End => break,
            Next::Piece(piece) => piece,
        };
        each(&piece);
        let Some(Err(error)) = input.as_mut().map(|input| write(input, &piece)) else { continue };
        if signals::asked().is_some() {
            return Err(stopped(from, &mut [&mut source, &mut target]));
        }
        // It has ended, or ends now, and says why.
        drop(input.take());
        cmd::kill_group(&mut source);
        let failure = end(to, &mut target, &target_said).err();
        let early = || Failure::new(format!("`{}` stopped reading: {error}", to.shown()));
        return Err(failure.unwrap_or_else(early));
    }
    let whole = end(from, &mut source, &source_said);
    if whole.is_err() {
        // Without its end the rest is not to be taken for all.
        cmd::kill_group(&mut target);
        return whole;
    }
    drop(input);
    end(to, &mut target, &target_said)
}

enum Next {
    Piece(Vec<u8>),
    Nothing,
    End,
}

fn next(pieces: &Receiver<Vec<u8>>) -> Next {
    match pieces.recv_timeout(LOOK) {
        Ok(piece) => Next::Piece(piece),
        Err(RecvTimeoutError::Timeout) => Next::Nothing,
        Err(RecvTimeoutError::Disconnected) => Next::End,
    }
}

/// Reads a program's output in a thread, which waits where nobody takes it.
fn read(child: &mut Child) -> Receiver<Vec<u8>> {
    let (send, receive) = sync_channel(PIECES);
    cmd::pump(child.stdout.take(), move |piece| send.send(piece).is_ok());
    receive
}

/// Writes a piece; a signal that asks silo to stop ends it.
fn write(pipe: &mut ChildStdin, mut piece: &[u8]) -> io::Result<()> {
    while !piece.is_empty() {
        match pipe.write(piece) {
            Ok(0) => return Err(ErrorKind::WriteZero.into()),
            Ok(length) => piece = &piece[length..],
            Err(error) if error.kind() == ErrorKind::Interrupted && signals::asked().is_none() => {}
            Err(error) => return Err(error),
        }
    }
    Ok(())
}

fn end(cmd: &Cmd<'_>, child: &mut Child, said: &Receiver<Vec<u8>>) -> Result<(), Failure> {
    let start = Instant::now();
    let ended = loop {
        if let Some(ended) = cmd.ended(child)? {
            break ended;
        }
        if let Some(asked) = signals::asked() {
            cmd::kill_group(child);
            return Err(cmd.stopped(asked));
        }
        if start.elapsed() > END {
            cmd::kill_group(child);
            return Err(Failure::new(format!("`{}` does not end", cmd.shown())));
        }
        std::thread::sleep(Duration::from_millis(5));
    };
    let stderr = if ended == Ended::Code(0) { Vec::new() } else { cmd::taken(said, Instant::now() + DRAIN) };
    Captured { ended, stdout: Vec::new(), stderr }.success(cmd).map(|_| ())
}

fn stopped(cmd: &Cmd<'_>, children: &mut [&mut Child]) -> Failure {
    for child in children {
        cmd::kill_group(child);
    }
    let asked = signals::asked().expect("the caller has seen it");
    cmd.stopped(asked)
}

#[cfg(test)]
mod tests {
    use std::path::Path;

    use super::*;
    use crate::core::shell::environment::Environment;

    fn sh<'a>(environment: &'a Environment, line: &str) -> Cmd<'a> {
        let arguments = ["-c", line].map(Into::into).to_vec();
        Cmd { program: "/bin/sh", arguments, environment, folder: Path::new("/") }
    }

    fn environment() -> Environment {
        let mut environment = Environment::default();
        environment.set("PATH", "/usr/bin:/bin");
        environment
    }

    #[test]
    fn all_is_handed_over_and_either_end_may_fail() {
        let environment = environment();
        let many = "head -c 3000000 /dev/zero";
        let count = |from: &str, to: &str| {
            let mut count = 0;
            pour(&sh(&environment, from), &sh(&environment, to), |piece| count += piece.len()).map(|()| count)
        };
        assert_eq!(count(many, "[ $(wc -c) = 3000000 ]").expect("it is all there"), 3_000_000);
        let said = |from: &str, to: &str| count(from, to).expect_err("one fails").excerpt.unwrap_or_default();
        assert_eq!(said(&format!("{many}; echo torn >&2; exit 1"), "cat >/dev/null"), "  | torn");
        assert_eq!(said(many, "echo full >&2; exit 1"), "  | full");
    }

    #[test]
    fn enough_is_enough() {
        let environment = environment();
        let mut seen = 0;
        let first = |piece: &[u8]| {
            seen += piece.len();
            Go::No
        };
        watch(&sh(&environment, "yes"), first).expect("it was ended");
        assert!(seen > 0);
        assert!(watch(&sh(&environment, "exit 3"), |_| Go::On).is_err());
    }
}
