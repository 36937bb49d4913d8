//! The engine and git as agents use them.

use std::path::PathBuf;

use crate::backend::docker::Docker;
use crate::backend::engine::{Engine, program};
use crate::core::shell::environment::Environment;
use crate::failure::Failure;
use crate::parts::context::Context;

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
        Engine { environment: &self.environment, folder: &self.folder }
    }

    pub(super) fn docker(&self) -> Docker<'_> {
        self.engine().docker()
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
