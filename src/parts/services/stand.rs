//! How services stand that can be wanted (D31).

use crate::backend::engine::{Container, Engine, Health};
use crate::core::leases::{Instance, Wish};
use crate::failure::Failure;
use crate::parts::part::{How, Stand};
use crate::parts::ready;

/// The column, by which what is wanted names them.
pub(super) const COLUMN: &str = "services";

/// How the services of some containers stand, by what was listed.
pub(super) fn stands(containers: &[&Container]) -> Vec<Stand> {
    let mut stands: Vec<Stand> = Vec::new();
    for container in containers {
        let how = how(container);
        let wish = Wish::of(COLUMN, &container.service);
        match stands.iter_mut().find(|stand| stand.wish == wish) {
            // Of several containers of a service, one that is down counts.
            Some(stand) if matches!(how, How::Down(_)) => *stand = Stand { wish, how, mark: container.id.clone() },
            Some(_) => {}
            None => stands.push(Stand { wish, how, mark: container.id.clone() }),
        }
    }
    stands
}

fn how(container: &Container) -> How {
    match (container.state.as_str(), container.known_health()) {
        // One that was made and never started: whoever made it was cut off.
        ("created", _) => How::Down("it was made and never started".to_owned()),
        // One that is paused was so by the user.
        ("paused", _) | (_, Some(Health::Ready | Health::Starting)) => How::Up,
        (_, None | Some(Health::Done)) => How::Ended,
        (_, Some(Health::Unhealthy)) => How::Unhealthy,
        (_, Some(Health::Down)) => How::Down(container.status.clone()),
    }
}

/// Why a service that does not run is not to be brought back; none where it is.
pub(super) fn left(engine: Engine<'_>, stand: &Stand) -> Option<&'static str> {
    // What has no container has no policy of its own.
    let policy = if stand.mark.is_empty() { None } else { engine.restart_policy(&stand.mark) };
    match (policy.as_deref(), &stand.how) {
        (Some("always" | "unless-stopped"), _) => Some("the engine starts it again, as its restart policy says"),
        (_, How::Ended) if !engine.has_ended_with(&stand.mark) => Some("it has done its work"),
        (Some("on-failure"), _) => Some("the engine starts it again, as its restart policy says"),
        _ => None,
    }
}

/// That a service is down which is waited for.
pub(super) fn does_not_run(service: &str, status: &str) -> Failure {
    Failure::new(format!("The service `{service}` does not run: {status}"))
        .hint(format!("See why: `{}`", ready::logs_line(Some(service))))
}

/// Whether all use of an instance's services from outside of them shows in the connections of this machine. What is published on
/// another address than loopback is passed on by the kernel alone, and UDP has no connections; without a port or an address nobody can
/// connect at all, so that the services do something else.
pub(super) fn shows_use(containers: &[&Container], instance: &Instance) -> bool {
    let mut published = containers.iter().flat_map(|one| &one.ports).filter(|port| port.contains("->")).peekable();
    let is_reached = published.peek().is_some() || instance.subnet.is_some();
    let shows = |port: &String| port.starts_with("127.") && port.ends_with("/tcp");
    is_reached && published.all(shows)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn use_shows_where_something_is_published_on_loopback_alone() {
        let with = |ports: &[&str]| {
            let ports = ports.iter().map(|port| (*port).to_owned()).collect();
            Container { ports, ..Container::default() }
        };
        let shows = |ports: &[&str]| shows_use(&[&with(ports), &with(&["80/tcp"])], &Instance::default());
        assert!(shows(&["127.0.0.1:5432->5432/tcp"]));
        for ports in
            [&[][..], &["5432/tcp"], &["0.0.0.0:5432->5432/tcp"], &["127.0.0.1:53->53/udp"], &["[::]:80->80/tcp"]]
        {
            assert!(!shows(ports), "{ports:?}");
        }
        assert!(!shows(&["127.0.0.1:1->1/tcp", "192.0.2.1:2->2/tcp"]));
        let subnet = Instance { subnet: "10.224.3.0/24".parse().ok(), ..Instance::default() };
        assert!(shows_use(&[&with(&[])], &subnet));
    }
}
