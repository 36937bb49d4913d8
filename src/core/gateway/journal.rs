//! The gateway's journal: a line for each thing that happens to a budget, written before it happens. Each line ends with a check
//! over itself and the one before, so that none can be changed, lost or put in without being seen. What a crash leaves half
//! written is the last line alone, which is cut.

use super::amount::Amount;
use super::ledger::Ledger;
use super::record::Record;
use crate::core::text::digest;

/// The check of the last line.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Chain(pub u64);

impl Chain {
    fn next(self, text: &str) -> u64 {
        digest::number(&[&self.0.to_le_bytes(), text.as_bytes()])
    }

    /// The line of a record, with its newline.
    pub fn line(&mut self, record: &Record) -> String {
        let text = record.text();
        self.0 = self.next(&text);
        format!("{text} {:016x}\n", self.0)
    }

    /// The record of a line without its newline; none where the check is another.
    fn record(&mut self, line: &[u8]) -> Option<Record> {
        let (text, check) = std::str::from_utf8(line).ok()?.rsplit_once(' ')?;
        let next = self.next(text);
        if check.len() != 16 || u64::from_str_radix(check, 16) != Ok(next) {
            return None;
        }
        let record = Record::parse(text)?;
        self.0 = next;
        Some(record)
    }
}

/// How far a journal was synced last, kept in a file of its own: one that is shorter has lost more than a crash loses.
#[derive(Debug, Clone, Copy, PartialEq, Eq, serde::Serialize, serde::Deserialize)]
pub struct Mark {
    /// Which journal.
    pub serial: u64,
    /// Its length then, in bytes.
    pub length: u64,
    /// The check of its last line then.
    pub check: u64,
}

/// A journal that was read.
#[derive(Debug, Clone)]
pub struct Journal {
    /// What it comes to.
    pub ledger: Ledger,
    /// Where it goes on.
    pub chain: Chain,
    /// Which one it is.
    pub serial: u64,
    /// How many bytes of it are whole lines.
    pub length: u64,
    /// Behind them was half a line.
    pub is_torn: bool,
    /// In which start of the machine the last gateway began, where that has not ended in order.
    pub open: Option<String>,
}

/// A journal that has lost more than its last line.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum Damage {
    /// A line that is none.
    #[error("line {0} was changed, or lines before it are missing")]
    Line(usize),
    /// It ends before what was synced.
    #[error("it ends before what was on the disk already")]
    Short,
}

/// Reads a journal and sums it up.
///
/// # Errors
/// [`Damage`] that no crash explains.
pub fn read(bytes: &[u8], mark: Option<Mark>) -> Result<Journal, Damage> {
    let mut journal = Journal {
        ledger: Ledger::default(),
        chain: Chain::default(),
        serial: 0,
        length: 0,
        is_torn: false,
        open: None,
    };
    let mut lines = bytes.split_inclusive(|byte| *byte == b'\n').enumerate().peekable();
    let mut meets_mark = false;
    while let Some((number, line)) = lines.next() {
        let record = line.strip_suffix(b"\n").and_then(|line| journal.chain.record(line));
        let Some(record) = record.filter(|record| (number == 0) == matches!(record, Record::Start(_))) else {
            // A power failure may leave the last piece with anything in it.
            if lines.peek().is_none() {
                journal.is_torn = true;
                break;
            }
            return Err(Damage::Line(number + 1));
        };
        match &record {
            Record::Start(serial) => journal.serial = *serial,
            Record::Open(boot, _) => journal.open = Some(boot.clone()),
            Record::Close => journal.open = None,
            _ => {}
        }
        journal.ledger.apply(&record);
        journal.length += line.len() as u64;
        meets_mark |= mark.is_some_and(|mark| mark.length == journal.length && mark.check == journal.chain.0);
    }
    match mark {
        Some(mark) if mark.serial > journal.serial => Err(Damage::Short),
        Some(mark) if mark.serial == journal.serial && !meets_mark => Err(Damage::Short),
        _ => Ok(journal),
    }
}

/// What the user has said of calls that came to no end, in a file of its own.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Settlings {
    /// Calls, and what each cost.
    pub all: Vec<(u64, Amount)>,
    /// Where the file goes on.
    pub chain: Chain,
    /// How many bytes of it are whole lines.
    pub length: u64,
}

/// Reads the settlings. A last line that is torn was not said.
///
/// # Errors
/// [`Damage`] of any other line.
pub fn settlings(bytes: &[u8]) -> Result<Settlings, Damage> {
    let mut read = Settlings::default();
    let mut lines = bytes.split_inclusive(|byte| *byte == b'\n').enumerate().peekable();
    while let Some((number, line)) = lines.next() {
        match line.strip_suffix(b"\n").and_then(|line| read.chain.record(line)) {
            Some(Record::Settle(call, amount, _)) => read.all.push((call, amount)),
            _ if lines.peek().is_none() => break,
            _ => return Err(Damage::Line(number + 1)),
        }
        read.length += line.len() as u64;
    }
    Ok(read)
}

#[cfg(test)]
mod tests;
