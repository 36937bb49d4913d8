//! What is wanted and what was observed, compared (D31). Nothing is asked here and nothing is done.

use super::seen::{How, PartState};
use crate::core::leases::Wish;

/// Something that is wanted and not up.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Gap {
    /// What.
    pub wish: Wish,
    /// Its state instead.
    pub why: String,
    /// By what its part knows what is left of it; empty where nothing is.
    pub mark: String,
}

/// How what is wanted of an instance stands.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Compared {
    /// What is not up.
    pub gaps: Vec<Gap>,
    /// What has ended with success: whether that was all it has to do, its part knows.
    pub ended: Vec<Gap>,
    /// What runs and is not well.
    pub unwell: Vec<Wish>,
    /// What is not known, and why.
    pub unknown: Vec<(Wish, String)>,
}

/// Compares what is wanted of an instance with its parts as they were observed, by their columns.
pub fn compare(wanted: &[&Wish], parts: &[(&'static str, Option<PartState>)]) -> Compared {
    let mut compared = Compared::default();
    for wish in wanted {
        let part = parts.iter().find(|(column, _)| *column == wish.column());
        let state = part.and_then(|(_, state)| state.as_ref());
        if let Some(why) = state.and_then(|state| state.silent.clone()) {
            compared.unknown.push(((*wish).clone(), why));
            continue;
        }
        let found = state.into_iter().flat_map(|state| &state.stands).find(|stand| stand.wish == **wish);
        let gap = |why: &str| {
            let mark = found.map(|stand| stand.mark.clone()).unwrap_or_default();
            Gap { wish: (*wish).clone(), why: why.to_owned(), mark }
        };
        match found.map(|stand| &stand.how) {
            None => compared.gaps.push(gap("it is not there")),
            Some(How::Down(why)) => compared.gaps.push(gap(why)),
            Some(How::Ended) => compared.ended.push(gap("it has ended with success")),
            Some(How::Unhealthy) => compared.unwell.push((*wish).clone()),
            Some(How::Up) => {}
        }
    }
    compared
}

#[cfg(test)]
mod tests {
    use super::super::seen::Stand;
    use super::*;

    #[test]
    fn each_wish_is_up_missing_ended_unwell_or_unknown() {
        let stand = |name: &str, how| Stand { wish: Wish::of("services", name), how, mark: format!("c-{name}") };
        let stands = vec![
            stand("db", How::Up),
            stand("web", How::Down("exited (137)".into())),
            stand("migrate", How::Ended),
            stand("mail", How::Unhealthy),
            stand("unasked", How::Down("exited (1)".into())),
        ];
        let services = PartState { stands, ..PartState::default() };
        let cluster = PartState { silent: Some("no answer".into()), ..PartState::default() };
        let wanted: Vec<Wish> = ["db", "web", "migrate", "mail", "gone"]
            .map(|name| Wish::of("services", name))
            .into_iter()
            .chain(["cluster", "tilt"].map(Wish::part))
            .collect();
        let parts = [("services", Some(services)), ("cluster", Some(cluster)), ("tilt", None)];
        let Compared { gaps, ended, unwell, unknown } = compare(&wanted.iter().collect::<Vec<_>>(), &parts);
        let told =
            |gaps: &[Gap]| gaps.iter().map(|gap| format!("{} {} {}", gap.wish, gap.why, gap.mark)).collect::<Vec<_>>();
        assert_eq!(
            told(&gaps),
            ["services:web exited (137) c-web", "services:gone it is not there ", "tilt it is not there "]
        );
        assert_eq!(told(&ended), ["services:migrate it has ended with success c-migrate"]);
        assert_eq!(unwell, [Wish::of("services", "mail")]);
        assert_eq!(unknown, [(Wish::part("cluster"), "no answer".to_owned())]);
        assert_eq!(compare(&[], &parts), Compared::default());
    }
}
