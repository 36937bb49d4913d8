//! `silo-proxy memory`: one request about the memory (D35) on standard input, one answer on standard output. The client of Postgres is
//! here, so that no byte of it is in `silo`.
//!
//! `connect.rs` finds the server and is admitted, `guard.rs` keeps a password from a server that would read it, `schema.rs` makes the
//! tables, `findings.rs` reads and writes them, `roles.rs` makes and removes agents' roles, `doors.rs` asks whether a server lets roles in
//! without a password, `told.rs` words what goes wrong.

mod connect;
mod doors;
mod findings;
mod guard;
mod roles;
mod schema;
mod server;
mod told;

use std::ffi::OsString;
use std::io::Read as _;
use std::time::Duration;

use silo::cli::Global;
use silo::core::memory::talk::{Answer, Request, What};
use silo::core::shell::environment::Environment;
use silo::failure::{Failure, code};
use silo::parts::context::{Context, Mistakes};
use silo::ui::Ui;

use self::connect::Session;
use self::server::Server;

/// Largest request, in bytes.
const LIMIT: u64 = 64 * 1024 * 1024;
/// How long a whole request may take.
const PATIENCE: Duration = Duration::from_secs(45);

/// Answers the request on standard input.
pub(crate) fn run(ui: Ui, environment: Environment, program: OsString) -> Result<(), Failure> {
    let context = Context::of(Global::default(), environment, program, ui, Mistakes::Leave)?;
    silo::sys::limits::forbid_dumps();
    let mut text = Vec::new();
    let read = std::io::stdin().lock().take(LIMIT + 1).read_to_end(&mut text);
    let is_whole = read.is_ok() && text.len() as u64 <= LIMIT;
    let request = is_whole.then(|| serde_json::from_slice::<Request>(&text).ok()).flatten().ok_or_else(|| {
        Failure::new("`silo-proxy memory` is called by `silo memory`, with a request as JSON on its standard input")
            .hint("Read about it: `silo doc memory`")
            .code(code::USAGE)
    })?;
    let answer = match answer(&context, request) {
        Ok(answer) => answer,
        Err(Failure { what, place, hints, code, .. }) => Answer::Failed { what, place, hints, code },
    };
    let text = serde_json::to_vec(&answer).expect("texts and numbers always serialise");
    ui.answer_bytes(&text)
}

fn answer(context: &Context, request: Request) -> Result<Answer, Failure> {
    let server = Server::of(context, request.to)?;
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build();
    let runtime = runtime.map_err(|error| Failure::new(format!("Cannot ask the memory: {error}")))?;
    let asked = async {
        let mut session = connect::open(&server).await?;
        ask(&mut session, &server, request.what).await
    };
    runtime.block_on(async { tokio::time::timeout(PATIENCE, asked).await }).unwrap_or_else(|_| {
        let (title, seconds) = (&server.title, PATIENCE.as_secs());
        Err(Failure::new(format!("The memory in {title} did not answer within {seconds} s"))
            .hint("See what it is busy with, and try again; nothing on the disk is lost"))
    })
}

async fn ask(session: &mut Session, server: &Server, what: What) -> Result<Answer, Failure> {
    let writes = matches!(what, What::Save { .. } | What::Role { .. });
    let version = schema::ready(session, server, writes).await?;
    match what {
        What::Status => findings::status(session, server, version).await.map(Answer::Status),
        // Nothing was ever saved here.
        What::List(_) | What::Export { .. } | What::Show(_) if version == 0 => Ok(Answer::Found(Vec::new(), false)),
        What::Remove(_) | What::Drop { .. } if version == 0 => Ok(Answer::Done(0)),
        What::List(filter) => findings::list(session, &filter).await,
        What::Show(id) => findings::show(session, id).await,
        What::Export { below, bytes, filter } => findings::export(session, below, bytes, &filter).await,
        What::Save { run, findings } => findings::save(session, &run, &findings).await.map(Answer::Done),
        What::Remove(ids) => findings::remove(session, &ids).await.map(Answer::Done),
        What::Role { key, name, run, password, cut } => {
            let agent = roles::Agent { key: &key, name: &name, run: &run };
            roles::make(session, server, &agent, &password, cut).await.map(Answer::Role)
        }
        What::Drop { key } => roles::remove(session, &key).await.map(Answer::Done),
    }
}
