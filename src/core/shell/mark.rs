//! By what a child of a shell knows that the shell has the hook.

/// The variable that says so: process id, version and path of silo.
pub const MARK: &str = "__SILO_HOOK";

/// The variable that the shell's `silo` function sets for a call where something has taken the place of what calls the hook:
/// what that is.
pub const UNCALLED: &str = "__SILO_UNCALLED";

/// What [`MARK`] tells. A shell inside the shell inherits it, so the process id must be compared.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Mark<'a> {
    /// The shell that loaded the hook.
    pub pid: u32,
    /// Whether anything has called it since; known in shells without a function that could report [`UNCALLED`], elsewhere taken
    /// for granted.
    pub is_called: bool,
    /// The version of the silo whose hook it is.
    pub version: &'a str,
    /// That silo's path.
    pub silo: &'a str,
}

impl<'a> Mark<'a> {
    /// Reads the variable's value; anything else is none.
    pub fn parse(value: &'a str) -> Option<Self> {
        let (value, is_called) = value.strip_prefix('~').map_or((value, true), |value| (value, false));
        let mut words = value.splitn(3, ' ');
        Some(Self { pid: words.next()?.parse().ok()?, is_called, version: words.next()?, silo: words.next()? })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_mark_is_read_and_anything_else_is_none() {
        let mark = Mark { pid: 42, is_called: true, version: "0.1.0", silo: "/opt/my tools/silo" };
        assert_eq!(Mark::parse("~42 0.1.0 /opt/my tools/silo"), Some(Mark { is_called: false, ..mark.clone() }));
        assert_eq!(Mark::parse("42 0.1.0 /opt/my tools/silo"), Some(mark));
        assert_eq!((Mark::parse(""), Mark::parse("x 1 /silo"), Mark::parse("42 1")), (None, None, None));
    }
}
