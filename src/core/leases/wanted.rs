//! What is to run of an instance (D31): the user's decision, never a state. What does run is asked.

use std::fmt;

use serde::{Deserialize, Serialize};

/// One thing that is to run: a part by its column in `silo list`, or of a part with several things one by its name, as in
/// `services:db`.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(transparent)]
pub struct Wish(String);

impl Wish {
    /// A whole part.
    pub fn part(column: &str) -> Self {
        Self(column.to_owned())
    }

    /// One thing of a part.
    pub fn of(column: &str, name: &str) -> Self {
        Self(format!("{column}:{name}"))
    }

    /// The part's column.
    pub fn column(&self) -> &str {
        self.0.split_once(':').map_or(&self.0, |(column, _)| column)
    }

    /// What of it; none where it is the part as a whole.
    pub fn name(&self) -> Option<&str> {
        self.0.split_once(':').map(|(_, name)| name)
    }

    /// As the registry and JSON have it.
    pub fn as_str(&self) -> &str {
        &self.0
    }

    /// As people call it: a service by its name, a part by its column.
    pub fn shown(&self) -> &str {
        self.name().unwrap_or(&self.0)
    }
}

impl fmt::Display for Wish {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

/// What is to run of an instance.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Wanted {
    /// What the user said is to be up, in the order in which it was.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub up: Vec<Wish>,
    /// What gates have brought up by themselves: it counts during one start of the machine.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub gates: Vec<Wish>,
    /// The start of the machine in which gates did.
    #[serde(default, skip_serializing_if = "String::is_empty")]
    pub boot: String,
}

impl Wanted {
    /// Whether nothing is, nor was by a gate.
    pub fn is_nothing(&self) -> bool {
        self == &Self::default()
    }

    /// Whether something is, whoever wants it.
    pub fn has(&self, wish: &Wish) -> bool {
        self.up.contains(wish) || self.gates.contains(wish)
    }

    /// All that is to run, in this start of the machine.
    pub fn now<'a>(&'a self, boot: Option<&str>) -> Vec<&'a Wish> {
        let by_gates = self.gates.iter().filter(|_| boot == Some(&self.boot));
        let mut all: Vec<&Wish> = self.up.iter().collect();
        all.extend(by_gates.filter(|wish| !self.up.contains(wish)));
        all
    }

    /// The user says that these are to be up.
    pub fn add(&mut self, wishes: impl IntoIterator<Item = Wish>) {
        for wish in wishes {
            self.gates.retain(|other| *other != wish);
            if !self.up.contains(&wish) {
                self.up.push(wish);
            }
        }
        self.tidy();
    }

    /// A gate has brought these up, in this start of the machine.
    pub fn add_by_gate(&mut self, wishes: impl IntoIterator<Item = Wish>, boot: &str) {
        if self.boot != boot {
            self.gates.clear();
            boot.clone_into(&mut self.boot);
        }
        for wish in wishes {
            if !self.up.contains(&wish) && !self.gates.contains(&wish) {
                self.gates.push(wish);
            }
        }
        self.tidy();
    }

    /// Those for which it is so are no longer wanted, whoever wanted them.
    pub fn drop_if(&mut self, is_so: impl Fn(&Wish) -> bool) {
        self.up.retain(|wish| !is_so(wish));
        self.gates.retain(|wish| !is_so(wish));
        self.tidy();
    }

    fn tidy(&mut self) {
        if self.gates.is_empty() {
            self.boot.clear();
        }
    }

    /// Takes a line of the registry's text as silo writes it; false for any other, and for a second one of the same key.
    pub(super) fn read_line(&mut self, line: &str) -> bool {
        let Some((key, value)) = line.split_once(" = ") else { return false };
        let list = match key {
            "up" => &mut self.up,
            "gates" => &mut self.gates,
            "boot" if self.boot.is_empty() => match quoted(value).filter(|boot| !boot.is_empty()) {
                Some(boot) => {
                    boot.clone_into(&mut self.boot);
                    return true;
                }
                None => return false,
            },
            _ => return false,
        };
        let items = value.strip_prefix('[').and_then(|rest| rest.strip_suffix(']')).filter(|_| list.is_empty());
        let items = items.and_then(|items| items.split(", ").map(quoted).collect::<Option<Vec<_>>>());
        *list = items.unwrap_or_default().into_iter().map(|wish| Wish(wish.to_owned())).collect();
        !list.is_empty()
    }
}

/// A string without escapes.
fn quoted(text: &str) -> Option<&str> {
    let value = text.strip_prefix('"')?.strip_suffix('"')?;
    let is_plain = |c: char| !c.is_control() && !matches!(c, '"' | '\\');
    value.chars().all(is_plain).then_some(value)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn wishes(words: &[&str]) -> Vec<Wish> {
        words.iter().map(|word| Wish((*word).to_owned())).collect()
    }

    #[test]
    fn a_gates_wish_ends_with_the_machines_start_and_the_users_does_not() {
        let mut wanted = Wanted::default();
        wanted.add(wishes(&["services:db"]));
        wanted.add_by_gate(wishes(&["services:db", "services:web", "cluster"]), "one");
        let now = |wanted: &Wanted, boot| wanted.now(boot).into_iter().map(Wish::to_string).collect::<Vec<_>>();
        assert_eq!(now(&wanted, Some("one")), ["services:db", "services:web", "cluster"]);
        assert_eq!(now(&wanted, Some("two")), ["services:db"]);
        assert_eq!(now(&wanted, None), ["services:db"]);
        wanted.add(wishes(&["services:web"]));
        assert_eq!(now(&wanted, Some("two")), ["services:db", "services:web"]);
        wanted.add_by_gate(wishes(&["tilt"]), "two");
        assert_eq!(now(&wanted, Some("one")), ["services:db", "services:web"], "what was wanted then is forgotten");
        assert_eq!(now(&wanted, Some("two")), ["services:db", "services:web", "tilt"]);
        wanted.drop_if(|wish| wish.column() == "services");
        assert_eq!(now(&wanted, Some("two")), ["tilt"]);
        wanted.drop_if(|wish| wish.column() == "tilt");
        assert!(wanted.is_nothing());
    }

    #[test]
    fn a_wish_is_a_part_or_one_thing_of_it() {
        let [db, tilt] = [Wish::of("services", "db"), Wish::part("tilt")];
        assert_eq!((db.as_str(), db.column(), db.name(), db.shown()), ("services:db", "services", Some("db"), "db"));
        assert_eq!((tilt.as_str(), tilt.column(), tilt.name(), tilt.shown()), ("tilt", "tilt", None, "tilt"));
    }
}
