//! A question to a name server on this machine, as <https://www.rfc-editor.org/rfc/rfc1035> has it: one name, one address.

use std::io::{self, ErrorKind};
use std::net::{Ipv4Addr, UdpSocket};
use std::time::Duration;

/// Number by which the answer is known; nobody else is asked from the same socket.
const ID: [u8; 2] = [0x51, 0x10];

/// What a name server on loopback says of a name; none where it knows no address for it.
///
/// # Errors
/// An [`io::Error`] when it does not answer in time, or with something else than an answer.
pub fn ask(port: u16, name: &str, limit: Duration) -> io::Result<Option<Ipv4Addr>> {
    let socket = UdpSocket::bind((Ipv4Addr::LOCALHOST, 0))?;
    socket.connect((Ipv4Addr::LOCALHOST, port))?;
    socket.set_read_timeout(Some(limit))?;
    socket.send(&question(name))?;
    let mut answer = [0; 1500];
    let length = socket.recv(&mut answer)?;
    read(&answer[..length]).ok_or_else(|| ErrorKind::InvalidData.into())
}

/// One question, for an address, with recursion desired.
fn question(name: &str) -> Vec<u8> {
    let mut bytes = ID.to_vec();
    bytes.extend([1, 0, 0, 1, 0, 0, 0, 0, 0, 0]);
    for label in name.split('.') {
        let label = &label.as_bytes()[..label.len().min(63)];
        bytes.push(u8::try_from(label.len()).unwrap_or_default());
        bytes.extend(label);
    }
    bytes.extend([0, 0, 1, 0, 1]);
    bytes
}

/// The first address of an answer.
fn read(bytes: &[u8]) -> Option<Option<Ipv4Addr>> {
    let is_answer = bytes.get(..2)? == ID && bytes.get(2)? & 0x80 != 0;
    if !is_answer {
        return None;
    }
    let count = u16::from_be_bytes([*bytes.get(6)?, *bytes.get(7)?]);
    let mut at = behind_name(bytes, 12)? + 4;
    for _ in 0..count {
        at = behind_name(bytes, at)?;
        let kind = u16::from_be_bytes([*bytes.get(at)?, *bytes.get(at + 1)?]);
        let length = usize::from(u16::from_be_bytes([*bytes.get(at + 8)?, *bytes.get(at + 9)?]));
        let data = bytes.get(at + 10..at + 10 + length)?;
        if kind == 1 {
            return <[u8; 4]>::try_from(data).ok().map(|four| Some(four.into()));
        }
        at += 10 + length;
    }
    Some(None)
}

/// Where a name ends: at a zero, or at a pointer to another place.
fn behind_name(bytes: &[u8], mut at: usize) -> Option<usize> {
    loop {
        match *bytes.get(at)? {
            0 => return Some(at + 1),
            length if length & 0xc0 == 0xc0 => return Some(at + 2),
            length => at += 1 + usize::from(length),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_address_is_read_and_broken_answers_are_none() {
        let mut answer = question("db.x.test");
        (answer[2], answer[7]) = (0x81, 1);
        let end = answer.len();
        answer.extend([0xc0, 12, 0, 1, 0, 1, 0, 0, 0, 0, 0, 4, 10, 224, 3, 10]);
        assert_eq!(read(&answer), Some(Some([10, 224, 3, 10].into())));
        for cut in 0..answer.len() {
            assert!(read(&answer[..cut]).flatten().is_none(), "cut at {cut}");
        }
        answer[7] = 0;
        assert_eq!(read(&answer[..end]), Some(None), "no such name");
        assert_eq!(read(&question("x")), None, "a question is no answer");
    }
}
