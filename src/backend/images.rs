//! Images that were built here, and for whom.

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

    /// The names of images with a label, and its value.
    fn labelled_images(&self, label: &str, more: &[&str]) -> Result<Vec<(String, String)>, Failure> {
        let filter = format!("label={label}");
        let words = [&["image", "ls", "--no-trunc", "--filter", &filter], more].concat();
        let rows = self.rows(&words, &[".ID".to_owned()])?;
        let mut ids: Vec<String> = rows.into_iter().map(|[id]| id).collect();
        ids.sort();
        ids.dedup();
        let fields = ["(join .RepoTags \" \")".to_owned(), format!("(index .Config.Labels \"{label}\")")];
        let mut images = Vec::new();
        for ids in ids.chunks(MANY) {
            let words: Vec<&str> = ["image", "inspect"].into_iter().chain(ids.iter().map(String::as_str)).collect();
            for [names, project] in self.rows(&words, &fields)? {
                let names = names.split(' ').filter(|name| !name.is_empty());
                images.extend(
                    names.map(|name| (name.strip_suffix(":latest").unwrap_or(name).to_owned(), project.clone())),
                );
            }
        }
        Ok(images)
    }
}
