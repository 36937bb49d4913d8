//! Where ports come from when a default is not available (D2): in which order the ports of a range are tried.

use std::ops::RangeInclusive;

/// The range when the user has not said otherwise.
pub const RANGE: RangeInclusive<u16> = 49152..=65535;

/// The ports from 1024 on that browsers refuse, whoever listens there (<https://fetch.spec.whatwg.org/#bad-port>).
const REFUSED_BY_BROWSERS: [u16; 19] =
    [1719, 1720, 1723, 2049, 3659, 4045, 4190, 5060, 5061, 6000, 6566, 6665, 6666, 6667, 6668, 6669, 6679, 6697, 10080];

/// A range, and where in it an instance begins.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Source {
    /// The ports that may be given out.
    pub range: RangeInclusive<u16>,
    /// What the system gives to outgoing connections, which come and go: tried last.
    pub outgoing: RangeInclusive<u16>,
    /// A number of this user and root alone: two users, or a machine and a container on its network, know nothing of each
    /// other's leases and would both begin with the first port.
    pub place: u64,
}

impl Source {
    /// Every port that may be given out, once: first those outside the range of outgoing connections, then the rest, each
    /// part from the instance's own place on and around.
    pub fn ports(&self) -> Vec<u16> {
        let allowed = self.range.clone().filter(|port| !REFUSED_BY_BROWSERS.contains(port));
        let (mut last, mut first): (Vec<u16>, Vec<u16>) = allowed.partition(|port| self.outgoing.contains(port));
        for part in [&mut first, &mut last] {
            let start = self.place.checked_rem(part.len() as u64).unwrap_or_default();
            part.rotate_left(usize::try_from(start).unwrap_or_default());
        }
        first.append(&mut last);
        first
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn what_outgoing_connections_take_comes_last() {
        let source = |outgoing, place| Source { range: 100..=109, outgoing, place };
        assert_eq!(source(0..=104, 7).ports(), [107, 108, 109, 105, 106, 102, 103, 104, 100, 101]);
        assert_eq!(source(103..=104, 0).ports(), [100, 101, 102, 105, 106, 107, 108, 109, 103, 104]);
        assert_eq!(source(0..=65535, 13).ports()[..3], [103, 104, 105], "as on macOS");
        assert_eq!(source(1..=2, u64::MAX).ports().len(), 10);
    }

    #[test]
    fn the_usual_range_begins_above_the_outgoing_ports_of_linux() {
        for place in [0, 1, 4535, 4536, u64::MAX] {
            let ports = Source { range: RANGE, outgoing: 32768..=60999, place }.ports();
            assert!(ports[..4000].iter().all(|port| *port >= 61000), "{:?}", &ports[..4000]);
            assert_eq!(ports.len(), RANGE.len());
        }
    }

    proptest! {
        #[test]
        fn every_port_comes_once_and_none_that_browsers_refuse(first in 1024u16.., low in any::<u16>(), place in any::<u64>()) {
            let range = first..=first.saturating_add(3000);
            let mut ports = Source { range: range.clone(), outgoing: low..=low.saturating_add(500), place }.ports();
            ports.sort_unstable();
            let expected: Vec<u16> = range.filter(|port| !REFUSED_BY_BROWSERS.contains(port)).collect();
            prop_assert_eq!(ports, expected);
        }
    }
}
