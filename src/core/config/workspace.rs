//! `[workspace]`: what a new worktree gets beside what git brings (D30).

use super::model::{Text, WorkspaceLayer};
use super::problem::{ConfigError, Problem};
use super::table::Table;
use crate::core::text::glob::Glob;

/// The files that are brought along where neither `copy` nor `.worktreeinclude` says which.
pub const DEFAULT_COPY: &str = "**/.env*";

/// Reads the table.
pub(super) fn read(table: &Table<'_>) -> Result<WorkspaceLayer, ConfigError> {
    table.only(&["copy", "clone", "render", "init"])?;
    Ok(WorkspaceLayer {
        copy: globs(table, "copy")?,
        clone: globs(table, "clone")?,
        render: globs(table, "render")?,
        init: table.texts("init")?,
    })
}

fn globs(table: &Table<'_>, key: &'static str) -> Result<Option<Vec<Text>>, ConfigError> {
    let globs = table.texts(key)?;
    for Text { value, span } in globs.iter().flatten() {
        if let Err(why) = Glob::parse(value) {
            return Err(ConfigError { problem: Problem::Glob { key, value: value.clone(), why }, span: span.clone() });
        }
    }
    Ok(globs)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::core::config::parse;

    #[test]
    fn a_profile_replaces_whole_lists() {
        let file = parse(
            "version = 1\nports.A = 1\n[workspace]\ncopy = ['.env']\nclone = ['node_modules']\ninit = ['npm ci']\n\
             [profiles.p.workspace]\ncopy = []\nrender = ['.env']\n",
        )
        .expect("it is valid");
        let shown = |profile| {
            let WorkspaceLayer { copy, clone, render, init } = file.settings(profile).expect("it exists").workspace;
            [copy, clone, render, init]
                .map(|list| list.map(|list| list.into_iter().map(|text| text.value).collect::<Vec<_>>().join(" ")))
        };
        let some = |text: &str| Some(text.to_owned());
        assert_eq!(shown(None), [some(".env"), some("node_modules"), None, some("npm ci")]);
        assert_eq!(shown(Some("p")), [some(""), some("node_modules"), some(".env"), some("npm ci")]);
    }

    #[test]
    fn globs_that_leave_the_project_are_refused_with_their_place() {
        let error = parse("version = 1\nports.A = 1\nworkspace.copy = ['ok', '../x']\n").expect_err("it leaves");
        assert_eq!(error.problem.to_string(), "`workspace.copy` has the glob `../x`: it leads out of the project");
        assert_eq!(error.span, 48..54);
    }
}
