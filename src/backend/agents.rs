//! The containers, networks and images of agents (D33), as the engine of this machine has them.

use std::collections::{HashMap, HashSet};
use std::path::Path;
use std::time::Duration;

use serde::Deserialize;

use super::docker::{Docker, says, unless_gone, where_it_is_down};
use super::engine::{Engine, Listed, escaped};
use super::labels::LABEL as INSTANCE;
use crate::core::agents::arguments::{Bundler, Container, Relay};
use crate::core::agents::names::{self, TASK};
use crate::core::leases::subnet::Range;
use crate::failure::Failure;
use crate::sys::attend::{self, Attend, Stream};
use crate::sys::cmd::{Cmd, Ended};
use crate::sys::files;
use crate::sys::signals;
use crate::ui::Ui;

/// How long a container may take to be made, started or removed.
const RUN: Duration = Duration::from_mins(2);
/// How long the end of a log may take.
const SOON: Duration = Duration::from_secs(5);
/// Longest id of an image, in bytes.
const ID: u64 = 256;
/// How often an image is built that another program takes parts away from meanwhile.
const BUILDS: u32 = 4;
/// How Docker says that: its builder from before 23.
const LOST: [&str; 4] = [
    "failed to get digest sha256:",
    "No such image: sha256:",
    "unknown parent image ID",
    "unable to find image \"sha256:",
];
/// How much of what a program says last is looked at, in bytes.
const END: usize = 4096;
/// How long the repository of an agent may take to be read.
const BUNDLE: Duration = Duration::from_mins(10);

/// An image.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "PascalCase")]
pub struct Image {
    /// Its id.
    pub id: String,
    /// What it says of a container made from it.
    #[serde(default)]
    config: Option<Configured>,
    /// Its names.
    #[serde(default)]
    repo_tags: Option<Vec<String>>,
}

#[derive(Debug, Clone, PartialEq, Eq, Deserialize, Default)]
#[serde(rename_all = "PascalCase", default)]
struct Configured {
    entrypoint: Option<Vec<String>>,
    cmd: Option<Vec<String>>,
    labels: Option<HashMap<String, String>>,
    working_dir: Option<String>,
}

impl Image {
    /// Whether silo built it for an instance, and it has lost its name to a newer one.
    fn is_former(&self, instance: &str) -> bool {
        let labels = self.config.as_ref().and_then(|one| one.labels.as_ref());
        let is_own = labels.and_then(|labels| labels.get(INSTANCE)).is_some_and(|id| id == instance);
        is_own && self.repo_tags.as_ref().is_none_or(Vec::is_empty)
    }

    /// The command of a container made from it, where nobody names another.
    pub fn command(&self) -> Vec<String> {
        let configured = self.config.iter();
        configured.flat_map(|one| one.entrypoint.iter().flatten().chain(one.cmd.iter().flatten())).cloned().collect()
    }

    /// The folder in which a container made from it runs (`WORKDIR`), where the image says one.
    pub fn folder(&self) -> Option<&str> {
        let said = self.config.as_ref().and_then(|one| one.working_dir.as_deref());
        said.filter(|folder| folder.starts_with('/'))
    }
}

/// How a container stands.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize, Default)]
#[serde(rename_all = "PascalCase", default)]
pub struct State {
    /// `created`, `running`, `paused`, `restarting`, `removing`, `exited` or `dead`.
    pub status: String,
    /// The exit code, once it has ended.
    pub exit_code: i64,
    /// Whether it was ended for its memory.
    #[serde(rename = "OOMKilled")]
    pub is_out_of_memory: bool,
    /// Why it could not be started.
    pub error: String,
}

impl State {
    /// Whether something of it runs.
    pub fn is_up(&self) -> bool {
        matches!(self.status.as_str(), "running" | "paused" | "restarting" | "removing")
    }
}

#[derive(Deserialize)]
#[serde(rename_all = "PascalCase")]
struct Inspected {
    #[serde(default)]
    state: State,
}

/// The container of an agent itself.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Owned {
    /// The ID of the run.
    pub run: String,
    /// The agent's name.
    pub agent: String,
    /// The id of its instance.
    pub instance: String,
    /// Whether it is a persistent one.
    pub is_persistent: bool,
    /// The container's id.
    pub container: String,
    /// Its state, as in [`State`].
    pub state: String,
    /// The engine's words, such as `Up 3 minutes`.
    pub status: String,
    /// Whether the relay in its network does not run: then it reaches nothing, and nobody reaches it.
    pub is_cut_off: bool,
}

impl Owned {
    /// Whether it runs, and its way out does.
    pub fn is_well(&self) -> bool {
        self.is_up() && !self.is_cut_off
    }

    /// Whether it runs.
    pub fn is_up(&self) -> bool {
        matches!(self.state.as_str(), "running" | "restarting" | "paused")
    }
}

impl Engine<'_> {
    /// An image of this machine; none where it is not here.
    ///
    /// # Errors
    /// A [`Failure`] when the engine does not answer in time.
    pub fn image(&self, name: &str) -> Result<Option<Image>, Failure> {
        // The slashes of a name stay as they are.
        let name: Vec<String> = name.split('/').map(escaped).collect();
        self.asked_for(&format!("/images/{}/json", name.join("/")))
    }

    /// How a container stands; none where there is none.
    ///
    /// # Errors
    /// A [`Failure`] when the engine does not answer in time.
    pub fn state(&self, container: &str) -> Result<Option<State>, Failure> {
        let inspected: Option<Inspected> = self.asked_for(&format!("/containers/{}/json", escaped(container)))?;
        Ok(inspected.map(|inspected| inspected.state))
    }

    /// The containers of all agents, without what is beside them.
    ///
    /// # Errors
    /// A [`Failure`] when the engine does not answer in time.
    pub fn agents(&self) -> Result<Vec<Owned>, Failure> {
        let filter = serde_json::json!({ "label": [names::LABEL] }).to_string();
        let listed = self.listed(&format!("/containers/json?all=1&filters={}", escaped(&filter)))?;
        let relays: HashSet<String> = listed.iter().filter(|one| one.state == "running").map(Listed::name).collect();
        let owned = |one: &Listed| {
            let label = |name: &str| one.labels.get(name).cloned().unwrap_or_default();
            let run = label(names::LABEL);
            Owned {
                is_cut_off: one.is_in(&names::network(&run)) && !relays.contains(&names::relay(&run)),
                run,
                agent: label(names::NAME),
                instance: label(INSTANCE),
                is_persistent: !label(names::PERSISTENT).is_empty(),
                container: one.id.clone(),
                state: one.state.clone(),
                status: one.status.clone(),
            }
        };
        Ok(listed.iter().filter(|one| one.labels.contains_key(names::NAME)).map(owned).collect())
    }
}

/// What a program prints that silo waits for is part of the story; its answer may be for silo alone.
#[derive(Default)]
struct Story {
    with_answer: bool,
    /// The last of what it said besides its answer.
    end: Vec<u8>,
}

impl Story {
    /// Whether an engine says that an image of its own is gone, one that it has just found among those it knows.
    fn lost_an_image(&self) -> bool {
        let said = String::from_utf8_lossy(&self.end);
        LOST.iter().any(|words| said.contains(words))
    }
}

impl Attend for Story {
    fn take(&mut self, stream: Stream, piece: &[u8]) -> Result<(), Failure> {
        if stream == Stream::Err {
            self.end.extend_from_slice(piece);
            self.end.drain(..self.end.len().saturating_sub(END));
        }
        match (stream, self.with_answer) {
            (Stream::Out, false) => Ok(()),
            _ => Ui::default().pass_on(piece),
        }
    }

    fn look(&mut self) -> Result<(), Failure> {
        signals::check()
    }
}

impl Docker<'_> {
    /// Gets an image from its registry, with what is said of that as part of the story.
    ///
    /// # Errors
    /// A [`Failure`] when it is not available.
    pub fn pull(&self, image: &str) -> Result<(), Failure> {
        let cmd = self.cmd(&["pull", image]);
        let hint = format!("Look at its name, or build it: `{} pull {image}`", self.program);
        let mut story = Story { with_answer: true, ..Story::default() };
        self.aside(&cmd, "pull", &mut story).map_err(|failure| failure.hint(hint))
    }

    /// Builds an image from a folder with a Dockerfile, and gives back its id, which is written to a file on the way.
    ///
    /// # Errors
    /// A [`Failure`] when that fails; why stands in the terminal.
    pub fn build(&self, folder: &Path, name: &str, instance: &str, id: &Path) -> Result<String, Failure> {
        let (label, folder) = (format!("--label={INSTANCE}={instance}"), folder.to_string_lossy());
        let written = format!("--iidfile={}", id.to_string_lossy());
        let quick = self.cmd(&["build", "--quiet", &written, &label, "--tag", name, "--", &folder]);
        // Its answer is the id. What a step makes is one image for all builds that have that step: it goes with the last of those that
        // another program removes, maybe just when this build has found it.
        let mut tries = 1;
        loop {
            let mut story = Story::default();
            match self.aside(&quick, "build", &mut story) {
                Err(_) if tries < BUILDS && story.lost_an_image() => tries += 1,
                done => break done?,
            }
            Ui::default().step("Another program has removed an image that this build began with; building it again");
        }
        let read = files::read(id, ID)?.map(|content| content.bytes).unwrap_or_default();
        Ok(String::from_utf8_lossy(&read).trim().to_owned())
    }

    /// Removes an image of an instance that was built, and has no name any more; one that something is made from stays.
    pub fn drop_former(&self, image: &str, instance: &str) {
        let engine = Engine::of(self.environment, self.folder);
        // Whatever does not answer leaves it for another time: an image does no harm.
        let found = engine.image(image).ok().flatten();
        if found.is_some_and(|found| found.is_former(instance)) {
            let _ = self.run(&["image", "rm", image]);
        }
    }

    /// Runs it with what it prints as part of the story.
    fn aside(&self, cmd: &Cmd<'_>, word: &str, story: &mut Story) -> Result<(), Failure> {
        let line = format!("{} {word}", self.program);
        match attend::attend(cmd, story)? {
            Ended::Code(0) => Ok(()),
            ended => Err(Failure::new(format!("`{line}` failed with exit code {}", ended.code()))),
        }
    }

    /// Makes the network of a run: nothing of the host is in it, no address and no resolver (docs/decisions.md, D33: an
    /// internal network alone reaches every listener of the host on 0.0.0.0). False where somebody has taken its addresses in the meantime.
    ///
    /// # Errors
    /// A [`Failure`] with Docker's last lines.
    pub fn make_wall(&self, id: &str, instance: &str, subnet: Range) -> Result<bool, Failure> {
        let (subnet, label) = (format!("--subnet={subnet}"), format!("--label={}={id}", names::LABEL));
        let instance = format!("--label={INSTANCE}={instance}");
        let inhibit = "--opt=com.docker.network.bridge.inhibit_ipv4=true";
        let words = ["network", "create", "--internal", inhibit, &subnet, &label, &instance, &names::network(id)];
        match self.run(&words) {
            Err(failure) if says(&failure, "Pool overlaps") => Ok(false),
            done => done.map(|()| true),
        }
    }

    /// Makes the container of an agent. The task may have many lines, and goes in by the environment of `docker`.
    ///
    /// # Errors
    /// A [`Failure`] with Docker's last lines.
    pub fn make_agent(&self, container: &Container<'_>, task: Option<&str>) -> Result<(), Failure> {
        let mut environment = self.environment.clone();
        environment.set(TASK, task.unwrap_or_default());
        Docker { environment: &environment, ..*self }.all(&container.create()).map(|_| ())
    }

    /// Starts the relay of an agent.
    ///
    /// # Errors
    /// A [`Failure`] with Docker's last lines.
    pub fn start_relay(&self, relay: &Relay<'_>) -> Result<(), Failure> {
        self.all(&relay.run()).map(|_| ())
    }

    /// Reads the repository of an agent, and gives back what the program in the container printed.
    ///
    /// # Errors
    /// A [`Failure`] with the last lines of Docker or the program.
    pub fn bundle(&self, bundler: &Bundler<'_>) -> Result<Vec<u8>, Failure> {
        let words = bundler.run();
        let words: Vec<&str> = words.iter().map(String::as_str).collect();
        let cmd = self.cmd(&words);
        cmd.capture(BUNDLE)?.success(&cmd).map_err(where_it_is_down)
    }

    fn all(&self, words: &[String]) -> Result<Vec<u8>, Failure> {
        let words: Vec<&str> = words.iter().map(String::as_str).collect();
        let cmd = self.cmd(&words);
        cmd.capture(RUN)?.success(&cmd).map_err(where_it_is_down)
    }

    /// What starts a container that was made and shows what it prints; it ends with the container.
    pub fn attached(&self, container: &str) -> Cmd<'_> {
        self.cmd(&["start", "--attach", "--interactive", container])
    }

    /// What shows the log of a container.
    pub fn log(&self, container: &str, follow: bool) -> Cmd<'_> {
        match follow {
            true => self.cmd(&["logs", "--follow", container]),
            false => self.cmd(&["logs", container]),
        }
    }

    /// The last lines that a container has printed; empty where they are not available.
    pub fn last_lines(&self, container: &str, lines: usize) -> String {
        let lines = format!("--tail={lines}");
        let said = self.cmd(&["logs", &lines, container]).capture(SOON);
        let said = said.map(|said| [said.stdout, said.stderr].concat()).unwrap_or_default();
        String::from_utf8_lossy(&said).into_owned()
    }

    /// Sends a signal to a container; one that has ended gets none.
    ///
    /// # Errors
    /// A [`Failure`] with Docker's last lines.
    pub fn signal(&self, container: &str, signal: &str) -> Result<(), Failure> {
        match self.run(&["kill", "--signal", signal, container]) {
            Err(failure) if says(&failure, "is not running") => Ok(()),
            done => unless_gone(done),
        }
    }

    /// Asks a container to end, and ends it after so many seconds; one that is not there has ended.
    ///
    /// # Errors
    /// A [`Failure`] with Docker's last lines.
    pub fn stop_container(&self, container: &str, seconds: u64) -> Result<(), Failure> {
        let seconds = format!("--time={seconds}");
        unless_gone(self.run(&["stop", &seconds, container]))
    }

    /// Removes a container, running or not; one that is not there is none to remove.
    ///
    /// # Errors
    /// A [`Failure`] with Docker's last lines.
    pub fn remove_container(&self, container: &str) -> Result<(), Failure> {
        unless_gone(self.run(&["rm", "--force", "--volumes", container]))
    }
}
