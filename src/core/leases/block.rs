//! Blocks: neighbouring ports under one variable, as media servers need them. Where ports stand by variable, a block stands with its
//! first; how many follow is kept beside it.

use indexmap::IndexMap;

/// Behind a block's variable: the one with its last port.
pub const END: &str = "_END";
/// The most ports of a block.
pub const MOST: u16 = 1024;

/// How many ports each block has, by variable; a variable that is not in it has one port.
pub type Blocks = IndexMap<String, u16>;

/// The last port of a run.
pub fn last(first: u16, count: u16) -> u16 {
    first.saturating_add(count.saturating_sub(1))
}

/// Every port under a name of its own: those of a block behind the first as `NAME+1`, `NAME+2` and so on.
pub fn spread(ports: &IndexMap<String, u16>, blocks: &Blocks) -> IndexMap<String, u16> {
    let all = ports.iter().flat_map(|(name, first)| {
        let count = blocks.get(name).copied().unwrap_or(1);
        (*first..=last(*first, count)).map(move |port| match port - first {
            0 => (name.clone(), port),
            behind => (format!("{name}+{behind}"), port),
        })
    });
    all.collect()
}

/// The port of a variable, or all of its block.
pub fn ports(name: &str, first: u16, blocks: &Blocks) -> Vec<u16> {
    (first..=last(first, blocks.get(name).copied().unwrap_or(1))).collect()
}

/// The variable of a name that [`spread`] gave.
pub fn variable(name: &str) -> &str {
    name.split('+').next().unwrap_or(name)
}

/// A port, or the first and last of a block, for people.
pub fn shown(name: &str, port: u16, blocks: &Blocks) -> String {
    match blocks.get(name) {
        Some(count) if *count > 1 => format!("{port}-{}", last(port, *count)),
        _ => port.to_string(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_block_is_every_port_of_its_run() {
        let ports: IndexMap<String, u16> = [("A".to_owned(), 5), ("B".to_owned(), 65534)].into();
        let blocks: Blocks = [("B".to_owned(), 2)].into();
        let all = spread(&ports, &blocks);
        assert_eq!(
            all.iter().map(|(name, port)| (name.as_str(), *port)).collect::<Vec<_>>(),
            [("A", 5), ("B", 65534), ("B+1", 65535)]
        );
        assert_eq!((variable("B+1"), variable("A")), ("B", "A"));
        assert_eq!((shown("A", 5, &blocks), shown("B", 65534, &blocks)), ("5".into(), "65534-65535".into()));
    }
}
