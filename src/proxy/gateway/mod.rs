//! The gateway (D34): takes a placeholder key, counts, puts the real key in, and passes on what comes back. A process of its own, so
//! that what faces browsers holds no key; no prompt, answer or key is ever written down.
//!
//! `listen.rs` takes connections, `answer.rs` decides what a request is about, `admit.rs` whether it may be sent, `upstream.rs` sends
//! it, and `metered.rs` reads what the answer says of its cost while it passes by. A request is booked before it is sent, at its
//! worst; what drops it anywhere leaves it so.

mod admit;
mod answer;
mod call;
mod doors;
mod headers;
mod listen;
mod metered;
mod origin;
mod pool;
pub(crate) mod resolve;
mod says;
mod shared;
mod talk;
pub(crate) mod tls;
mod upstream;
mod walls;

use std::ffi::OsString;

use silo::cli::Global;
use silo::core::shell::environment::Environment;
use silo::failure::Failure;
use silo::parts::context::{Context, Mistakes};
use silo::store::gateway;
use silo::sys::lock;
use silo::ui::Ui;

use self::shared::Gateway;

/// Serves until it is told to stop. `port` stands in for the file's.
pub(crate) fn run(ui: Ui, environment: Environment, program: OsString, port: Option<u16>) -> Result<(), Failure> {
    let context = Context::of(Global::default(), environment, program, ui, Mistakes::Stop)?;
    context.dirs.require_own(&context.environment)?;
    silo::sys::limits::forbid_dumps();
    let busy = |holder: String| {
        Failure::new(format!("A gateway of this user runs already{holder}"))
            .hint("See where: `silo gateway status`; stop it: `silo gateway down`")
    };
    let dirs = context.dirs.clone();
    lock::hold(&gateway::lock_path(&dirs), "the gateway", &lock::AT_ONCE, busy, || {
        // What one left that was killed.
        gateway::forget(&dirs)?;
        let gateway = Gateway::open(context)?;
        let runtime = tokio::runtime::Builder::new_current_thread().enable_all().max_blocking_threads(4).build();
        let runtime = runtime.map_err(|error| Failure::new(format!("Cannot start the gateway: {error}")))?;
        let served = runtime.block_on(listen::serve(&gateway, port));
        // Every call that is open is dropped here, and booked by that.
        drop(runtime);
        let closed = gateway.book().close();
        gateway::forget(&dirs)?;
        served.and(closed)
    })
}
