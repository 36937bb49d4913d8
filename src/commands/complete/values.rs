//! What an argument can be completed with, read where `silo` would act: only read, and without a lock.

use std::path::{Path, PathBuf};

use clap::ArgMatches;
use clap_complete::engine::CompletionCandidate;

use super::super::doc::SCHEMAS;
use crate::cli::Completes;
use crate::core::instance::vars::{TEMPLATE_NAMES, built_in_names};
use crate::core::leases::block::END;
use crate::core::leases::ports::blocks;
use crate::core::leases::{Instance, Leases};
use crate::core::shell::environment::Environment;
use crate::core::text::pages::PAGES;
use crate::failure::shown;
use crate::parts::agents::template;
use crate::parts::services;
use crate::store::agents;
use crate::store::gateway::keys;
use crate::store::project::Project;
use crate::store::{apart, registry, stamp, workspaces as records};
use crate::sys::dirs::{self, Dirs};
use crate::sys::files;

/// Where the command line would act.
pub(super) struct Place {
    /// The folder, as `-C` says.
    pub(super) folder: PathBuf,
    config: Option<PathBuf>,
    dirs: Option<Dirs>,
    environment: Environment,
}

impl Place {
    /// As the words typed so far say.
    pub(super) fn of(environment: &Environment, matches: Option<&ArgMatches>) -> Self {
        let dirs = Dirs::find(environment).ok();
        let path = |name| {
            let path = matches?.try_get_one::<PathBuf>(name).ok()??.clone();
            // The shell has not yet replaced it.
            match (path.strip_prefix("~"), &dirs) {
                (Ok(rest), Some(dirs)) => Some(dirs.home.join(rest)),
                _ => Some(path),
            }
        };
        let folder = dirs::working_folder(environment).unwrap_or_default();
        let folder = path("directory").map_or(folder.clone(), |directory| folder.join(directory));
        Self { config: path("config"), folder, dirs, environment: environment.clone() }
    }

    /// Every candidate, whatever the word begins with.
    pub(super) fn candidates(&self, what: Completes) -> Vec<CompletionCandidate> {
        let found = match what {
            Completes::Name => self.names(),
            Completes::Instance => self.leases().map(|leases| instances(&leases)),
            Completes::Gone => self.leases().map(|leases| gone(&leases)),
            Completes::Workspace => self.dirs.as_ref().map(workspaces),
            Completes::Template => self.dirs.as_ref().map(templates),
            Completes::Profile => self.profiles(),
            Completes::Variable => self.variables().map(|variables| named(variables.into_iter().map(|(name, _)| name))),
            Completes::Url => self.variables().map(|variables| {
                let urls = variables.into_iter().filter(|(_, value)| value.starts_with("http"));
                named(urls.map(|(name, _)| name))
            }),
            Completes::OwnPort => self.project().zip(self.leases()).and_then(|(project, leases)| {
                leases.at(project.root_text()).map(|own| named(own.ports.keys().cloned()))
            }),
            Completes::Port => self.leases().map(|leases| {
                let own = self.project().and_then(|project| leases.at(project.root_text()).cloned());
                let own = named(own.iter().flat_map(|own| own.ports.keys()));
                own.into_iter().chain(ports(&leases)).collect()
            }),
            Completes::Volume => self.volumes(),
            Completes::Key => self.keys(),
            Completes::Agent => Some(self.agents()),
            Completes::Topic => {
                Some(named(PAGES.iter().map(|page| page.topic).chain(SCHEMAS.iter().map(|schema| schema.0))))
            }
        };
        found.unwrap_or_default()
    }

    fn project(&self) -> Option<Project> {
        Project::load(&self.folder, self.config.as_deref()).ok()
    }

    fn leases(&self) -> Option<Leases> {
        let dirs = self.dirs.as_ref()?;
        Some(apart::without(dirs, registry::peek(dirs).ok()?))
    }

    /// The names `silo env NAME` takes: another's is refused while its folder is there (D4).
    fn names(&self) -> Option<Vec<CompletionCandidate>> {
        let (project, leases) = (self.project()?, self.leases()?);
        let own = leases.at(project.root_text()).map(|own| candidate(&own.name, "this project's instance"));
        Some(own.into_iter().chain(gone(&leases)).collect())
    }

    fn profiles(&self) -> Option<Vec<CompletionCandidate>> {
        Some(named(self.project()?.config().ok()?.profiles.into_keys()))
    }

    /// The placeholder keys that were not taken back.
    fn keys(&self) -> Option<Vec<CompletionCandidate>> {
        let keys = keys::load(self.dirs.as_ref()?).ok()?.keys.into_iter();
        Some(keys.filter(|key| key.revoked.is_none()).map(|key| candidate(&key.id, &key.name)).collect())
    }

    /// The agents of this project, templates of agents, and every run.
    fn agents(&self) -> Vec<CompletionCandidate> {
        let settings = self.project().and_then(|project| project.config().ok()?.settings(None));
        let declared = settings.map(|settings| settings.agents.into_iter()).into_iter().flatten();
        let declared = declared.map(|(name, agent)| candidate(&name, agent.lifetime.word()));
        let runs = self.dirs.as_ref().map(agents::all).unwrap_or_default();
        let templates = self.dirs.as_ref().map(template::names).unwrap_or_default();
        let declared = declared.chain(templates.iter().map(|name| candidate(name, "a template")));
        declared.chain(runs.iter().map(|run| candidate(&run.id, run.stage.word()))).collect()
    }

    /// The keys below `volumes:` in the compose files.
    fn volumes(&self) -> Option<Vec<CompletionCandidate>> {
        let project = self.project()?;
        let settings = project.config().ok()?.settings(None)?;
        Some(named(services::volume_keys(&project.root, &settings, &self.environment)))
    }

    /// Names and values: from the stamp where the instance is settled for this very `silo.toml`, else as declared.
    fn variables(&self) -> Option<Vec<(String, String)>> {
        let project = self.project()?;
        let stamp = self.dirs.as_ref().and_then(|dirs| stamp::load(dirs, &project.root));
        let known = stamp.filter(|(stamp, _)| stamp.config == project.digest()).and_then(|(stamp, _)| stamp.instance);
        if let Some(known) = known {
            return Some(known.vars);
        }
        let settings = project.config().ok()?.settings(None)?;
        let own = built_in_names(&settings).into_iter().filter(|name| !TEMPLATE_NAMES.contains(name));
        let own = own.map(|name| (name.to_owned(), String::new()));
        let ports = settings.ports.keys().map(|name| (name.clone(), String::new()));
        let ends = blocks(&settings.ports).into_keys().map(|name| (format!("{name}{END}"), String::new()));
        let ports = ports.chain(ends);
        let texts = settings.hosts.iter().chain(&settings.urls).chain(&settings.env);
        let texts = texts.map(|(name, text)| (name.clone(), text.value.clone()));
        Some(own.chain(ports).chain(texts).collect())
    }
}

fn instances(leases: &Leases) -> Vec<CompletionCandidate> {
    leases.instances.iter().map(|instance| candidate(&instance.name, &root(instance))).collect()
}

fn workspaces(dirs: &Dirs) -> Vec<CompletionCandidate> {
    let all = records::all(dirs);
    all.iter().map(|one| candidate(&one.name, &shown(Path::new(&one.folder)))).collect()
}

fn templates(dirs: &Dirs) -> Vec<CompletionCandidate> {
    let all = files::names_in(&dirs.templates());
    named(all.iter().filter_map(|folder| folder.file_name()?.to_str()))
}

fn gone(leases: &Leases) -> Vec<CompletionCandidate> {
    let gone = leases.instances.iter().filter(|instance| !files::exists(Path::new(&instance.root)));
    gone.map(|instance| candidate(&instance.name, &format!("{} is gone", root(instance)))).collect()
}

fn ports(leases: &Leases) -> Vec<CompletionCandidate> {
    let ports = leases.instances.iter().flat_map(|instance| instance.ports.iter().map(move |port| (instance, port)));
    ports
        .map(|(instance, (name, port))| candidate(&port.to_string(), &format!("{name} of {}", instance.name)))
        .collect()
}

fn root(instance: &Instance) -> String {
    shown(Path::new(&instance.root))
}

fn named<S: AsRef<str>>(names: impl IntoIterator<Item = S>) -> Vec<CompletionCandidate> {
    names.into_iter().map(|name| CompletionCandidate::new(name.as_ref())).collect()
}

/// One candidate with its help; of equal ones the first is shown.
fn candidate(value: &str, help: &str) -> CompletionCandidate {
    CompletionCandidate::new(value).help(Some(help.to_owned().into())).id(Some(format!("value::{value}")))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::core::shell::environment::Environment;
    use crate::store::stamp::{Known, Stamp};
    use crate::sys::writing::{self, Writing};
    use indexmap::IndexMap;

    const TOML: &str = r#"
version = 1
[ports]
WEB_PORT = 3000
[urls]
WEB_URL = "http://${APP_HOST}:${WEB_PORT}"
DATABASE_URL = "postgres://localhost"
[env]
LOG_LEVEL = "debug"
"#;

    /// A home with a project in it, and its folder as the place.
    fn home() -> (tempfile::TempDir, Place) {
        let home = tempfile::tempdir().expect("a folder");
        let folder = files::canonical(home.path()).expect("it was just made");
        let names = ["HOME", "XDG_STATE_HOME", "XDG_DATA_HOME", "PWD"];
        let environment: Environment = names.map(|name| (name, folder.clone())).into_iter().collect();
        let place = Place { folder: folder.clone(), ..Place::of(&environment, None) };
        writing::replace(&folder.join("silo.toml"), TOML.as_bytes(), Writing::PRIVATE).expect("it is writable");
        (home, place)
    }

    /// Values, with their help behind a space.
    fn offered(place: &Place, what: Completes) -> Vec<String> {
        let line = |candidate: CompletionCandidate| {
            let help = candidate.get_help().map(|help| format!(" {help}")).unwrap_or_default();
            candidate.get_value().to_string_lossy().into_owned() + &help
        };
        place.candidates(what).into_iter().map(line).collect()
    }

    #[test]
    fn variables_are_those_of_the_stamp_else_those_declared() {
        let (_home, place) = home();
        let declared = offered(&place, Completes::Variable);
        assert_eq!(declared[0], "WORKSPACE_NAME");
        assert_eq!(declared[declared.len() - 5..], ["WEB_PORT", "APP_HOST", "WEB_URL", "DATABASE_URL", "LOG_LEVEL"]);
        assert_eq!(offered(&place, Completes::Url), ["WEB_URL"]);

        let dirs = place.dirs.as_ref().expect("there is a home");
        let project = place.project().expect("it is there");
        let vars = [("SILO_ACTIVE", "1"), ("A_URL", "https://a"), ("B_URL", "ftp://b")];
        let known = Known {
            name: "x".into(),
            vars: vars.map(|(name, value)| (name.to_owned(), value.to_owned())).into(),
            ..Known::default()
        };
        let stamp = Stamp { config: project.digest(), trust: "allowed".into(), instance: Some(known) };
        stamp::save(dirs, &project.root, &stamp, project.modified).expect("it is writable");
        assert_eq!(offered(&place, Completes::Variable), ["SILO_ACTIVE", "A_URL", "B_URL"]);
        assert_eq!(offered(&place, Completes::Url), ["A_URL"]);
        writing::append(&project.file, "# another\n").expect("it is writable");
        assert_eq!(offered(&place, Completes::Variable), declared, "the stamp is of another silo.toml");
    }

    #[test]
    fn ports_and_instances_are_those_of_the_registry() {
        let (home, place) = home();
        for what in [Completes::Instance, Completes::Port] {
            assert_eq!(offered(&place, what), [""; 0], "without a registry");
        }
        let instance = |name: &str, port| Instance {
            root: home.path().join(name).display().to_string(),
            name: name.into(),
            ports: IndexMap::from([("WEB_PORT".to_owned(), port)]),
            ..Instance::default()
        };
        let leases = Leases::of(vec![instance("b", 3001), instance("a", 3000)]);
        let dirs = place.dirs.as_ref().expect("there is a home");
        files::make_folder(&dirs.state).expect("it is writable");
        let path = dirs.state.join("registry.toml");
        writing::replace(&path, leases.render().as_bytes(), Writing::PRIVATE).expect("it is writable");
        assert_eq!(offered(&place, Completes::Port), ["3001 WEB_PORT of b", "3000 WEB_PORT of a"]);
        let home = home.path().display();
        assert_eq!(offered(&place, Completes::Instance), [format!("b {home}/b"), format!("a {home}/a")]);
        files::make_folder(&place.folder.join("b")).expect("it is writable");
        assert_eq!(offered(&place, Completes::Gone), [format!("a {home}/a is gone")], "what lives is not pruned");
    }

    #[test]
    fn volumes_are_those_of_the_compose_files() {
        let (_home, place) = home();
        assert_eq!(offered(&place, Completes::Volume), [""; 0], "without a compose file");
        let text = "services: {}\nvolumes: { data: {}, theirs: { external: true }, more: { name: shop-more } }\n";
        writing::replace(&place.folder.join("compose.yaml"), text.as_bytes(), Writing::PRIVATE)
            .expect("it is writable");
        assert_eq!(offered(&place, Completes::Volume), ["data", "more"]);
    }

    #[test]
    fn topics_are_pages_below_docs() {
        let (_home, place) = home();
        let pages = Path::new(env!("CARGO_MANIFEST_DIR")).join("docs");
        let topics = offered(&place, Completes::Topic);
        let (topics, schemas) = topics.split_at(PAGES.len());
        assert_eq!(schemas, ["schema", "settings-schema", "gateway-schema"]);
        assert!(topics.iter().all(|topic| files::is_file(&pages.join(format!("{topic}.md")))), "{topics:?}");
    }
}
