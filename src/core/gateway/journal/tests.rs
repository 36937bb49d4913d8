use proptest::prelude::*;

use super::*;
use crate::core::gateway::amount::{Budget, Money};
use crate::core::gateway::record::How;

const BUDGET: Budget = Budget { money: Some(Money(100_000)), tokens: None };

fn money(units: u64) -> Amount {
    Amount { money: Money(units), tokens: units / 10 }
}

/// A journal that grows as the gateway's does, with what was handed out and what was synced at each length.
struct Run {
    bytes: Vec<u8>,
    chain: Chain,
    ledger: Ledger,
    mark: Option<Mark>,
    /// At each length: what counted against the budget, and the mark on the disk then.
    states: Vec<(usize, Amount, Option<Mark>)>,
}

impl Run {
    fn new() -> Self {
        let mut run = Self {
            bytes: Vec::new(),
            chain: Chain::default(),
            ledger: Ledger::default(),
            mark: None,
            states: Vec::new(),
        };
        run.write(&Record::Start(1));
        run.write(&Record::Open("boot".into(), "now".into()));
        run
    }

    fn write(&mut self, record: &Record) {
        self.bytes.extend(self.chain.line(record).into_bytes());
        self.ledger.apply(record);
        if matches!(record, Record::Block(..)) {
            let length = self.bytes.len() as u64;
            self.mark = Some(Mark { serial: 1, length, check: self.chain.0 });
        }
        self.states.push((self.bytes.len(), self.ledger.account("k1").committed(), self.mark));
    }

    fn hold(&mut self, amount: Amount) -> Option<u64> {
        let room = self.ledger.room("k1", BUDGET, amount).ok()?;
        if let Some(upto) = room {
            self.write(&Record::Block("k1".into(), upto));
        }
        let call = self.ledger.next_call();
        self.write(&Record::Hold { call, key: "k1".into(), model: "m".into(), amount, at: "now".into() });
        Some(call)
    }
}

fn run(steps: &[(u64, u64, bool)]) -> Run {
    let mut run = Run::new();
    for (most, cost, ends) in steps {
        if let (Some(call), true) = (run.hold(money(*most)), ends) {
            run.write(&Record::Book(call, money((*cost).min(*most)), How::Told));
        }
    }
    run
}

#[test]
fn a_journal_comes_back_as_it_was() {
    let run = run(&[(500, 100, true), (900, 0, false), (2000, 1500, true)]);
    let read = read(&run.bytes, run.mark).expect("it is whole");
    assert_eq!((read.ledger, read.chain, read.serial), (run.ledger, run.chain, 1));
    assert_eq!((read.length, read.is_torn, read.open.as_deref()), (run.bytes.len() as u64, false, Some("boot")));
}

#[test]
fn cut_anywhere_it_never_allows_more_or_it_is_closed() {
    let steps: Vec<_> = (1..40).map(|n| (n * 137 % 2500 + 1, n * 91 % 1500, n % 5 != 0)).collect();
    let run = run(&steps);
    for cut in 0..=run.bytes.len() {
        // What had been spent when the machine failed is any state whose synced part is within the cut.
        let mark = run.states.iter().rev().find(|(_, _, mark)| mark.is_none_or(|mark| mark.length <= cut as u64));
        let mark = mark.and_then(|(_, _, mark)| *mark);
        let spent = run.states.iter().filter(|(_, _, at)| *at == mark).map(|(_, committed, _)| committed.money).max();
        let read = read(&run.bytes[..cut], mark).expect("what was synced is there");
        let lost = read.ledger.lost("now");
        let mut ledger = read.ledger.clone();
        for record in &lost {
            ledger.apply(record);
        }
        let counted = ledger.account("k1").committed().money;
        assert!(counted >= spent.unwrap_or_default(), "cut at {cut}: {counted:?} of {spent:?}");
        assert!(counted <= Money(100_000), "cut at {cut}");
        if let Some(mark) = run.mark.filter(|mark| mark.length > cut as u64) {
            assert_eq!(super::read(&run.bytes[..cut], Some(mark)).err(), Some(Damage::Short), "cut at {cut}");
        }
    }
}

#[test]
fn a_change_anywhere_but_in_the_last_line_closes_it() {
    let run = run(&[(500, 100, true), (900, 0, false), (2000, 1500, true)]);
    let last = run.bytes[..run.bytes.len() - 1].iter().rposition(|byte| *byte == b'\n').expect("it has lines") + 1;
    for at in 0..run.bytes.len() {
        let mut bytes = run.bytes.clone();
        bytes[at] ^= 1;
        let read = read(&bytes, None);
        match read {
            Err(damage) => assert!(at < last && matches!(damage, Damage::Line(_)), "changed at {at}"),
            // Without the newline before it the last line is a longer one.
            Ok(read) => assert!(at + 1 >= last && read.is_torn && read.length <= last as u64, "changed at {at}"),
        }
    }
    let lines: Vec<&[u8]> = run.bytes.split_inclusive(|byte| *byte == b'\n').collect();
    for left_out in 0..lines.len() - 1 {
        let bytes: Vec<u8> =
            lines.iter().enumerate().filter(|(n, _)| *n != left_out).flat_map(|(_, line)| line.to_vec()).collect();
        assert!(read(&bytes, None).is_err() || left_out + 2 == lines.len(), "without line {left_out}");
    }
}

#[test]
fn what_was_open_is_unsettled_until_it_is_settled() {
    let mut run = run(&[(900, 0, false), (500, 100, true)]);
    run.ledger.settle(1, money(5));
    assert_eq!(run.ledger.account("k1").held, money(900), "it may yet come to its end");
    run.write(&Record::Open("boot".into(), "later".into()));
    let unsettled: Vec<u64> = run.ledger.holds().filter(|(_, hold)| hold.is_unsettled).map(|(call, _)| call).collect();
    assert_eq!(unsettled, [1]);
    run.ledger.settle(1, money(5));
    run.ledger.settle(1, money(7));
    run.ledger.settle(2, money(7));
    assert_eq!(run.ledger.account("k1").committed(), money(100) + money(5));
    let mut chain = Chain::default();
    let lines = [(1, 5), (2, 9)].map(|(call, units)| chain.line(&Record::Settle(call, money(units), "now".into())));
    let text = lines.concat();
    assert_eq!(settlings(text.as_bytes()).expect("whole").all, [(1, money(5)), (2, money(9))]);
    for cut in 0..text.len() {
        let read = settlings(&text.as_bytes()[..cut]).expect("the last line alone is torn").all.len();
        assert_eq!(read, usize::from(cut >= lines[0].len()));
    }
    assert!(settlings(&text.as_bytes()[1..]).is_err());
}

#[test]
fn a_budget_is_synced_a_hundredth_at_a_time() {
    let steps: Vec<_> = (0..1000).map(|_| (100, 100, true)).collect();
    let run = run(&steps);
    let blocks = String::from_utf8_lossy(&run.bytes).matches("block ").count();
    assert!((90..=110).contains(&blocks), "{blocks}");
    assert_eq!(run.ledger.account("k1").booked.money, Money(100_000));
}

proptest! {
    #[test]
    fn no_steps_overdraw_and_a_summary_says_the_same(
        steps in proptest::collection::vec((0_u64..30_000, 0_u64..30_000, any::<bool>()), 0..60)
    ) {
        let run = run(&steps);
        let account = run.ledger.account("k1");
        prop_assert!(account.committed().money <= Money(100_000));
        prop_assert!(account.committed().money <= account.ceiling.money || account.committed() == Amount::NOTHING);
        let mut again = Ledger::default();
        run.ledger.summary().iter().for_each(|record| again.apply(record));
        prop_assert_eq!(again.account("k1"), account);
        prop_assert_eq!(again.next_call(), run.ledger.next_call());
        prop_assert_eq!(again.holds().count(), run.ledger.holds().count());
    }

    #[test]
    fn no_bytes_panic(bytes in proptest::collection::vec(any::<u8>(), 0..300)) {
        let _ = (read(&bytes, None), settlings(&bytes));
    }
}
