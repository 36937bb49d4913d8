//! Typed reading of one TOML table, which remembers what was asked for so that the rest can be refused.

use std::ops::Range;

use indexmap::IndexMap;
use toml::Spanned;
use toml::de::{DeTable, DeValue};

use super::problem::{ConfigError, Problem};
use super::text::Text;
use crate::core::shell::varname;

/// One table of the file, and the dotted path that leads to it (empty for the top).
#[derive(Debug, Clone)]
pub(super) struct Table<'a> {
    entries: &'a DeTable<'a>,
    path: String,
}

/// One value, with its dotted path.
#[derive(Debug, Clone)]
pub(super) struct Value<'a> {
    value: &'a Spanned<DeValue<'a>>,
    pub(super) path: String,
}

/// A key with the value it stands for.
#[derive(Debug)]
pub(super) struct Entry<'a> {
    pub(super) key: &'a str,
    pub(super) key_span: Range<usize>,
    pub(super) value: Value<'a>,
}

impl<'a> Table<'a> {
    pub(super) fn top(entries: &'a DeTable<'a>) -> Self {
        Self { entries, path: String::new() }
    }

    /// The dotted path that leads to it.
    pub(super) fn path(&self) -> &str {
        &self.path
    }

    /// Every entry, in declared order.
    pub(super) fn entries(&self) -> impl Iterator<Item = Entry<'a>> + use<'a, '_> {
        self.entries.iter().map(|(key, value)| Entry {
            key: key.get_ref().as_ref(),
            key_span: key.span(),
            value: Value { value, path: self.join(key.get_ref()) },
        })
    }

    /// The value of a key.
    pub(super) fn find(&self, key: &str) -> Option<Value<'a>> {
        self.entries().find(|entry| entry.key == key).map(|entry| entry.value)
    }

    /// Refuses every key that is not in `allowed`.
    pub(super) fn only(&self, allowed: &[&'static str]) -> Result<(), ConfigError> {
        match self.entries().find(|entry| !allowed.contains(&entry.key)) {
            None => Ok(()),
            Some(entry) => Err(ConfigError {
                problem: Problem::UnknownKey {
                    key: entry.key.to_owned(),
                    table: self.path.clone(),
                    allowed: allowed.to_vec(),
                },
                span: entry.key_span,
            }),
        }
    }

    /// A sub-table, or none when the key is absent.
    pub(super) fn table(&self, key: &str) -> Result<Option<Table<'a>>, ConfigError> {
        self.find(key).map(|value| value.table()).transpose()
    }

    /// A boolean, or none when the key is absent.
    pub(super) fn boolean(&self, key: &str) -> Result<Option<bool>, ConfigError> {
        self.find(key).map(|v| v.get().as_bool().ok_or_else(|| v.wrong("`true` or `false`"))).transpose()
    }

    /// A text, or none when the key is absent.
    pub(super) fn text(&self, key: &str) -> Result<Option<Text>, ConfigError> {
        self.find(key).map(|value| value.text()).transpose()
    }

    /// A text that is not empty, or none when the key is absent.
    pub(super) fn filled_text(&self, key: &str) -> Result<Option<Text>, ConfigError> {
        self.find(key).map(|value| value.filled_text()).transpose()
    }

    /// A list of texts, or none when the key is absent.
    pub(super) fn texts(&self, key: &str) -> Result<Option<Vec<Text>>, ConfigError> {
        let Some(value) = self.find(key) else { return Ok(None) };
        let items = value.get().as_array().ok_or_else(|| value.wrong("a list of strings"))?;
        let texts = items.iter().map(|item| Value { value: item, path: value.path.clone() }.filled_text());
        texts.collect::<Result<Vec<_>, _>>().map(Some)
    }

    fn join(&self, key: &str) -> String {
        if self.path.is_empty() { key.to_owned() } else { format!("{}.{key}", self.path) }
    }
}

impl<'a> Value<'a> {
    pub(super) fn get(&self) -> &'a DeValue<'a> {
        self.value.get_ref()
    }

    pub(super) fn span(&self) -> Range<usize> {
        self.value.span()
    }

    pub(super) fn fail(&self, problem: Problem) -> ConfigError {
        ConfigError { problem, span: self.span() }
    }

    pub(super) fn wrong(&self, expected: &'static str) -> ConfigError {
        let found = match self.get() {
            DeValue::String(_) => "a string",
            DeValue::Integer(_) => "a number",
            DeValue::Float(_) => "a decimal number",
            DeValue::Boolean(_) => "`true` or `false`",
            DeValue::Datetime(_) => "a date",
            DeValue::Array(_) => "a list",
            DeValue::Table(_) => "a table",
        };
        self.fail(Problem::WrongType { key: self.path.clone(), expected, found })
    }

    pub(super) fn table(&self) -> Result<Table<'a>, ConfigError> {
        match self.get() {
            DeValue::Table(entries) => Ok(Table { entries, path: self.path.clone() }),
            _ => Err(self.wrong("a table")),
        }
    }

    /// A text without characters that no env file, hook or command line can carry.
    pub(super) fn text(&self) -> Result<Text, ConfigError> {
        let value = self.get().as_str().ok_or_else(|| self.wrong("a string"))?;
        let refused = [('\n', "a newline"), ('\r', "a carriage return"), ('\0', "a NUL")];
        match refused.into_iter().find(|(c, _)| value.contains(*c)) {
            Some((_, character)) => Err(self.fail(Problem::Unwritable { key: self.path.clone(), character })),
            None => Ok(Text { value: value.to_owned(), span: self.span() }),
        }
    }

    /// A text that is not empty.
    pub(super) fn filled_text(&self) -> Result<Text, ConfigError> {
        let text = self.text()?;
        match text.value.trim() {
            "" => Err(self.fail(Problem::Empty { key: self.path.clone() })),
            _ => Ok(text),
        }
    }
}

/// A table of variables: each name checked, each value read by `read`.
pub(super) fn named<T>(
    table: &Table<'_>,
    read: impl Fn(&Entry<'_>) -> Result<T, ConfigError>,
) -> Result<IndexMap<String, T>, ConfigError> {
    let mut values = IndexMap::new();
    for entry in table.entries() {
        varname::check(entry.key).map_err(|refusal| ConfigError {
            problem: Problem::Name { name: entry.key.to_owned(), refusal },
            span: entry.key_span.clone(),
        })?;
        values.insert(entry.key.to_owned(), read(&entry)?);
    }
    Ok(values)
}

/// A name that is a host's whether `[hosts]` declares it or not is no port's.
pub(super) fn not_a_host(entry: &Entry<'_>, table: &'static str) -> Result<(), ConfigError> {
    if entry.key != "TILT_HOST" {
        return Ok(());
    }
    let problem = Problem::TwiceNamed { name: entry.key.to_owned(), first: table, second: "hosts" };
    Err(ConfigError { problem, span: entry.key_span.clone() })
}
