//! Which run is meant.

use crate::core::agents::record::{Run, Stage};
use crate::core::text::source::one_line;
use crate::core::text::suggest::nearest;
use crate::failure::Failure;
use crate::parts::context::Context;
use crate::store::agents;

/// The run of an ID; else the one run of an agent of that name, those that go on first, those of this folder's project first.
pub(super) fn find(context: &Context, name: &str) -> Result<Run, Failure> {
    let all = agents::all(&context.dirs);
    if let Some(run) = all.iter().find(|run| run.id == name) {
        return Ok(run.clone());
    }
    // Where a record cannot be read, that is said.
    if crate::core::agents::names::is_id(name) {
        agents::load(&context.dirs, name)?;
    }
    let here = |run: &&Run| context.folder.starts_with(&run.root);
    let of_name: Vec<&Run> = all.iter().filter(|run| run.agent == name).collect();
    let goes_on = |run: &&Run| run.stage != Stage::Ended;
    for chosen in [
        of_name.iter().copied().filter(here).filter(goes_on).collect::<Vec<_>>(),
        of_name.iter().copied().filter(here).collect(),
        of_name.iter().copied().filter(goes_on).collect(),
        of_name.clone(),
    ] {
        match chosen[..] {
            [] => {}
            [run] => return Ok(run.clone()),
            _ => {
                let ids: Vec<&str> = chosen.iter().map(|run| run.id.as_str()).collect();
                return Err(Failure::new(format!("The agent `{name}` has several runs"))
                    .hint(format!("Name one by its ID: {}", ids.join(", "))));
            }
        }
    }
    let failure = Failure::new(format!("There is no run `{}`", one_line(name)));
    let near = nearest(name, all.iter().map(|run| run.id.as_str()));
    let failure = near.iter().fold(failure, |failure, near| failure.hint(format!("The nearest one is `{near}`")));
    Err(failure.hint("See what there is: `silo agent list`"))
}
