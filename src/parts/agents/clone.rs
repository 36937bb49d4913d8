//! The repository of an agent: a clone of its own, of what is committed and nothing else.

use std::path::Path;

use super::order::Order;
use super::outside::Outside;
use crate::backend::worktrees::{self, Git};
use crate::core::agents::record::Cloned;
use crate::core::text::source::{counted, one_line};
use crate::failure::{Failure, shown};
use crate::sys::cmd;

/// The checkout that a clone is to be made of; none where the agent gets none, or the project is in no repository.
pub(super) fn origin(order: &Order<'_>, outside: &Outside) -> Result<Option<String>, Failure> {
    if !order.agent.repository {
        return Ok(None);
    }
    let scope = order.site.scope;
    if cmd::find("git", &outside.environment).is_none() {
        return Err(worktrees::missing());
    }
    let git = Git::of(&outside.environment, &scope.project.root);
    if !git.is_repository()? {
        scope.context.ui.step("The project is in no git repository, so the agent gets no files of it");
        return Ok(None);
    }
    git.top()
}

/// Makes the clone.
pub(super) fn make(order: &Order<'_>, outside: &Outside, top: &str, to: &Path) -> Result<Cloned, Failure> {
    let mut environment = outside.environment.clone();
    environment.set("GIT_LFS_SKIP_SMUDGE", "1");
    environment.set("GIT_TERMINAL_PROMPT", "0");
    Git::of(&environment, &order.site.scope.project.root).clone_for(Path::new(top), to)
}

/// Says what the agent does not get.
pub(super) fn tell(order: &Order<'_>, outside: &Outside, top: &str) {
    let scope = order.site.scope;
    let ui = scope.context.ui;
    let git = Git::of(&outside.environment, Path::new(top));
    // What cannot be told keeps nobody from running.
    let own = [scope.project.lockfile_path(), Path::new(&order.site.settled.known.env_file).to_path_buf()];
    let mut changes = git.changes().unwrap_or_default();
    changes.retain(|change| !change.is_ignored() && !own.contains(&Path::new(top).join(&change.path)));
    if let Some(first) = changes.first() {
        let (number, first) = (counted(changes.len(), "file"), one_line(&first.path));
        let differ = if changes.len() == 1 { "differs" } else { "differ" };
        ui.step(&format!("The agent gets what is committed; {number} here {differ} from that, such as `{first}`"));
    }
    let submodules = git.submodules().unwrap_or_default();
    if !submodules.is_empty() {
        ui.step(&format!(
            "The agent gets no submodules: {}",
            submodules.iter().map(|path| shown(Path::new(path))).collect::<Vec<_>>().join(", ")
        ));
    }
}
