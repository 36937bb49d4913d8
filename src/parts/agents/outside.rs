//! The engine and git as agents use them.

use std::path::PathBuf;

use crate::backend::docker::Docker;
use crate::backend::engine::{Engine, program};
use crate::core::agents::record::Run;
use crate::core::shell::environment::Environment;
use crate::core::text::source::one_line;
use crate::failure::Failure;
use crate::parts::context::Context;
use crate::sys::files;

/// The engine and git as agents use them: outside of every instance, so that no variable of a project leads them elsewhere.
pub(super) struct Outside {
    pub(super) environment: Environment,
    folder: PathBuf,
}

impl Outside {
    pub(super) fn of(context: &Context) -> Self {
        Self { environment: context.outside(), folder: PathBuf::from("/") }
    }

    pub(super) fn engine(&self) -> Engine<'_> {
        Engine::of(&self.environment, &self.folder)
    }

    pub(super) fn docker(&self) -> Docker<'_> {
        self.engine().docker()
    }

    /// The socket of the engine, whatever links lead to it; empty where it is not on this machine.
    pub(super) fn place(&self) -> String {
        let socket = self.engine().socket();
        let socket = socket.map(|socket| files::canonical(&socket).unwrap_or(socket));
        socket.map_or_else(String::new, |socket| socket.to_string_lossy().into_owned())
    }

    /// Whether a run is in this engine.
    pub(super) fn has(&self, run: &Run) -> bool {
        run.engine.is_empty() || run.engine == self.place()
    }

    /// Refuses an engine that does not answer, or is not the one that a run is in: there it would seem as if somebody had removed all
    /// of it.
    pub(super) fn require_of(&self, run: &Run) -> Result<(), Failure> {
        if !self.has(run) {
            let socket = one_line(&run.engine);
            return Err(Failure::new(format!("The run `{}` is in another container engine: `{socket}`", run.id))
                .hint(format!("Name that one, and run it again: `export DOCKER_HOST=unix://{socket}`")));
        }
        self.require()
    }

    /// Refuses an engine that agents cannot run in.
    pub(super) fn require(&self) -> Result<(), Failure> {
        let engine = self.engine();
        let name = program(&self.environment);
        if cfg!(not(target_os = "linux")) {
            return Err(Failure::new(
                "Agents run on Linux alone so far: the wall needs sockets that are mounted into containers",
            )
            .hint("Run silo in a Linux machine, or see what stands in for it: `silo doc agents`"));
        }
        match (engine.is_local(), engine.is_absent()) {
            (false, _) => Err(Failure::new("Agents need a container engine of this machine, with a socket here")
                .hint("Look which one is in use: `docker context ls`; DOCKER_HOST counts, too")),
            (true, true) => {
                Err(Failure::new(format!("No container engine answers (`{name}`)"))
                    .hint("Start Docker, then run it again"))
            }
            (true, false) => Ok(()),
        }
    }
}
