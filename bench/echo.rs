//! A WebSocket server that sends each byte back, and clients that send a frame and wait until all of it is back; for `bench/proxy`.
//!
//!   echo serve PORT
//!   echo ask PORT HOST CONNECTIONS SECONDS     prints frames a second, and the 99th percentile of a frame's way in microseconds

use std::io::{Read, Write};
use std::net::{TcpListener, TcpStream};
use std::thread;
use std::time::{Duration, Instant};

/// A frame of 1 KiB: binary, masked, as a browser sends it.
const BODY: usize = 1024;

fn head(stream: &mut TcpStream) -> String {
    let mut text = Vec::new();
    let mut byte = [0];
    while !text.ends_with(b"\r\n\r\n") {
        stream.read_exact(&mut byte).expect("a head comes whole");
        text.push(byte[0]);
    }
    String::from_utf8_lossy(&text).into_owned()
}

fn serve(port: u16) {
    for stream in TcpListener::bind(("127.0.0.1", port)).expect("the port is free").incoming() {
        let mut stream = stream.expect("it connects");
        thread::spawn(move || {
            let _ = stream.set_nodelay(true);
            // Who only looks whether somebody listens says nothing.
            if stream.peek(&mut [0]).unwrap_or(0) == 0 {
                return;
            }
            head(&mut stream);
            let answer = "HTTP/1.1 101 Switching Protocols\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n\
                          Sec-WebSocket-Accept: s3pPLMBiTxaQ9kYGzzhZRbK+xOo=\r\n\r\n";
            if stream.write_all(answer.as_bytes()).is_err() {
                return;
            }
            let mut bytes = [0; 16 * 1024];
            while let Ok(length @ 1..) = stream.read(&mut bytes) {
                if stream.write_all(&bytes[..length]).is_err() {
                    return;
                }
            }
        });
    }
}

fn ask(port: u16, host: &str, until: Instant) -> Vec<u32> {
    let mut stream = TcpStream::connect(("127.0.0.1", port)).expect("somebody listens");
    let _ = stream.set_nodelay(true);
    let request = format!(
        "GET / HTTP/1.1\r\nHost: {host}\r\nUpgrade: websocket\r\nConnection: Upgrade\r\nSec-WebSocket-Version: 13\r\n\
         Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\n\r\n"
    );
    stream.write_all(request.as_bytes()).expect("it is open");
    let said = head(&mut stream);
    assert!(said.starts_with("HTTP/1.1 101 "), "{said}");
    let mut frame = vec![0x82, 0xfe, 4, 0, 1, 2, 3, 4];
    frame.extend(std::iter::repeat_n(b'x', BODY));
    let mut back = vec![0; frame.len()];
    let mut took = Vec::new();
    while Instant::now() < until {
        let start = Instant::now();
        stream.write_all(&frame).expect("it is open");
        stream.read_exact(&mut back).expect("it comes back");
        took.push(u32::try_from(start.elapsed().as_micros()).unwrap_or(u32::MAX));
    }
    assert_eq!(back, frame);
    took
}

fn main() {
    let words: Vec<String> = std::env::args().skip(1).collect();
    let number = |at: usize| words[at].parse::<u64>().expect("a number");
    let port = u16::try_from(number(1)).expect("a port");
    if words[0] == "serve" {
        return serve(port);
    }
    let (connections, seconds) = (number(3), number(4));
    let until = Instant::now() + Duration::from_secs(seconds);
    let host = words[2].clone();
    let asking: Vec<_> = (0..connections).map(|_| thread::spawn({ let host = host.clone(); move || ask(port, &host, until) })).collect();
    let mut took: Vec<u32> = asking.into_iter().flat_map(|one| one.join().expect("it ends")).collect();
    took.sort_unstable();
    println!("{} {}", took.len() as u64 / seconds, took[took.len() * 99 / 100]);
}
