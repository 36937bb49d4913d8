//! What all connections share: the routes as they are now, the settings, and the port.

use std::collections::HashMap;
use std::sync::atomic::{AtomicU16, Ordering};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::{Duration, Instant};

use silo::core::config::user::ProxySettings;
use silo::core::routes::table::Row;
use silo::parts::context::Context;
use silo::store::proxy::Running;
use silo::store::{routes, settings};
use tokio::sync::Semaphore;

use super::seen::Seen;

/// After how long it is looked again whether routes have changed.
const LOOK: Duration = Duration::from_millis(250);

/// How many connections to servers are kept at once while their clients ask nothing.
const KEPT: usize = 128;

/// What all connections share.
pub(crate) struct Shared {
    /// Folders, environment, printing.
    pub(crate) context: Context,
    /// The page of all instances, as it was made last.
    pub(crate) seen: Seen,
    /// Places for connections to servers that wait for the next request of their client.
    pub(crate) kept: Arc<Semaphore>,
    port: AtomicU16,
    known: Mutex<Known>,
}

/// The routes at one moment.
pub(crate) struct Table {
    /// All of them.
    pub(crate) rows: Vec<Row>,
    by_host: HashMap<String, usize>,
}

impl Table {
    fn of(rows: Vec<Row>) -> Self {
        let own = rows.iter().enumerate().filter(|(_, row)| row.clash.is_none());
        let by_host = own.map(|(at, row)| (row.host.clone(), at)).collect();
        Self { rows, by_host }
    }

    /// The route of a host.
    pub(crate) fn find(&self, host: &str) -> Option<&Row> {
        self.by_host.get(host).map(|at| &self.rows[*at])
    }
}

struct Known {
    table: Arc<Table>,
    look: Vec<Option<(i128, u64, u64)>>,
    looked: Option<Instant>,
    settings: ProxySettings,
}

impl Shared {
    pub(crate) fn new(context: Context) -> Self {
        let known = Known {
            table: Arc::new(Table::of(Vec::new())),
            look: Vec::new(),
            looked: None,
            settings: context.settings.proxy,
        };
        let kept = Arc::new(Semaphore::new(KEPT));
        Self { context, kept, seen: Seen::default(), port: AtomicU16::new(0), known: Mutex::new(known) }
    }

    /// The port that is listened on.
    pub(crate) fn port(&self) -> u16 {
        self.port.load(Ordering::Relaxed)
    }

    pub(crate) fn set_port(&self, port: u16) {
        self.port.store(port, Ordering::Relaxed);
    }

    /// The settings, as they were read last.
    pub(crate) fn settings(&self) -> ProxySettings {
        self.known.lock().unwrap_or_else(PoisonError::into_inner).settings
    }

    /// Reads settings and routes again. Settings that cannot be read leave the old ones.
    pub(crate) fn reload(&self) {
        let mut known = self.known.lock().unwrap_or_else(PoisonError::into_inner);
        match settings::load(&self.context.dirs) {
            Ok(settings) => known.settings = settings.proxy,
            Err(failure) => self.context.ui.fail(&failure),
        }
        known.looked = None;
    }

    /// The routes as they are now, or were a moment ago: they are looked at when they are asked for, and nothing is done while
    /// nobody asks. A registry that cannot be read leaves the old ones.
    pub(crate) fn table(&self) -> Arc<Table> {
        let mut known = self.known.lock().unwrap_or_else(PoisonError::into_inner);
        if known.looked.is_none_or(|looked| looked.elapsed() >= LOOK) {
            let look = routes::look(&self.context.dirs);
            if known.looked.is_none() || look != known.look {
                match routes::all(&self.context.dirs) {
                    Ok(rows) => known.table = Arc::new(Table::of(rows)),
                    // Once, until the files are others.
                    Err(failure) => self.context.ui.fail(&failure),
                }
                known.look = look;
            }
            known.looked = Some(Instant::now());
        }
        Arc::clone(&known.table)
    }

    /// Where this proxy is.
    pub(crate) fn running(&self) -> Running {
        Running { pid: std::process::id(), port: self.port() }
    }
}
