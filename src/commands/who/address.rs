//! `silo who ADDRESS`: the instance that holds the subnet an address is in, the service it is remembered for, and the container that
//! has it now.

use ::core::net::Ipv4Addr;
use std::path::Path;

use serde_json::json;

use crate::backend::engine::Engine;
use crate::core::leases::{Instance, Leases};
use crate::core::text::source::one_line;
use crate::failure::{Failure, code, shown};
use crate::parts::context::Context;

/// The address that is asked for, where it is one that only a container can have.
pub(super) fn asked(word: &str) -> Option<Ipv4Addr> {
    word.parse().ok().filter(|address: &Ipv4Addr| !address.is_loopback() && !address.is_unspecified())
}

pub(super) fn run(context: &Context, leases: &Leases, address: Ipv4Addr, as_json: bool) -> Result<u8, Failure> {
    let held: Option<&Instance> = leases.holder_of(address);
    let service = held.and_then(|held| held.service_at(address));
    let outside = context.outside();
    // Where no engine answers, what is recorded is told anyway.
    let all = Engine::of(&outside, Path::new("/")).soon().containers(None).unwrap_or_default();
    let container = all.iter().find(|one| one.addresses.values().any(|its| *its == address));
    if as_json {
        context.ui.answer_json(&json!({
            "address": address,
            "subnet": held.and_then(|held| held.subnet),
            "instance": held.map(|held| &held.name),
            "service": service,
            "root": held.map(|held| &held.root),
            "container": container.map(|one| &one.name),
        }))?;
    } else {
        let holder = |held: &Instance| format!("{} ({})", one_line(&held.name), shown(Path::new(&held.root)));
        let mut lines = match (held, service) {
            (Some(held), Some(service)) => vec![format!("The address of {} in {}", one_line(service), holder(held))],
            (Some(held), None) => vec![format!("In the subnet of {}", holder(held))],
            (None, _) => Vec::new(),
        };
        lines.extend(container.map(|one| {
            format!("The container {} of the compose project {} has it", one_line(&one.name), one_line(&one.project))
        }));
        if container.is_none() {
            lines.push(match held {
                Some(_) => "No container of a compose project has it now".to_owned(),
                None => format!("Nobody holds {address}"),
            });
        }
        context.ui.answer(&(lines.join("\n") + "\n"))?;
    }
    Ok(if held.is_none() && container.is_none() { code::FAILURE } else { 0 })
}
