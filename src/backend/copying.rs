//! The content of one volume into another, without a program in any image: `docker cp` reads and writes the volumes of containers
//! that were never started, and an image of nothing is made here for them. Owners, modes, links and devices stay as they are.

use std::time::Duration;

use super::docker::{Docker, where_it_is_down};
use crate::core::formats::tar::Tar;
use crate::failure::Failure;
use crate::sys::cmd::Cmd;
use crate::sys::pour::{self, Go};

/// Where a volume is in its container; both ends have it at the same place.
const PLACE: &str = "/silo-seed";
/// How long one step around a copy may take.
const LIMIT: Duration = Duration::from_mins(1);
/// The label on what lasts as long as a copy; its value is the instance's id.
pub const LABEL: &str = "silo.seed";
/// The shortest tar there is, with nothing in it.
const NOTHING: [u8; 1024] = [0; 1024];

/// What copies volumes: its image and containers go when it is dropped.
#[derive(Debug)]
pub struct Copier<'a> {
    docker: Docker<'a>,
    id: &'a str,
    image: String,
}

/// A volume at hand; its container goes when it is dropped.
#[derive(Debug)]
pub struct Held<'a> {
    docker: Docker<'a>,
    container: String,
}

impl<'a> Copier<'a> {
    /// Prepares a copy for the instance with this id; what an earlier one left is removed.
    ///
    /// # Errors
    /// A [`Failure`] with Docker's last lines.
    pub fn new(docker: Docker<'a>, id: &'a str) -> Result<Self, Failure> {
        let label = format!("{LABEL}={id}");
        let (containers, filter) = ([".Names".to_owned()], format!("label={label}"));
        for [left] in docker.rows(&["ps", "--all", "--filter", &filter], &containers)? {
            docker.remove_container(&left)?;
        }
        for [left] in docker.rows(&["image", "ls", "--filter", &filter], &[".ID".to_owned()])? {
            docker.remove(&["image", "rm", "--force"], &[&left])?;
        }
        let words = ["import", "--change", &format!("LABEL {label}"), "-"];
        let image = docker.answer(&words, &NOTHING)?;
        Ok(Self { docker, id, image })
    }

    /// Takes a volume to hand, only to be read if `reads`.
    ///
    /// # Errors
    /// A [`Failure`] with Docker's last lines.
    pub fn hold(&self, volume: &str, reads: bool) -> Result<Held<'a>, Failure> {
        let mode = if reads { ",readonly" } else { "" };
        let mount = format!("--mount=type=volume,source={volume},target={PLACE},volume-nocopy{mode}");
        let label = format!("--label={LABEL}={}", self.id);
        let name = format!("--name={}", name(self.id, volume));
        let words = ["create", &name, "--pull=never", "--network=none", &label, &mount, &self.image, "nothing"];
        Ok(Held { docker: self.docker, container: self.docker.answer(&words, b"")? })
    }
}

impl Held<'_> {
    /// Whether nothing lies in it.
    ///
    /// # Errors
    /// A [`Failure`] with Docker's last lines.
    pub fn is_empty(&self) -> Result<bool, Failure> {
        let mut tar = Tar::default();
        let look = |piece: &[u8]| {
            tar.read(piece);
            if tar.has_content() { Go::No } else { Go::On }
        };
        pour::watch(&self.reading(), look)?;
        Ok(!tar.has_content())
    }

    /// Copies all of it into another one, and tells how many bytes have gone by.
    ///
    /// # Errors
    /// A [`Failure`] with Docker's last lines, or when silo is asked to stop: then only a part is there.
    pub fn copy_to(&self, other: &Self, mut tell: impl FnMut(u64)) -> Result<u64, Failure> {
        let (mut tar, mut count) = (Tar::default(), 0);
        let words = ["cp".into(), "-".into(), format!("{}:/", other.container).into()].to_vec();
        let writing = self.cmd(words);
        pour::pour(&self.reading(), &writing, |piece| {
            tar.read(piece);
            count += piece.len() as u64;
            tell(count);
        })?;
        if !tar.is_whole() {
            return Err(Failure::new("Docker sent only part of the volume")
                .hint("Look at its disk and at the engine's own log, then try again"));
        }
        Ok(count)
    }

    fn reading(&self) -> Cmd<'_> {
        self.cmd(["cp".into(), format!("{}:{PLACE}", self.container).into(), "-".into()].to_vec())
    }

    fn cmd(&self, arguments: Vec<std::ffi::OsString>) -> Cmd<'_> {
        Cmd {
            program: self.docker.program,
            arguments,
            environment: self.docker.environment,
            folder: self.docker.folder,
        }
    }
}

/// The name of the container by which an instance's copy has a volume.
pub fn name(id: &str, volume: &str) -> String {
    format!("silo-seed-{id}-{volume}")
}

/// Puts back what a copy changed, though silo was asked to stop meanwhile.
///
/// # Errors
/// A [`Failure`] when Docker fails.
pub fn put_back(docker: Docker<'_>, words: &[&str]) -> Result<(), Failure> {
    let Docker { program, environment, folder } = docker;
    let arguments = words.iter().map(Into::into).collect();
    Cmd { program, arguments, environment, folder }.hand_over(LIMIT)
}

impl Drop for Held<'_> {
    fn drop(&mut self) {
        // Where it fails, the next copy removes it.
        let _ = put_back(self.docker, &["rm", "--force", "--volumes", &self.container]);
    }
}

impl Drop for Copier<'_> {
    fn drop(&mut self) {
        let _ = put_back(self.docker, &["image", "rm", "--force", &self.image]);
    }
}

impl Docker<'_> {
    /// What a command answers in one line, given this to read.
    ///
    /// # Errors
    /// A [`Failure`] with Docker's last lines.
    pub fn answer(&self, words: &[&str], input: &[u8]) -> Result<String, Failure> {
        let arguments = words.iter().map(Into::into).collect();
        let cmd = Cmd { program: self.program, arguments, environment: self.environment, folder: self.folder };
        let answer = cmd.capture_with(LIMIT, input)?.success(&cmd).map_err(where_it_is_down)?;
        Ok(String::from_utf8_lossy(&answer).trim().to_owned())
    }
}
