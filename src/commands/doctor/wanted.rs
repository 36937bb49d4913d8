//! What is wanted up and down (D31), with what brings it back. The proxy and the name server are wanted as well; of the latter the
//! check of names tells.

use std::path::Path;
use std::time::Duration;

use super::super::heal;
use crate::failure::quoted;
use crate::parts::context::Context;
use crate::parts::finding::Finding;
use crate::parts::gaps::Gap;
use crate::store::wanted::PROXY;
use crate::store::{proxy, registry};
use crate::sys::together;

/// How long the engine, the processes and the disks may take.
const LIMIT: Duration = Duration::from_secs(4);

/// Asks about every instance of which something is wanted; what does not answer in time finds nothing.
pub(super) fn examine(context: &Context) -> Vec<Finding> {
    let asked = context.clone();
    let answers = together::ask(vec![()], LIMIT, move |()| look(&asked));
    answers.into_iter().flatten().flatten().collect()
}

fn look(context: &Context) -> Vec<Finding> {
    let mut found = Vec::new();
    let wanted = registry::peek(&context.dirs).map(|leases| leases.wanted).unwrap_or_default();
    if wanted.iter().any(|name| name == PROXY) && proxy::running(&context.dirs).is_none() {
        found.push(
            Finding::note("wanted-down", "silo's proxy is wanted up, and does not run")
                .why("No route leads anywhere")
                .remedy("silo heal --all; where it is not wanted: silo proxy down"),
        );
    }
    for down in heal::down(context).unwrap_or_default() {
        let root = Path::new(&down.instance.root);
        let what = |gaps: &[Gap]| {
            let gaps: Vec<String> = gaps.iter().map(|gap| format!("{} ({})", gap.wish.shown(), gap.why)).collect();
            format!("Wanted and down in `{}`: {}", down.instance.name, gaps.join(", "))
        };
        if !down.now.is_empty() {
            found.push(
                Finding::note("wanted-down", what(&down.now))
                    .at(root)
                    .why("What went down by a crash or a reboot stays so until it is brought back")
                    .remedy(format!("silo heal -C {}", quoted(root))),
            );
        }
        if !down.given_up.is_empty() {
            found.push(
                Finding::note("wanted-down", what(&down.given_up))
                    .at(root)
                    .why("It went down again and again, and `silo heal` does not try it any more; its log tells why")
                    .remedy(format!("silo up -d -C {}", quoted(root))),
            );
        }
    }
    found
}
