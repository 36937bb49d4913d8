//! The journal on the disk. One process adds to it, which holds the gateway's lock; anybody may read it. A budget's next hundredth is
//! on the disk as spent before any of it is handed out, so that not even a power failure gives money back.

use std::path::PathBuf;

use super::lock_path;
use crate::core::gateway::amount::{Amount, Budget};
use crate::core::gateway::journal::{self, Damage, Journal, Mark, Settlings};
use crate::core::gateway::ledger::{Exhausted, Ledger};
use crate::core::gateway::record::{How, Record};
use crate::failure::{Failure, quoted, shown};
use crate::sys::appending::Appending;
use crate::sys::dirs::Dirs;
use crate::sys::writing::{self, Writing};
use crate::sys::{clock, files, lock};

/// Largest journal that is read, in bytes; it is written again in short long before.
const LIMIT: u64 = 4 * 1024 * 1024 * 1024;
/// From which size it is written again in short when a gateway starts, in bytes.
const LONG: u64 = 4 * 1024 * 1024;
/// From which size it is written again in short while a gateway runs, in bytes.
const GROWN: u64 = 16 * 1024 * 1024;

/// The journal of a gateway that runs.
#[derive(Debug)]
pub struct Book {
    dirs: Dirs,
    /// None where it was written again and could not be opened then: nothing is written before that is done.
    file: Option<Appending>,
    /// How long it was when it was last written again, or opened.
    began: u64,
    /// From which length it is written again.
    grown: u64,
    this_start: String,
    chain: journal::Chain,
    serial: u64,
    ledger: Ledger,
    settled: Option<(i128, u64, u64)>,
}

/// Why a call may not be sent.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Refused {
    /// The budget has no room for it.
    Exhausted(Exhausted),
    /// Nothing can be written, so nothing can be spent.
    Failed(Failure),
}

fn place(dirs: &Dirs) -> PathBuf {
    dirs.gateway().join("journal")
}

fn mark_place(dirs: &Dirs) -> PathBuf {
    dirs.gateway().join("journal.mark")
}

fn settled_place(dirs: &Dirs) -> PathBuf {
    dirs.gateway().join("settled")
}

fn damaged(dirs: &Dirs, path: &std::path::Path, damage: &Damage) -> Failure {
    let folder = quoted(&dirs.gateway());
    Failure::new(format!("The gateway is closed, for its journal `{}` is damaged: {damage}", shown(path)))
        .hint("Put the whole folder back from a copy, where there is one")
        .hint(format!("Or begin again, with new keys and budgets: `mv {folder} {folder}.damaged`"))
}

fn read(dirs: &Dirs) -> Result<Option<Journal>, Failure> {
    let path = place(dirs);
    let mark = match files::read(&mark_place(dirs), 1024)? {
        None => None,
        Some(text) => match serde_json::from_slice::<Mark>(&text.bytes) {
            Ok(mark) => Some(mark),
            Err(_) => return Err(damaged(dirs, &mark_place(dirs), &Damage::Line(1))),
        },
    };
    let Some(content) = files::read(&path, LIMIT)? else {
        return if mark.is_some() { Err(damaged(dirs, &path, &Damage::Short)) } else { Ok(None) };
    };
    journal::read(&content.bytes, mark).map(Some).map_err(|damage| damaged(dirs, &path, &damage))
}

/// What the user says that unsettled calls have cost.
fn settlings(dirs: &Dirs) -> Result<Settlings, Failure> {
    let path = settled_place(dirs);
    let Some(content) = files::read(&path, LIMIT)? else { return Ok(Settlings::default()) };
    journal::settlings(&content.bytes).map_err(|damage| damaged(dirs, &path, &damage))
}

/// What all keys have spent, as it is now.
///
/// # Errors
/// A [`Failure`] when the journal cannot be read.
pub fn peek(dirs: &Dirs) -> Result<Ledger, Failure> {
    let mut ledger = read(dirs)?.map(|journal| journal.ledger).unwrap_or_default();
    if lock::holder(&lock_path(dirs)).is_none() {
        // What is open while no gateway runs never comes to an end.
        ledger.abandon();
    }
    for (call, amount) in settlings(dirs)?.all {
        ledger.settle(call, amount);
    }
    Ok(ledger)
}

/// Says what a call has cost that came to no end. The gateway takes it up with the next call.
///
/// # Errors
/// A [`Failure`] when it cannot be written.
pub fn settle(dirs: &Dirs, call: u64, amount: Amount) -> Result<(), Failure> {
    let Settlings { mut chain, length, .. } = settlings(dirs)?;
    let mut file = Appending::open(&settled_place(dirs), length)?;
    file.append(chain.line(&Record::Settle(call, amount, clock::now())).as_bytes())?;
    file.sync()
}

impl Book {
    /// Opens the journal for a gateway that starts, in this start of the machine. What the one before has left open is unsettled; after
    /// a power failure all that was synced counts.
    ///
    /// # Errors
    /// A [`Failure`] when it is damaged, or cannot be read or written.
    pub fn open(dirs: &Dirs, this_start: &str) -> Result<Self, Failure> {
        files::make_folder(&dirs.gateway())?;
        let now = clock::now();
        let found = read(dirs)?;
        let is_new = found.is_none();
        let mut journal = match found {
            Some(journal) => journal,
            None => journal::read(b"", None).expect("nothing is not damaged"),
        };
        // Before what may be lost is reckoned: what was settled has made room that may have been spent.
        journal.ledger.abandon();
        for (call, amount) in settlings(dirs)?.all {
            journal.ledger.settle(call, amount);
        }
        let is_cut = journal.is_torn || journal.open.as_deref().is_some_and(|before| before != this_start);
        let lost = if is_cut { journal.ledger.lost(&now) } else { Vec::new() };
        for record in &lost {
            journal.ledger.apply(record);
        }
        let mut first = lost;
        // Written again it begins with the sums; a new one with nothing.
        let is_rewritten = is_new || journal.length > LONG || journal.serial == 0;
        if is_rewritten {
            journal.serial += 1;
            first = std::iter::once(Record::Start(journal.serial)).chain(journal.ledger.summary()).collect();
            journal.chain = journal::Chain::default();
            journal.length = 0;
        }
        let opened = Record::Open(this_start.to_owned(), now.clone());
        journal.ledger.apply(&opened);
        first.push(opened);
        let text: String = first.iter().map(|record| journal.chain.line(record)).collect();
        if is_rewritten {
            writing::replace(&place(dirs), text.as_bytes(), Writing::PRIVATE)?;
            journal.length = text.len() as u64;
        }
        let mut file = Appending::open(&place(dirs), journal.length)?;
        if !is_rewritten {
            file.append(text.as_bytes())?;
            file.sync()?;
        }
        let mut book = Self {
            dirs: dirs.clone(),
            began: file.length(),
            file: Some(file),
            grown: GROWN,
            this_start: this_start.to_owned(),
            chain: journal.chain,
            serial: journal.serial,
            ledger: journal.ledger,
            settled: None,
        };
        book.mark()?;
        book.take_up_settlings()?;
        Ok(book)
    }

    /// The sums as they are.
    pub fn ledger(&self) -> &Ledger {
        &self.ledger
    }

    /// Holds the worst of a call, before it is sent; gives back its number.
    ///
    /// # Errors
    /// [`Refused`]; then nothing is held.
    pub fn hold(&mut self, key: &str, budget: Budget, amount: Amount, model: &str) -> Result<u64, Refused> {
        self.take_up_settlings().map_err(Refused::Failed)?;
        self.shorten().map_err(Refused::Failed)?;
        if let Some(upto) = self.ledger.room(key, budget, amount).map_err(Refused::Exhausted)? {
            self.write(&Record::Block(key.to_owned(), upto)).and_then(|()| self.mark()).map_err(Refused::Failed)?;
        }
        let call = self.ledger.next_call();
        let (key, model, at) = (key.to_owned(), model.to_owned(), clock::now());
        self.write(&Record::Hold { call, key, model, amount, at }).map_err(Refused::Failed)?;
        Ok(call)
    }

    /// Books what a call has cost.
    ///
    /// # Errors
    /// A [`Failure`] when it cannot be written: then its worst stays held.
    pub fn book(&mut self, call: u64, amount: Amount, how: How) -> Result<(), Failure> {
        self.write(&Record::Book(call, amount, how))
    }

    /// Ends in order; calls that are open stay so.
    ///
    /// # Errors
    /// A [`Failure`] when it cannot be written.
    pub fn close(&mut self) -> Result<(), Failure> {
        self.write(&Record::Close)?;
        self.mark()
    }

    fn write(&mut self, record: &Record) -> Result<(), Failure> {
        let mut chain = self.chain;
        self.file()?.append(chain.line(record).as_bytes())?;
        self.chain = chain;
        self.ledger.apply(record);
        Ok(())
    }

    /// Waits until all is on the disk, and says so beside it.
    fn mark(&mut self) -> Result<(), Failure> {
        let file = self.file()?;
        file.sync()?;
        let length = file.length();
        let mark = Mark { serial: self.serial, length, check: self.chain.0 };
        let text = serde_json::to_string(&mark).expect("numbers always serialise");
        writing::replace(&mark_place(&self.dirs), text.as_bytes(), Writing::PRIVATE)
    }

    fn file(&mut self) -> Result<&mut Appending, Failure> {
        let file = match self.file.take() {
            Some(file) => file,
            None => Appending::open(&place(&self.dirs), self.began)?,
        };
        Ok(self.file.insert(file))
    }

    /// Writes a journal that has grown long again in short: sums, and the calls that are open. Until the new one is there the old one
    /// holds; one that is newer than its mark is whole.
    fn shorten(&mut self) -> Result<(), Failure> {
        if self.file()?.length() < self.grown.max(self.began.saturating_mul(2)) {
            return Ok(());
        }
        let is_open = |record: &Record| match record {
            Record::Hold { call, .. } => {
                self.ledger.holds().any(|(number, hold)| number == *call && !hold.is_unsettled)
            }
            _ => false,
        };
        // Opening makes those unsettled that stand before it.
        let (open, settled): (Vec<Record>, Vec<Record>) = self.ledger.summary().into_iter().partition(is_open);
        let opened = Record::Open(self.this_start.clone(), clock::now());
        let start = std::iter::once(Record::Start(self.serial + 1));
        let mut chain = journal::Chain::default();
        let records = start.chain(settled).chain([opened]).chain(open);
        let text: String = records.map(|record| chain.line(&record)).collect();
        writing::replace(&place(&self.dirs), text.as_bytes(), Writing::PRIVATE)?;
        (self.file, self.chain, self.began) = (None, chain, text.len() as u64);
        self.serial += 1;
        self.mark()
    }

    fn take_up_settlings(&mut self) -> Result<(), Failure> {
        let look = files::look(&settled_place(&self.dirs));
        if look != self.settled {
            for (call, amount) in settlings(&self.dirs)?.all {
                self.ledger.settle(call, amount);
            }
            self.settled = look;
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::core::gateway::amount::Money;
    use crate::core::shell::environment::Environment;

    const BUDGET: Budget = Budget { money: Some(Money(10_000)), tokens: None };

    fn money(units: u64) -> Amount {
        Amount { money: Money(units), tokens: 1 }
    }

    fn dirs(folder: &tempfile::TempDir) -> Dirs {
        let home = folder.path().to_str().expect("it is text");
        Dirs::find(&Environment::from_iter([("HOME", home), ("XDG_STATE_HOME", home)])).expect("HOME is set")
    }

    fn spent(dirs: &Dirs) -> u64 {
        peek(dirs).expect("readable").account("k1").committed().money.0
    }

    #[test]
    fn a_kill_keeps_every_call_and_a_power_failure_counts_what_was_synced() {
        let folder = tempfile::tempdir().expect("a folder");
        let dirs = dirs(&folder);
        let mut book = Book::open(&dirs, "boot-1").expect("it is new");
        let call = book.hold("k1", BUDGET, money(50), "m").expect("there is room");
        book.book(call, money(20), How::Told).expect("it is writable");
        let open = book.hold("k1", BUDGET, money(30), "m").expect("there is room");
        drop(book);
        let mut book = Book::open(&dirs, "boot-1").expect("a kill leaves it whole");
        assert_eq!(spent(&dirs), 50, "one is booked, one is open");
        settle(&dirs, open, money(1)).expect("it is writable");
        for _ in 0..3 {
            let call = book.hold("k1", BUDGET, money(10), "m").expect("there is room");
            book.book(call, money(10), How::Told).expect("it is writable");
        }
        assert_eq!((book.ledger().account("k1").committed().money.0, spent(&dirs)), (51, 51));
        drop(book);
        let book = Book::open(&dirs, "boot-2").expect("a power failure leaves it whole");
        assert_eq!(book.ledger().account("k1").committed().money.0, 100, "as far as it was synced");
        assert_eq!(book.ledger().holds().filter(|(_, hold)| hold.model == "-").count(), 1);
    }

    #[test]
    fn a_journal_that_grows_is_written_again_in_short_and_says_the_same() {
        let folder = tempfile::tempdir().expect("a folder");
        let dirs = dirs(&folder);
        let mut book = Book::open(&dirs, "boot").expect("it is new");
        let before = book.hold("k1", BUDGET, money(7), "m").expect("there is room");
        drop(book);
        let mut book = Book::open(&dirs, "boot").expect("a kill leaves it whole");
        book.grown = 2000;
        let open = book.hold("k1", BUDGET, money(3), "m").expect("there is room");
        let length =
            |dirs: &Dirs| files::read(&place(dirs), LIMIT).expect("readable").expect("it is there").bytes.len();
        let (mut rewritten, mut longest, mut last) = (0, 0, 0);
        for number in 1..=200 {
            let mark = files::read(&mark_place(&dirs), 1024).expect("readable").expect("it is there").bytes;
            let call = book.hold("k1", BUDGET, money(9), "m").expect("there is room");
            let now = length(&dirs);
            if now < last {
                rewritten += 1;
                // Cut off right after it was written, before that was said beside it.
                let kept = files::read(&mark_place(&dirs), 1024).expect("readable").expect("it is there").bytes;
                writing::replace(&mark_place(&dirs), &mark, Writing::PRIVATE).expect("it is writable");
                assert_eq!(spent(&dirs), 10 + number * 5 - 5 + 9);
                writing::replace(&mark_place(&dirs), &kept, Writing::PRIVATE).expect("it is writable");
            }
            (last, longest) = (now, longest.max(now));
            book.book(call, money(5), How::Told).expect("it is writable");
            assert_eq!(spent(&dirs), 10 + number * 5, "one before, one open, and those that were booked");
        }
        assert!(rewritten >= 5 && longest < 2500, "{rewritten} times, {longest} bytes");
        book.book(open, money(1), How::Told).expect("what was open all the time is booked");
        assert_eq!(spent(&dirs), 8 + 1000);
        settle(&dirs, before, money(2)).expect("it is writable");
        let unsettled = peek(&dirs).expect("readable").holds().filter(|(_, hold)| hold.is_unsettled).count();
        assert_eq!((unsettled, spent(&dirs)), (0, 3 + 1000));
        book.close().expect("it is writable");
        drop(book);
        let book = Book::open(&dirs, "boot-2").expect("it ended in order");
        assert_eq!((book.ledger().account("k1").committed().money.0, book.ledger().next_call()), (1003, 203));
    }

    #[test]
    fn a_full_budget_is_refused_and_a_short_journal_closes_it() {
        let folder = tempfile::tempdir().expect("a folder");
        let dirs = dirs(&folder);
        let mut book = Book::open(&dirs, "boot").expect("it is new");
        let held = (0..20).filter(|_| book.hold("k1", BUDGET, money(999), "m").is_ok()).count();
        assert_eq!(held, 10);
        book.close().expect("it is writable");
        drop(book);
        let whole = files::read(&place(&dirs), LIMIT).expect("readable").expect("it is there").bytes;
        let writing = Writing { durable: false, ..Writing::PRIVATE };
        for cut in [0, 1, whole.len() / 2, whole.len() - 1] {
            writing::replace(&place(&dirs), &whole[..cut], writing).expect("it is writable");
            let failure = Book::open(&dirs, "boot").expect_err("it was synced longer");
            assert!(failure.what.starts_with("The gateway is closed"), "{failure}");
        }
        files::remove(&place(&dirs)).expect("it is writable");
        assert!(Book::open(&dirs, "boot").is_err(), "nor does one that is gone begin again by itself");
        writing::replace(&place(&dirs), &whole, writing).expect("it is writable");
        assert!(Book::open(&dirs, "boot").is_ok());
    }
}
