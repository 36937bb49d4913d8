//! Volumes: which there are and whose, who uses one, and making one as compose would.

use indexmap::IndexMap;
use serde::Deserialize;

use super::copying;
use super::docker::{self, Docker};
use super::engine::{self, Engine, PROJECT};
use super::labels::LABEL;
use crate::core::services::{OwnVolume, Volume};
use crate::failure::Failure;

/// compose's label of a volume's key.
const KEY: &str = "com.docker.compose.volume";
/// compose's label of its own version; without it some versions do not take a volume for theirs.
const VERSION: &str = "com.docker.compose.version";
/// What a volume was filled from, on one that silo made; compose does not look at it.
pub const SEEDED: &str = "silo.seeded-from";
const SERVICE: &str = "com.docker.compose.service";
const ONE_OFF: &str = "com.docker.compose.oneoff";
const WORKING_DIR: &str = "com.docker.compose.project.working_dir";

/// A volume.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Listed {
    /// Its name.
    pub name: String,
    /// Its compose project; empty where compose did not make it.
    pub project: String,
    /// Its key in the compose files.
    pub key: String,
    /// The volume that silo filled it from.
    pub seeded: String,
    /// The instance it was made for, where silo made it.
    pub instance: String,
}

/// A volume that is to be made.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Made {
    /// Its name.
    pub name: String,
    /// Its driver; none is Docker's usual one.
    pub driver: Option<String>,
    /// The driver's options.
    pub options: IndexMap<String, String>,
    /// Its labels.
    pub labels: IndexMap<String, String>,
}

/// What the engine says of all volumes.
#[derive(Deserialize, Default)]
#[serde(rename_all = "PascalCase")]
struct Answer {
    volumes: Option<Vec<Told>>,
}

/// What it says of one.
#[derive(Deserialize)]
#[serde(rename_all = "PascalCase")]
struct Told {
    name: String,
    labels: Option<std::collections::HashMap<String, String>>,
}

/// A container that has a volume.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct User {
    /// Its name.
    pub name: String,
    /// Whether it runs, paused or not.
    pub runs: bool,
    /// Its compose project; empty where it has none.
    pub project: String,
    /// Its service.
    pub service: String,
    /// The instance it was made for; empty where silo did not make it.
    pub instance: String,
    /// The folder of the compose files it was made from.
    pub folder: String,
    /// Whether it is one of `docker compose run`.
    pub is_one_off: bool,
    /// Whether it is one that a copy was made with.
    pub is_copiers: bool,
}

impl Made {
    /// As compose would make it for a project, so that it takes it for its own, and with what it was filled from.
    pub fn by_compose(name: &str, project: &str, key: &str, said: &Volume) -> Self {
        let own = [(PROJECT, project), (KEY, key), (VERSION, "2.24.4")];
        let own = own.map(|(label, value)| (label.to_owned(), value.to_owned()));
        Self {
            name: name.to_owned(),
            driver: said.driver.clone(),
            options: said.options.clone(),
            labels: said.labels.clone().into_iter().chain(own).collect(),
        }
    }

    /// A volume that compose is told to find there.
    pub fn kept(own: &OwnVolume) -> Self {
        let Volume { driver, options, labels, .. } = own.said.clone();
        Self { name: own.name.clone(), driver, options, labels }
    }

    /// The words of `docker`.
    fn words(&self) -> Vec<String> {
        let mut words: Vec<String> = ["volume", "create"].map(str::to_owned).into();
        words.extend(self.driver.iter().map(|driver| format!("--driver={driver}")));
        words.extend(self.options.iter().map(|(key, value)| format!("--opt={key}={value}")));
        words.extend(self.labels.iter().map(|(key, value)| format!("--label={key}={value}")));
        words.push(self.name.clone());
        words
    }
}

impl<'a> Engine<'a> {
    /// Every volume there is.
    ///
    /// # Errors
    /// A [`Failure`] when the engine does not answer in time.
    pub fn volumes(&self) -> Result<Vec<Listed>, Failure> {
        if !self.is_local() {
            return self.docker().volumes();
        }
        let answer: Answer = self.asked("/volumes")?;
        let listed = |Told { name, labels }: Told| {
            let label = |key: &str| labels.as_ref().and_then(|labels| labels.get(key)).cloned().unwrap_or_default();
            Listed { name, project: label(PROJECT), key: label(KEY), seeded: label(SEEDED), instance: label(LABEL) }
        };
        Ok(answer.volumes.unwrap_or_default().into_iter().map(listed).collect())
    }

    /// Docker, called in the same environment.
    pub fn docker(&self) -> Docker<'a> {
        Docker { program: engine::program(self.environment), environment: self.environment, folder: self.folder }
    }
}

impl Docker<'_> {
    /// Every volume there is.
    ///
    /// # Errors
    /// A [`Failure`] with Docker's last lines.
    pub fn volumes(&self) -> Result<Vec<Listed>, Failure> {
        let [project, key, seeded, instance] = [PROJECT, KEY, SEEDED, LABEL].map(docker::label);
        let rows = self.rows(&["volume", "ls"], &[".Name".to_owned(), project, key, seeded, instance])?;
        let listed =
            |[name, project, key, seeded, instance]: [String; 5]| Listed { name, project, key, seeded, instance };
        Ok(rows.into_iter().map(listed).collect())
    }

    /// The containers that have a volume, running or not.
    ///
    /// # Errors
    /// A [`Failure`] with Docker's last lines.
    pub fn users(&self, volume: &str) -> Result<Vec<User>, Failure> {
        let [project, service, instance, folder, one_off, copier] =
            [PROJECT, SERVICE, LABEL, WORKING_DIR, ONE_OFF, copying::LABEL].map(docker::label);
        let fields = [".Names".to_owned(), ".State".to_owned(), project, service, instance, folder, one_off, copier];
        let rows = self.rows(&["ps", "--all", "--filter", &format!("volume={volume}")], &fields)?;
        let user = |[name, state, project, service, instance, folder, one_off, copier]: [String; 8]| User {
            name,
            runs: matches!(state.as_str(), "running" | "restarting" | "paused"),
            project,
            service,
            instance,
            folder,
            is_one_off: one_off == "True",
            is_copiers: !copier.is_empty(),
        };
        Ok(rows.into_iter().map(user).collect())
    }

    /// How a volume that is there was made, and when, in Docker's words; none where there is none.
    ///
    /// # Errors
    /// A [`Failure`] with Docker's last lines.
    pub fn volume(&self, name: &str) -> Result<Option<(Made, String)>, Failure> {
        if !self.volumes()?.iter().any(|volume| volume.name == name) {
            return Ok(None);
        }
        let json = |field: &str| format!("(json {field})");
        let fields = [".Driver".to_owned(), json(".Options"), json(".Labels"), ".CreatedAt".to_owned()];
        let row = match self.rows(&["volume", "inspect", name], &fields) {
            // Somebody removed it meanwhile.
            Err(failure) if self.volumes()?.iter().any(|volume| volume.name == name) => return Err(failure),
            rows => rows.ok().and_then(|rows| rows.into_iter().next()),
        };
        let table = |text: &str| serde_json::from_str::<Option<IndexMap<String, String>>>(text).ok().flatten();
        Ok(row.map(|[driver, options, labels, made]| {
            let (options, labels) = (table(&options).unwrap_or_default(), table(&labels).unwrap_or_default());
            (Made { name: name.to_owned(), driver: Some(driver), options, labels }, made)
        }))
    }

    /// Makes a volume that is not there.
    ///
    /// # Errors
    /// A [`Failure`] with Docker's last lines.
    pub fn make_volume(&self, made: &Made) -> Result<(), Failure> {
        let words = made.words();
        self.run(&words.iter().map(String::as_str).collect::<Vec<_>>())
    }

    /// Removes a volume; one that is not there is none to remove.
    ///
    /// # Errors
    /// A [`Failure`] with Docker's last lines.
    pub fn remove_volume(&self, name: &str) -> Result<(), Failure> {
        self.remove(&["volume", "rm", "--force"], &[name])
    }
}
