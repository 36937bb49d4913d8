//! Images that were built here, and for whom.

use std::collections::BTreeSet;

use super::docker::Docker;
use super::engine::PROJECT;
use super::labels::LABEL;
use crate::failure::Failure;

/// How many images are asked about at once.
const MANY: usize = 100;

impl Docker<'_> {
    /// The names of all images that compose built, each with its compose project; one without a name is left out.
    ///
    /// # Errors
    /// A [`Failure`] with Docker's last lines.
    pub fn built_images(&self) -> Result<Vec<(String, String)>, Failure> {
        self.labelled_images(PROJECT, &[])
    }

    /// The names of all images of a repository such as `silo-agent/*` that silo built, each with the instance's id.
    ///
    /// # Errors
    /// A [`Failure`] with Docker's last lines.
    pub fn own_images(&self, repository: &str) -> Result<Vec<(String, String)>, Failure> {
        self.labelled_images(LABEL, &["--filter", &format!("reference={repository}")])
    }

    /// The names of images with a label, and its value; without those that somebody removes while they are asked about.
    fn labelled_images(&self, label: &str, more: &[&str]) -> Result<Vec<(String, String)>, Failure> {
        let filter = format!("label={label}");
        let words = [&["image", "ls", "--no-trunc", "--filter", &filter], more].concat();
        let listed = || {
            let rows = self.rows(&words, &[".ID".to_owned()])?;
            Ok::<_, Failure>(rows.into_iter().map(|[id]| id).collect::<BTreeSet<String>>())
        };
        let mut ids = listed()?;
        loop {
            match self.names_of(&ids, label) {
                Err(failure) => {
                    // Docker answers for all of them or for none.
                    let (now, before) = (listed()?, ids.len());
                    ids.retain(|id| now.contains(id));
                    if ids.len() == before {
                        return Err(failure);
                    }
                }
                done => return done,
            }
        }
    }

    /// The names of some images, each with the value of a label.
    fn names_of(&self, ids: &BTreeSet<String>, label: &str) -> Result<Vec<(String, String)>, Failure> {
        let fields = ["(join .RepoTags \" \")".to_owned(), format!("(index .Config.Labels \"{label}\")")];
        let mut images = Vec::new();
        for ids in ids.iter().map(String::as_str).collect::<Vec<_>>().chunks(MANY) {
            for [names, value] in self.rows(&[&["image", "inspect"], ids].concat(), &fields)? {
                let names = names.split(' ').filter(|name| !name.is_empty());
                images
                    .extend(names.map(|name| (name.strip_suffix(":latest").unwrap_or(name).to_owned(), value.clone())));
            }
        }
        Ok(images)
    }
}
