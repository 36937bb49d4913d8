//! A question to a name server on this machine: one name, one address.

use std::io::{self, ErrorKind};
use std::net::{IpAddr, Ipv4Addr, UdpSocket};
use std::time::Duration;

use crate::core::formats::dns::{self, Kind};

/// Number by which the answer is known; nobody else is asked from the same socket.
const ID: u16 = 0x5110;

/// What a name server on loopback says of a name; none where it knows no address for it.
///
/// # Errors
/// An [`io::Error`] when it does not answer in time, or with something else than an answer.
pub fn ask(port: u16, name: &str, limit: Duration) -> io::Result<Option<Ipv4Addr>> {
    let question = dns::question(ID, name, Kind::A).ok_or(ErrorKind::InvalidInput)?;
    let socket = UdpSocket::bind((Ipv4Addr::LOCALHOST, 0))?;
    socket.connect((Ipv4Addr::LOCALHOST, port))?;
    socket.set_read_timeout(Some(limit))?;
    socket.send(&question)?;
    let mut answer = [0; 1500];
    let length = socket.recv(&mut answer)?;
    let found = dns::addresses(&question, &answer[..length], Kind::A).ok_or(ErrorKind::InvalidData)?;
    Ok(found.into_iter().find_map(|address| match address {
        IpAddr::V4(address) => Some(address),
        IpAddr::V6(_) => None,
    }))
}
