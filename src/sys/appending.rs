//! A file that grows by whole pieces and is never replaced: a journal.

use std::fs::{File, OpenOptions};
use std::io::Write as _;
use std::os::unix::fs::OpenOptionsExt as _;
use std::path::{Path, PathBuf};

use super::writing::sync;
use crate::failure::Failure;

/// A file to which whole pieces are added, by one process.
#[derive(Debug)]
pub struct Appending {
    file: File,
    path: PathBuf,
    length: u64,
    /// A piece may lie there half.
    is_broken: bool,
}

impl Appending {
    /// Opens a file of the user's alone, made where it is missing; what lies behind `length` is cut.
    ///
    /// # Errors
    /// A [`Failure`] that names the path.
    pub fn open(path: &Path, length: u64) -> Result<Self, Failure> {
        let fail = |error| Failure::file("write", path, &error);
        let opened = OpenOptions::new().append(true).create(true).mode(0o600).open(path);
        let file = opened.map_err(fail)?;
        if file.metadata().map_err(fail)?.len() > length {
            file.set_len(length).map_err(fail)?;
        }
        Ok(Self { file, path: path.to_owned(), length, is_broken: false })
    }

    /// Adds a piece in one write. One that does not fit leaves nothing of itself.
    ///
    /// # Errors
    /// A [`Failure`] that names the path.
    pub fn append(&mut self, piece: &[u8]) -> Result<(), Failure> {
        let fail = |error| Failure::file("write", &self.path, &error);
        if self.is_broken {
            self.file.set_len(self.length).map_err(fail)?;
            self.is_broken = false;
        }
        if let Err(error) = self.file.write_all(piece) {
            self.is_broken = self.file.set_len(self.length).is_err();
            return Err(fail(error));
        }
        self.length += piece.len() as u64;
        Ok(())
    }

    /// How long it is.
    pub fn length(&self) -> u64 {
        self.length
    }

    /// Waits until all of it is on the disk, where that has such a thing.
    ///
    /// # Errors
    /// A [`Failure`] that names the path.
    pub fn sync(&self) -> Result<(), Failure> {
        sync(&self.file).map_err(|error| Failure::file("write", &self.path, &error))
    }
}
