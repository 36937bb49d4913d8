//! Who has spent what, and what is on its way. It changes by records alone, so that the journal's reader and the gateway come to the
//! same sums.

use std::collections::BTreeMap;

use indexmap::IndexMap;

use super::amount::{Amount, Budget, Money};
use super::record::{How, Record};

/// The sums of all keys.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Ledger {
    accounts: IndexMap<String, Account>,
    holds: BTreeMap<u64, Hold>,
    last: u64,
}

/// A key's.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Account {
    /// What calls have cost.
    pub booked: Amount,
    /// What calls that have not come to their end may cost, in all.
    pub held: Amount,
    /// How far it may spend without more syncing.
    pub ceiling: Amount,
    /// What each model has cost.
    pub models: IndexMap<String, Spent>,
}

impl Account {
    /// What counts against the budget.
    pub fn committed(&self) -> Amount {
        self.booked + self.held
    }

    /// How many calls have come to their end.
    pub fn calls(&self) -> u64 {
        self.models.values().map(|spent| spent.calls).sum()
    }
}

/// What calls to one model have cost.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Spent {
    /// How many.
    pub calls: u64,
    /// How much.
    pub amount: Amount,
}

/// A call that has not come to its end.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Hold {
    /// Whose.
    pub key: String,
    /// For which model; `-` for what a power failure may have lost.
    pub model: String,
    /// Its worst.
    pub amount: Amount,
    /// When it was sent.
    pub at: String,
    /// It never will come to one: the gateway that has sent it is gone.
    pub is_unsettled: bool,
}

/// A budget that does not reach.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Exhausted {
    /// What counts against it already.
    pub committed: Amount,
}

impl Ledger {
    /// A key's sums.
    pub fn account(&self, key: &str) -> Account {
        self.accounts.get(key).cloned().unwrap_or_default()
    }

    /// Every key that has spent anything, in the order of their first calls.
    pub fn accounts(&self) -> impl Iterator<Item = (&str, &Account)> {
        self.accounts.iter().map(|(key, account)| (key.as_str(), account))
    }

    /// The calls that have not come to their end, in order.
    pub fn holds(&self) -> impl Iterator<Item = (u64, &Hold)> {
        self.holds.iter().map(|(call, hold)| (*call, hold))
    }

    /// The number of the next call.
    pub fn next_call(&self) -> u64 {
        self.last + 1
    }

    /// Whether a budget has room for a call, and how far it must be synced as spent first; none where it is.
    ///
    /// # Errors
    /// [`Exhausted`] where it has none.
    pub fn room(&self, key: &str, budget: Budget, amount: Amount) -> Result<Option<Amount>, Exhausted> {
        let none = Account::default();
        let account = self.accounts.get(key).unwrap_or(&none);
        let committed = account.committed();
        let after = committed + amount;
        if !budget.covers(after) {
            return Err(Exhausted { committed });
        }
        let is_synced = (budget.money.is_none() || after.money <= account.ceiling.money)
            && (budget.tokens.is_none() || after.tokens <= account.ceiling.tokens);
        if is_synced {
            return Ok(None);
        }
        let upto = account.ceiling.max(committed + budget.hundredth().max(amount));
        Ok(Some(Amount {
            money: budget.money.map_or(account.ceiling.money, |most| upto.money.min(most)),
            tokens: budget.tokens.map_or(account.ceiling.tokens, |most| upto.tokens.min(most)),
        }))
    }

    /// Makes a record count.
    pub fn apply(&mut self, record: &Record) {
        match record {
            Record::Start(_) | Record::Close => {}
            Record::Open(..) => self.abandon(),
            Record::Block(key, upto) => {
                let account = self.accounts.entry(key.clone()).or_default();
                account.ceiling = account.ceiling.max(*upto);
            }
            Record::Hold { call, key, model, amount, at } => {
                self.last = self.last.max(*call);
                self.accounts.entry(key.clone()).or_default().held += *amount;
                let hold = Hold {
                    key: key.clone(),
                    model: model.clone(),
                    amount: *amount,
                    at: at.clone(),
                    is_unsettled: false,
                };
                self.holds.insert(*call, hold);
            }
            Record::Book(call, amount, _) => self.book(*call, *amount),
            Record::Sum(key, model, calls, amount) => self.spend(key, model, Spent { calls: *calls, amount: *amount }),
            Record::Settle(call, amount, _) => self.settle(*call, *amount),
        }
    }

    /// Books a call that came to no end as the user says; any other is left alone.
    pub fn settle(&mut self, call: u64, amount: Amount) {
        if self.holds.get(&call).is_some_and(|hold| hold.is_unsettled) {
            self.book(call, amount);
        }
    }

    /// Calls that are open now will come to no end.
    pub fn abandon(&mut self) {
        self.holds.values_mut().for_each(|hold| hold.is_unsettled = true);
    }

    fn book(&mut self, call: u64, amount: Amount) {
        let Some(hold) = self.holds.remove(&call) else { return };
        if let Some(account) = self.accounts.get_mut(&hold.key) {
            account.held = account.held - hold.amount;
        }
        self.spend(&hold.key, &hold.model, Spent { calls: 1, amount });
    }

    fn spend(&mut self, key: &str, model: &str, spent: Spent) {
        let account = self.accounts.entry(key.to_owned()).or_default();
        account.booked += spent.amount;
        let of_model = account.models.entry(model.to_owned()).or_default();
        of_model.calls += spent.calls;
        of_model.amount += spent.amount;
    }

    /// What a power failure may have lost: all that was synced as spent, as calls that came to no end.
    pub fn lost(&self, at: &str) -> Vec<Record> {
        let lost = self.accounts.iter().map(|(key, account)| (key, account.ceiling - account.committed()));
        let lost = lost.filter(|(_, amount)| *amount != Amount::NOTHING).enumerate();
        lost.map(|(number, (key, amount))| Record::Hold {
            call: self.last + 1 + number as u64,
            key: key.clone(),
            model: "-".to_owned(),
            amount,
            at: at.to_owned(),
        })
        .collect()
    }

    /// The same ledger in as few records as can be.
    pub fn summary(&self) -> Vec<Record> {
        let mut records = Vec::new();
        for (key, account) in &self.accounts {
            for (model, Spent { calls, amount }) in &account.models {
                records.push(Record::Sum(key.clone(), model.clone(), *calls, *amount));
            }
            if account.ceiling != Amount::NOTHING {
                records.push(Record::Block(key.clone(), account.ceiling));
            }
        }
        records.extend(self.holds.iter().map(|(call, hold)| Record::Hold {
            call: *call,
            key: hold.key.clone(),
            model: hold.model.clone(),
            amount: hold.amount,
            at: hold.at.clone(),
        }));
        // The number of the last call, where that has come to its end.
        if !self.holds.contains_key(&self.last) && self.last > 0 {
            let nothing = Amount { money: Money(0), tokens: 0 };
            let (key, model, at) = ("-".to_owned(), "-".to_owned(), "-".to_owned());
            records.push(Record::Hold { call: self.last, key, model, amount: nothing, at });
            records.push(Record::Book(self.last, nothing, How::Free));
        }
        records
    }
}
