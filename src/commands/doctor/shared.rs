//! Findings that a project's file itself says are meant so: `# silo: shared` on the line, or alone on the one above.

use std::collections::HashMap;
use std::path::Path;

use crate::core::formats::shared;
use crate::parts::finding::Finding;
use crate::parts::unread;

/// The kinds that may be meant so.
const KINDS: [&str; 14] = [
    "compose-container-name",
    "compose-name",
    "compose-port",
    "compose-project",
    "compose-address",
    "compose-bare",
    "dotenv-name",
    "dotenv-port",
    "file-port",
    "compose-shared",
    "compose-port-unnamed",
    "script-container-name",
    "script-project-name",
    "script-compose-file",
];

/// All but those.
pub(super) fn without(found: Vec<Finding>) -> Vec<Finding> {
    let mut texts: HashMap<String, String> = HashMap::new();
    let mut is_meant = |finding: &Finding| {
        let place = finding.place.as_deref().filter(|_| KINDS.contains(&finding.id));
        let Some((file, line)) = place.and_then(|place| place.rsplit_once(':')) else { return false };
        let Ok(line) = line.parse() else { return false };
        let read = || unread::text(Path::new(file)).unwrap_or_default();
        shared::is_marked(texts.entry(file.to_owned()).or_insert_with(read), line)
    };
    found.into_iter().filter(|finding| !is_meant(finding)).collect()
}
