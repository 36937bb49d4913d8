//! The names of images that are built here. A tag is one for the whole machine, so two worktrees would run each other's code:
//! each instance has its own, in every service that names one.

use std::collections::HashMap;

use super::model::{Model, Service};
use crate::core::text::digest;

/// The names that built images get, by those that the files give them.
pub(super) struct Images<'a> {
    project: &'a str,
    new: HashMap<&'a str, String>,
}

impl<'a> Images<'a> {
    pub(super) fn of(model: &'a Model, project: &'a str) -> Self {
        let mut new = HashMap::new();
        for (name, service) in model.services.iter().filter(|(_, service)| service.is_built) {
            // Two builds of one name stay one image.
            let named = service.image.as_ref().filter(|image| !image.contains(project));
            let own = match (&service.image, named) {
                (Some(_), Some(named)) => new.entry(whole(named)).or_insert_with(|| tag(project, name)).clone(),
                (Some(kept), None) => kept.clone(),
                // What compose calls it.
                (None, _) => format!("{project}-{name}"),
            };
            for other in service.tags.iter().filter(|other| !other.contains(project)) {
                new.entry(whole(other)).or_insert_with(|| own.clone());
            }
        }
        Self { project, new }
    }

    /// The name of a service's image; none where it stays as it is.
    pub(super) fn get(&self, service: &Service) -> Option<&str> {
        self.new.get(whole(service.image.as_deref()?)).map(String::as_str)
    }

    /// Whether the build of a service has other names that are one for the whole machine.
    pub(super) fn has_tags(&self, service: &Service) -> bool {
        service.tags.iter().any(|tag| !tag.contains(self.project))
    }
}

/// A name without what every name means without it.
fn whole(image: &str) -> &str {
    let image = image.strip_prefix("docker.io/").unwrap_or(image);
    image.strip_suffix(":latest").unwrap_or(image)
}

/// A name for an image, which has stricter rules than that of a service: what breaks them is told apart by a digest.
fn tag(project: &str, service: &str) -> String {
    let plain = format!("{project}-{service}");
    let is_part = |part: &str| !part.is_empty() && part.bytes().all(|c| c.is_ascii_lowercase() || c.is_ascii_digit());
    if plain.split(['-', '_', '.']).all(is_part) {
        return plain;
    }
    let lower = service.to_lowercase();
    let parts: Vec<&str> = lower.split(|c: char| !c.is_ascii_alphanumeric()).filter(|part| !part.is_empty()).collect();
    format!("{project}-{}-{}", parts.join("-"), &digest::of(service.as_bytes())[..8]).replace("--", "-")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_tag_keeps_the_rules_of_image_names() {
        assert_eq!([tag("p", "web"), tag("p", "my.web_1")], ["p-web", "p-my.web_1"]);
        let odd: Vec<String> = ["Web", "web_", "web-", "wEb", "a..b", "_"].map(|service| tag("p", service)).into();
        for tag in &odd {
            let is_part =
                |part: &str| !part.is_empty() && part.bytes().all(|c| c.is_ascii_lowercase() || c.is_ascii_digit());
            assert!(tag.split(['-', '_', '.']).all(is_part), "{tag}");
        }
        assert_eq!(odd.iter().collect::<std::collections::HashSet<_>>().len(), odd.len(), "{odd:?}");
    }
}
