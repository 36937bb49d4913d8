//! `silo-proxy init`: the first process of an agent's container (D33). It makes sure of the wall, starts the agent, and ends everything
//! when the agent ends, its time or its place on the disk is over, or silo is gone.
//!
//! Once the agent runs it starts no process and no thread, for the agent may have used up what the container may have of them. An agent
//! runs as the same user: it must not be able to look into this process.

use std::ffi::OsString;
use std::path::{Path, PathBuf};

use silo::core::shell::environment::Environment;
use silo::failure::{Failure, code};
use silo::sys::cmd::{self, Cmd};
use silo::sys::first::First;
use silo::sys::limits;
use silo::ui::Ui;

use super::options::Options;
use super::words::shown;
use super::{codes, wall, watch};

/// Runs the agent to its end, and gives its exit code.
pub(super) fn run(ui: Ui, environment: &Environment, words: &[OsString]) -> Result<u8, Failure> {
    // First, for from the moment the agent runs it would be too late.
    limits::forbid_dumps();
    let options = Options::read(words)?;
    let first = First::here().ok_or_else(|| {
        Failure::new("`silo-proxy init` is the first process of a container, and this is none")
            .hint("silo starts it with an agent: `silo doc containment`")
            .code(code::USAGE)
    })?;
    if let Some(missing) = options.needs.iter().find(|program| cmd::find(program, environment).is_none()) {
        return Err(Failure::new(format!("The image has no `{missing}`, which silo needs in it"))
            .hint(format!("Install it where the image is built, as in `RUN apt-get install -y {missing}`"))
            .code(codes::LACKS));
    }
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build();
    let runtime = runtime.map_err(|error| Failure::new(format!("Cannot watch over the agent: {error}")))?;
    runtime.block_on(async {
        // Before the agent runs, so that no signal and no end is missed.
        let events = watch::Events::listen(options.ends_with_stdin)?;
        wall::make_sure(&options.probes, options.asks_resolver).await?;
        let (program, arguments) = options.command.split_first().expect("a command was given");
        let program = program.to_str().ok_or_else(|| {
            Failure::new(format!("`{}` is not a name of a program", shown(program))).code(code::USAGE)
        })?;
        let folder = std::env::current_dir().unwrap_or_else(|_| PathBuf::from("/"));
        let folder: &Path = &folder;
        let main = first.start(&Cmd { program, arguments: arguments.to_vec(), environment, folder })?;
        Ok(watch::over(ui, first, main, events, &options).await)
    })
}
