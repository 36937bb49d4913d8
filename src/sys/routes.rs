//! Which addresses this machine sends somewhere: a subnet that overlaps one would take it away from a VPN, or lose it to one.

use std::net::Ipv4Addr;
use std::path::Path;
use std::time::Duration;

use super::cmd::Cmd;
use crate::core::leases::subnet::{Range, WIDEST};
use crate::core::shell::environment::Environment;

/// How long `netstat` may take.
const ASK: Duration = Duration::from_secs(3);

/// The routes of this machine, but for those that hold for (nearly) everything.
pub fn all(environment: &Environment) -> Vec<Range> {
    let linux = std::fs::read_to_string("/proc/net/route").ok().map(|text| of_linux(&text));
    let mut routes = linux.unwrap_or_else(|| {
        let arguments = ["-rn", "-f", "inet"].map(Into::into).to_vec();
        let netstat = Cmd { program: "netstat", arguments, environment, folder: Path::new("/") };
        let answer = netstat.capture(ASK).map(|answer| answer.stdout).unwrap_or_default();
        of_netstat(&String::from_utf8_lossy(&answer))
    });
    routes.retain(|route| route.bits() >= WIDEST);
    routes
}

/// Linux's table: a line each, with address and mask in hexadecimal, the last byte first.
fn of_linux(text: &str) -> Vec<Range> {
    let number = |word: &str| u32::from_str_radix(word, 16).ok().map(u32::swap_bytes);
    let route = |line: &str| {
        let words: Vec<&str> = line.split_whitespace().collect();
        let (address, mask) = (number(words.get(1)?)?, number(words.get(7)?)?);
        Range::around(Ipv4Addr::from(address), u8::try_from(mask.leading_ones()).ok()?)
    };
    text.lines().skip(1).filter_map(route).collect()
}

/// That of `netstat -rn`, where zeros at the end of an address may be missing, and with them the number of bits.
fn of_netstat(text: &str) -> Vec<Range> {
    let route = |line: &str| {
        let word = line.split_whitespace().next()?;
        let (address, bits) = match word.split_once('/') {
            Some((address, bits)) => (address, Some(bits.parse().ok()?)),
            None => (word, None),
        };
        let bytes: Vec<u8> = address.split('.').map(|byte| byte.parse().ok()).collect::<Option<_>>()?;
        let count = u8::try_from(bytes.len()).ok().filter(|count| (1..=4).contains(count))?;
        let mut four = [0; 4];
        four[..bytes.len()].copy_from_slice(&bytes);
        Range::around(Ipv4Addr::from(four), bits.unwrap_or(8 * count))
    };
    text.lines().filter_map(route).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn shown(routes: &[Range]) -> Vec<String> {
        routes.iter().map(Range::to_string).collect()
    }

    #[test]
    fn both_tables_are_read() {
        let linux = "Iface\tDestination\tGateway\tFlags\tRefCnt\tUse\tMetric\tMask\tMTU\tWindow\tIRTT\n\
                     eth0\t00000000\t010011AC\t0003\t0\t0\t0\t00000000\t0\t0\t0\n\
                     tun0\t0003E00A\t00000000\t0001\t0\t0\t0\t00FFFFFF\t0\t0\t0\n\
                     tun0\t0900000A\t00000000\t0005\t0\t0\t0\tFFFFFFFF\t0\t0\t0\nbroken\n";
        assert_eq!(shown(&of_linux(linux)), ["0.0.0.0/0", "10.224.3.0/24", "10.0.0.9/32"]);
        let macos = "Routing tables\n\nInternet:\nDestination        Gateway            Flags        Netif Expire\n\
                     default            192.168.1.1        UGScg          en0\n127                127.0.0.1          UCS            lo0\n\
                     10.224/16          link#14            UCS          utun3\n192.168.1.7/32     link#4             UCS            en0\n\
                     192.168.1          link#4             UCS            en0\n10.1.2.3           10.1.2.3           UH           utun3\n";
        assert_eq!(
            shown(&of_netstat(macos)),
            ["127.0.0.0/8", "10.224.0.0/16", "192.168.1.7/32", "192.168.1.0/24", "10.1.2.3/32"]
        );
    }
}
