//! One call that costs something, from the moment it is held. It is booked once, by what the answer says or, however it is dropped, at
//! its worst.

use std::sync::Arc;
use std::sync::atomic::Ordering;

use silo::core::gateway::amount::Amount;
use silo::core::gateway::catalog::Model;
use silo::core::gateway::record::How;
use silo::core::gateway::usage::Usage;

use super::shared::Gateway;

/// A call that is held.
pub(super) struct Call {
    gateway: Arc<Gateway>,
    number: u64,
    key: String,
    worst: Amount,
    model: Model,
    is_booked: bool,
}

impl Call {
    /// Takes over a call that was just held.
    pub(super) fn new(gateway: &Arc<Gateway>, number: u64, key: &str, worst: Amount, model: Model) -> Self {
        gateway.open.fetch_add(1, Ordering::Relaxed);
        Self { gateway: Arc::clone(gateway), number, key: key.to_owned(), worst, model, is_booked: false }
    }

    /// Books what the provider says, or the worst where it says nothing.
    pub(super) fn told(mut self, usage: Option<Usage>) {
        if let Some(usage) = usage {
            self.book(self.model.cost(&usage), How::Told);
        }
    }

    /// Nothing was made.
    pub(super) fn free(mut self) {
        self.book(Amount::NOTHING, How::Free);
    }

    fn book(&mut self, amount: Amount, how: How) {
        self.is_booked = true;
        let booked = self.gateway.book().book(self.number, amount, how);
        if let Err(failure) = booked {
            // Its worst stays held, and is unsettled when the gateway starts the next time.
            self.gateway.context.ui.fail(&failure);
        }
        let unused = self.worst - amount;
        self.gateway.pace(&self.key, |pace, _| pace.give_back(unused.tokens));
    }
}

impl Drop for Call {
    fn drop(&mut self) {
        if !self.is_booked {
            self.book(self.worst, How::Worst);
        }
        self.gateway.open.fetch_sub(1, Ordering::Relaxed);
    }
}
