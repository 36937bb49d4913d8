//! A YAML document as a tree whose every node knows its line. Aliases point at the node they name and are followed a few
//! levels only, so that a document that refers to itself, or blows up, costs no more than another.

use std::cell::Cell;
use std::collections::{HashMap, HashSet};

use saphyr_parser::{Event, Parser, ScanError, Tag};

/// The most nodes that are read.
const NODES: usize = 200_000;
/// How many merges inside merges are followed.
const DEPTH: usize = 8;
/// How many entries are looked at while merging, in one document.
const WORK: usize = 100_000;

/// A node of a tree.
pub(super) type Id = usize;

/// The outermost node of a tree.
pub(super) const ROOT: Id = 0;

/// A text that is not YAML.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Unreadable {
    /// Where reading stopped, from 1.
    pub line: usize,
    /// What the parser says.
    pub why: String,
}

#[derive(Debug)]
enum Content {
    Text(String),
    List(Vec<Id>),
    Map(Vec<(Id, Id)>),
}

/// What a tag of compose's says of a node.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub(super) enum Over {
    /// It is merged with what a file before says.
    #[default]
    Merged,
    /// `!override`: it is alone.
    Replaced,
    /// `!reset`: nothing is left.
    Reset,
}

impl Over {
    fn of(tag: Option<&Tag>) -> Self {
        match tag.map(|tag| tag.suffix.as_str()) {
            Some("override") => Self::Replaced,
            Some("reset") => Self::Reset,
            _ => Self::Merged,
        }
    }
}

#[derive(Debug)]
struct Node {
    content: Content,
    line: usize,
    over: Over,
}

/// One document.
#[derive(Debug)]
pub(super) struct Tree {
    nodes: Vec<Node>,
    is_whole: bool,
    work: Cell<usize>,
}

impl Tree {
    /// Reads the first document; none when there is none.
    pub(super) fn parse(text: &str) -> Result<Option<Self>, Unreadable> {
        let mut nodes: Vec<Node> = Vec::new();
        let mut anchors: HashMap<usize, Id> = HashMap::new();
        // The lists and maps that are open, and the key that waits for its value.
        let mut open: Vec<(Id, Option<Id>)> = Vec::new();
        let mut is_whole = false;
        let mut parser = Parser::new_from_str(text);
        while let Some(event) = parser.next() {
            let (event, span) = event.map_err(|error| unreadable(&error))?;
            let (content, anchor, tag) = match event {
                Event::Scalar(value, _, anchor, tag) => (Content::Text(value.into_owned()), anchor, tag),
                Event::SequenceStart(anchor, tag) => (Content::List(Vec::new()), anchor, tag),
                Event::MappingStart(anchor, tag) => (Content::Map(Vec::new()), anchor, tag),
                Event::Alias(anchor) => {
                    let target = anchors.get(&anchor).copied().unwrap_or(ROOT);
                    attach(&mut nodes, &mut open, target);
                    continue;
                }
                Event::SequenceEnd | Event::MappingEnd => {
                    open.pop();
                    continue;
                }
                Event::DocumentEnd => {
                    is_whole = matches!(parser.next(), Some(Ok((Event::StreamEnd, _))));
                    break;
                }
                _ => continue,
            };
            let line = span.start.line().max(1);
            if nodes.len() == NODES {
                return Err(Unreadable { line, why: format!("it has more than {NODES} entries") });
            }
            let id = nodes.len();
            let opens = !matches!(content, Content::Text(_));
            nodes.push(Node { content, line, over: Over::of(tag.as_deref()) });
            anchors.insert(anchor, id);
            attach(&mut nodes, &mut open, id);
            if opens {
                open.push((id, None));
            }
        }
        Ok((!nodes.is_empty()).then_some(Self { nodes, is_whole, work: Cell::new(0) }))
    }

    /// Whether the text holds nothing but this document.
    pub(super) fn is_whole(&self) -> bool {
        self.is_whole
    }

    /// Whether a key appears twice in a map. Readers differ on which of them counts; here it is the first.
    pub(super) fn repeats(&self, id: Id) -> bool {
        let Content::Map(pairs) = &self.nodes[id].content else { return false };
        let mut before = HashSet::new();
        pairs.iter().filter_map(|(key, _)| self.text(*key)).any(|key| !before.insert(key))
    }

    /// The line a node begins on, from 1.
    pub(super) fn line(&self, id: Id) -> usize {
        self.nodes[id].line
    }

    /// What its tag says of a node.
    pub(super) fn over(&self, id: Id) -> Over {
        self.nodes[id].over
    }

    /// The text of a node that is one.
    pub(super) fn text(&self, id: Id) -> Option<&str> {
        match &self.nodes[id].content {
            Content::Text(text) => Some(text),
            _ => None,
        }
    }

    /// Whether a node is a list.
    pub(super) fn is_list(&self, id: Id) -> bool {
        matches!(self.nodes[id].content, Content::List(_))
    }

    /// The entries of a node that is a list.
    pub(super) fn items(&self, id: Id) -> Vec<Id> {
        match &self.nodes[id].content {
            Content::List(items) => items.clone(),
            _ => Vec::new(),
        }
    }

    /// The value of a key, merged in where it is not the node's own.
    pub(super) fn get(&self, id: Id, key: &str) -> Option<Id> {
        self.get_within(id, key, DEPTH)
    }

    fn get_within(&self, id: Id, key: &str, depth: usize) -> Option<Id> {
        let Content::Map(pairs) = &self.nodes[id].content else { return None };
        self.work.set(self.work.get() + pairs.len() + 1);
        if depth == 0 || self.work.get() > WORK {
            return None;
        }
        let of = |wanted: &str| pairs.iter().find(|(key, _)| self.text(*key) == Some(wanted)).map(|(_, value)| *value);
        of(key).or_else(|| {
            let merged = of("<<")?;
            let sources = match &self.nodes[merged].content {
                Content::List(items) => items.as_slice(),
                _ => &[merged],
            };
            sources.iter().find_map(|source| self.get_within(*source, key, depth - 1))
        })
    }

    /// Names and values below a key.
    pub(super) fn children(&self, id: Id, key: &str) -> Vec<(String, Id)> {
        self.get(id, key).map(|id| self.pairs(id)).unwrap_or_default()
    }

    /// Names and values of a node that is a map.
    pub(super) fn pairs(&self, id: Id) -> Vec<(String, Id)> {
        let Content::Map(pairs) = &self.nodes[id].content else { return Vec::new() };
        pairs.iter().filter_map(|(key, value)| Some((self.text(*key)?.to_owned(), *value))).collect()
    }
}

/// Puts a node into the list or map that is open.
fn attach(nodes: &mut [Node], open: &mut [(Id, Option<Id>)], id: Id) {
    let Some((parent, waiting)) = open.last_mut() else { return };
    match (&mut nodes[*parent].content, waiting.take()) {
        (Content::List(items), _) => items.push(id),
        (Content::Map(pairs), Some(key)) => pairs.push((key, id)),
        (Content::Map(_), None) => *waiting = Some(id),
        (Content::Text(_), _) => {}
    }
}

fn unreadable(error: &ScanError) -> Unreadable {
    Unreadable { line: error.marker().line().max(1), why: error.info().to_owned() }
}
