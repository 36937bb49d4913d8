//! `silo doctor` on compose files and Tiltfiles: what it says to write works when it is written, and a file it cannot look
//! into is told.

use std::fs;
use std::os::unix::fs::symlink;
use std::path::Path;

use crate::fleet_doctor::{Clinic, Found};

/// The line of each finding and how to fix it.
fn remedies(found: &[Found]) -> Vec<String> {
    let line = |one: &Found| one.text("place").rsplit(':').next().unwrap_or_default().to_owned();
    found.iter().map(|one| format!("{} {}", line(one), one.text("fix"))).collect()
}

/// Puts something at a path.
type Make<'a> = &'a dyn Fn(&Path);

/// What stands between two texts.
fn between<'a>(text: &'a str, before: &str, after: &str) -> Option<&'a str> {
    Some(text.split_once(before)?.1.split_once(after)?.0)
}

#[test]
fn host_ports_get_a_variable_each_and_the_file_works_once_that_is_written() {
    let clinic = Clinic::new();
    let toml = "version = 1\n[ports]\nDB_PORT = 5432\n";
    let app = clinic.sandbox.trusted("app", toml);
    clinic.sandbox.run(&app, ["env", "x"]).success();
    let written = "services:
  db:
    ports:
      - \"5432:5432\"
      - 8080:80
      - \"127.0.0.1:9090:90\"
      - target: 7000
        published: 7001
  web:
    ports: [\"3000:3000\"]
";
    fs::write(app.join("compose.yaml"), written).expect("the project is writable");
    // Another file has a service of the same name: no name is given twice.
    let more = "services:\n  web:\n    ports:\n      - \"3001-3002:3001-3002\"\n";
    fs::write(app.join("compose.override.yaml"), more).expect("the project is writable");
    let found = clinic.found(&app, &[]);
    assert_eq!(
        remedies(&found),
        [
            "4 Write: \"${DB_PORT}:5432\"",
            "5 Write: \"${DB_8080_PORT}:80\"   (DB_8080_PORT = 8080 below [ports] in silo.toml)",
            "6 Write: \"127.0.0.1:${DB_9090_PORT}:90\"   (DB_9090_PORT = 9090 below [ports] in silo.toml)",
            "8 Write: published: \"${DB_7001_PORT}\"   (DB_7001_PORT = 7001 below [ports] in silo.toml)",
            "10 Write: \"${WEB_3000_PORT}:3000\"   (WEB_3000_PORT = 3000 below [ports] in silo.toml)",
            "4 Give each of the 2 ports a line and a variable of its own, the first: \"${WEB_3001_PORT}:3001\"   \
             (WEB_3001_PORT = 3001 below [ports] in silo.toml)",
        ]
    );
    assert!(found[5].text("what").starts_with("The host ports in `3001-3002:3001-3002` of the service `web` are"));
    // As somebody would who does what it says.
    let mut lines: Vec<String> = written.lines().map(str::to_owned).collect();
    let mut toml = toml.to_owned();
    for (one, told) in found[..5].iter().zip(remedies(&found)) {
        let at = told.split_once(' ').and_then(|(line, _)| line.parse::<usize>().ok()).expect("it has a line") - 1;
        let instead = told.split_once("Write: ").expect("it says so").1.split("   (").next().expect("it is there");
        let value = between(&one.text("what"), "`", "`").expect("it is named").to_owned();
        let old = [format!("published: {value}"), format!("\"{value}\""), value]
            .into_iter()
            .find(|old| lines[at].contains(old.as_str()))
            .expect("it is in that line");
        lines[at] = lines[at].replace(&old, instead);
        toml += &between(&told, "   (", " below").map(|line| format!("{line}\n")).unwrap_or_default();
    }
    fs::write(app.join("compose.yaml"), lines.join("\n")).expect("it is ours");
    let more = more.replace("3001-3002:3001-3002", "${WEB_3001_PORT}:3001\"\n      - \"${WEB_3002_PORT}:3002");
    fs::write(app.join("compose.override.yaml"), more).expect("it is ours");
    clinic.sandbox.trusted("app", &(toml + "WEB_3001_PORT = 3001\nWEB_3002_PORT = 3002\n"));
    clinic.sandbox.run(&app, ["env"]).success();
    assert_eq!(clinic.ids(&app, &[]), [""; 0]);
    let vars = fs::read_to_string(app.join(".localnet.env")).expect("it was written");
    for name in ["DB_PORT", "DB_8080_PORT", "DB_9090_PORT", "DB_7001_PORT", "WEB_3000_PORT", "WEB_3002_PORT"] {
        assert!(vars.contains(&format!("{name}=")), "no {name} in {vars}");
    }
}

#[test]
fn a_port_silo_leases_for_itself_and_a_name_that_is_taken_are_not_told() {
    let clinic = Clinic::new();
    let toml =
        "version = 1\n[ports]\nTILT_PORT = 10350\nWEB_PORT = 0\n[k3d]\nenabled = true\n[urls]\nDB_PORT = \"x\"\n";
    let app = clinic.sandbox.trusted("app", toml);
    let ports = |name: &str, port: &str| format!("  {name}:\n    ports: [\"{port}\"]\n");
    let services =
        [("tilt", "10350:80"), ("k3d-registry", "5000:5000"), ("web", "80:80"), ("db", "5432:5432"), ("api", "81:81")];
    let text: String = services.iter().map(|(name, port)| ports(name, port)).collect();
    fs::write(app.join("compose.yaml"), format!("services:\n{text}")).expect("the project is writable");
    let mut found = clinic.found(&app, &[]);
    found.retain(|one| one.id() == "compose-port");
    let told: Vec<String> =
        found.iter().map(|one| between(&one.text("fix"), "   (", " =").expect("it is new").to_owned()).collect();
    assert_eq!(told, ["TILT_10350_PORT", "K3D_REGISTRY_5000_PORT", "WEB_80_PORT", "DB_5432_PORT", "API_PORT"]);
}

#[test]
fn a_port_from_a_variable_that_nothing_sets_is_told() {
    let clinic = Clinic::new();
    let app = clinic.project("app");
    let ports = "[\"${WEB_PORT}:1\", \"${FROM_ENV}:3\", \"$$X:4\",\n      \"127.0.0.1:$DB_PORT:5\"]\n";
    fs::write(app.join("compose.yaml"), format!("services:\n  web:\n    ports: {ports}")).expect("it is writable");
    fs::write(app.join(".env"), "export FROM_ENV=$X\n").expect("it is writable");
    let path = app.join("compose.yaml:4");
    let remedy = "Declare it below [ports] in silo.toml; the names silo sets already: silo diff";
    clinic.only(&app, "compose-unset").counts_as_a_note().tells("Nothing sets `DB_PORT`", Some(&path), remedy);
    assert_eq!(clinic.found_with(&app, &[], &[("DB_PORT", "7")]).len(), 0);
}

#[test]
fn a_default_that_nobody_changes_is_told_until_it_is_declared() {
    let clinic = Clinic::new();
    let toml = "version = 1\n[ports]\nAPI_PORT = 0\n";
    let app = clinic.sandbox.trusted("app", toml);
    clinic.sandbox.git(&app, ["init", "-q"]);
    fs::write(app.join(".gitignore"), ".localnet.env\n.silo.lock\n").expect("the project is writable");
    clinic.sandbox.run(&app, ["env", "x"]).success();
    let compose = "services:\n  web:\n    container_name: ${WEB_NAME:-web}\n    ports:\n      - \"${WEB_PORT:-8300}:80\"\n\
                   \x20     - \"${API_PORT:-8081}:81\"\n      - target: 90\n        published: ${DB_PORT:-5300}\n";
    fs::write(app.join("compose.yaml"), compose).expect("the project is writable");
    let remedies_of = |variables: &[(&str, &str)]| remedies(&clinic.found_with(&app, &[], variables));
    let name = "3 Below [env] in silo.toml: WEB_NAME = \"${CONTAINER_PREFIX}web\"";
    let (web, db) = ("5 Below [ports] in silo.toml: WEB_PORT = 8300", "8 Below [ports] in silo.toml: DB_PORT = 5300");
    let found = clinic.found(&app, &[]);
    assert_eq!(remedies(&found), [name, web, db]);
    let what = "The host port in `${WEB_PORT:-8300}:80` of the service `web` is `8300`, the same in every instance: nothing \
                sets `WEB_PORT`";
    assert_eq!(found[1].text("what"), what);
    // What the shell or this folder's own file sets may differ; what all worktrees have from git does not.
    assert_eq!(remedies_of(&[("WEB_PORT", "1"), ("DB_PORT", "2")]), [name]);
    fs::write(app.join(".env"), "DB_PORT=5301\n").expect("the project is writable");
    assert_eq!(remedies_of(&[]), [name, web]);
    clinic.sandbox.git(&app, ["add", "-f", ".env"]);
    let found = clinic.found(&app, &[]);
    assert_eq!(remedies(&found)[1..], [web, "8 Below [ports] in silo.toml: DB_PORT = 5301"]);
    assert!(found[2].text("what").ends_with("every instance: all worktrees share the file that sets `DB_PORT`"));
    clinic.sandbox.git(&app, ["rm", "-q", "--cached", ".env"]);
    fs::rename(app.join(".env"), clinic.sandbox.dir("shared.env")).expect("it is ours");
    symlink("../shared.env", app.join(".env")).expect("made");
    assert_eq!(remedies_of(&[])[2], "8 Below [ports] in silo.toml: DB_PORT = 5301");
    fs::remove_file(app.join(".env")).expect("it was made");
    // As told, and the file stays as it is.
    let toml = format!("{toml}WEB_PORT = 8300\nDB_PORT = 5300\n[env]\nWEB_NAME = \"${{CONTAINER_PREFIX}}web\"\n");
    clinic.sandbox.trusted("app", &toml);
    clinic.sandbox.run(&app, ["env"]).success();
    assert_eq!(clinic.ids(&app, &[]), [""; 0]);
}

/// What an included file has of its own: the `.env` beside it, and `env_file`; so has one below the root that compose is run with.
#[test]
fn variables_have_the_values_that_compose_reads_for_that_file() {
    let clinic = Clinic::new();
    let app = clinic.project("app");
    clinic.sandbox.git(&app, ["init", "--quiet"]);
    let port = |name: &str| format!("services:\n  {name}:\n    ports: ['${{{name}_PORT:-7001}}:80']\n");
    let write = |name: &str, text: &str| {
        let path = app.join(name);
        fs::create_dir_all(path.parent().expect("it has one")).expect("the project is writable");
        fs::write(path, text).expect("the project is writable");
    };
    let include = "include:\n  - infra/one.yml\n  - { path: two.yml, env_file: infra/two.env }\nservices:\n  x:\n    \
                   extends: { file: base/three.yml, service: THREE }\n";
    write("compose.yaml", include);
    for (file, name, values) in [
        ("infra/one.yml", "ONE", "infra/.env"),
        ("two.yml", "TWO", "infra/two.env"),
        ("base/three.yml", "THREE", "base/.env"),
        ("server/compose.yml", "FOUR", "server/.env"),
    ] {
        write(file, &port(name));
        write(values, &format!("{name}_PORT=7100 # of this folder\n"));
    }
    clinic.sandbox.git(&app, ["add", "infra/two.env"]);
    let found: Vec<String> = clinic
        .found(&app, &[])
        .iter()
        .filter(|one| one.text("id") == "compose-port")
        .map(|one| one.text("what"))
        .collect();
    assert_eq!(
        found,
        [
            "The host port in `${TWO_PORT:-7001}:80` of the service `TWO` is `7100`, the same in every instance: all worktrees share the file that sets `TWO_PORT`",
            "The host port in `${THREE_PORT:-7001}:80` of the service `THREE` is `7001`, the same in every instance: nothing sets `THREE_PORT`",
        ]
    );
}

#[test]
fn the_files_compose_would_read_are_read_wherever_they_are() {
    let clinic = Clinic::new();
    let app = clinic.project("app");
    let [web] = clinic.sandbox.lockfile_ports(&app).into_values().collect::<Vec<_>>()[..] else { panic!("one port") };
    let port = |number: u16| format!("services:\n  s{number}:\n    ports: ['{number}:80']\n");
    let write = |name: &str, text: &str| {
        let path = app.join(name);
        fs::create_dir_all(path.parent().expect("it has one")).expect("the project is writable");
        fs::write(path, text).expect("the project is writable");
    };
    write(
        "compose.yaml",
        &format!("include: [deploy/more.yml]\n{}    extends: {{ file: base.yml, service: x }}\n", port(7001)),
    );
    write("deploy/more.yml", &port(7002));
    write("base.yml", &port(7003));
    write("server/docker-compose.yml", &port(7004));
    for elsewhere in
        ["node_modules/x/compose.yaml", ".hidden/compose.yaml", "a/b/c/d/compose.yaml", "other/compose.yaml"]
    {
        write(elsewhere, &port(7009));
    }
    write("other/silo.toml", "");
    symlink("/", app.join("away")).expect("made");
    let ports = || -> Vec<String> {
        let found = clinic.found(&app, &[]);
        found.iter().map(|one| between(&one.text("what"), "`", ":").expect("a port").to_owned()).collect()
    };
    assert_eq!(ports(), ["7001", "7004", "7002", "7003"]);
    // What `COMPOSE_FILE` names is read in place of the usual names, and a later one replaces what it says it does.
    write(".env", "COMPOSE_FILE=one.yml:two.yml\n");
    write("one.yml", "services:\n  a:\n    container_name: x\n    ports: ['7005:80']\n  b:\n    ports: ['7006:80']\n");
    write(
        "two.yml",
        "services:\n  a:\n    container_name: !reset null\n    ports: !override ['7007:80']\n  b:\n    ports: ['7008:80']\n",
    );
    assert_eq!(ports(), ["7006", "7007", "7008", "7004"]);
    // An address of this machine in a service's settings is one instance's.
    write(
        "one.yml",
        &format!(
            "services:\n  a:\n    environment:\n      URL: http://localhost:{web}\n      DB: http://localhost:1\n"
        ),
    );
    write("two.yml", "");
    write("server/docker-compose.yml", "");
    let path = app.join("one.yml:4");
    let what = format!("`URL` of the service `a` names the port {web} of `WEB_PORT`");
    clinic.only(&app, "compose-address").counts_as_a_note().tells(
        &what,
        Some(&path),
        &format!("Write ${{WEB_PORT}} for {web}"),
    );
    // It is said in place that this is meant.
    write(
        "one.yml",
        &format!("services:\n  a:\n    environment:\n      # silo: shared\n      URL: http://localhost:{web}\n"),
    );
    write("two.yml", "services:\n  a:\n    ports: ['7007:80'] # silo: shared\n");
    assert_eq!(clinic.ids(&app, &[]), [""; 0]);
}

#[test]
fn a_project_with_more_files_than_are_looked_into_is_told_so() {
    let clinic = Clinic::new();
    let app = clinic.project("app");
    for number in 0..70 {
        let folder = app.join(format!("f{number}"));
        fs::create_dir(&folder).expect("the project is writable");
        fs::write(folder.join("compose.yaml"), "include: [../f0/compose.yaml]\n").expect("the project is writable");
    }
    clinic.only(&app, "files-left-out").counts_as_a_note();
}

#[test]
fn a_file_that_cannot_be_looked_into_is_told() {
    let clinic = Clinic::new();
    let app = clinic.project("app");
    let make: [(&str, Make<'_>); 4] = [
        ("it is not a plain file", &|path| nix::unistd::mkfifo(path, nix::sys::stat::Mode::S_IRWXU).expect("made")),
        ("a link leads out of the project", &|path| symlink("/dev/zero", path).expect("made")),
        ("it is larger than 1024 KiB", &|path| fs::write(path, vec![b'#'; 2 * 1024 * 1024]).expect("made")),
        ("Too many levels of symbolic links", &|path| symlink("compose.yaml", path).expect("made")),
    ];
    for (why, make) in make {
        let path = app.join("compose.yaml");
        make(&path);
        let remedy = format!("ls -lLd {}", path.display());
        clinic.only(&app, "compose-unreadable").counts_as_a_note().cannot_be_fixed().tells(why, Some(&path), &remedy);
        fs::remove_file(&path).expect("it was made");
        let path = app.join("Tiltfile");
        if !why.contains("link") {
            make(&path);
            let remedy = format!("ls -lLd {}", path.display());
            clinic.only(&app, "tiltfile-unreadable").counts_as_a_note().tells(why, Some(&path), &remedy);
            fs::remove_file(&path).expect("it was made");
        }
    }
    // One that is named and is not there is not silo's to miss, nor is a link to nothing.
    fs::write(app.join("Tiltfile"), "load('./none', 'x')\n").expect("it is ours");
    symlink("nowhere", app.join("compose.yaml")).expect("made");
    assert_eq!(clinic.ids(&app, &[]), [""; 0]);
}

#[test]
fn what_the_override_takes_away_is_no_problem_but_where_a_tiltfile_starts_the_services() {
    let clinic = Clinic::new();
    let app = clinic.sandbox.trusted("app", "version = 1\n[compose.ports]\nDB_PORT = \"db:5432\"\n");
    clinic.sandbox.run(&app, ["env", "x"]).success();
    let file = "name: mine\nservices:\n  db:\n    container_name: db\n    ports: [\"5432:5432\"]\nvolumes:\n  d:\n    name: d\n";
    fs::write(app.join("compose.yaml"), file).expect("the project is writable");
    assert_eq!(clinic.ids(&app, &[]), [""; 0]);
    fs::write(app.join("Tiltfile"), "docker_compose('compose.yaml')\n").expect("the project is writable");
    let ids = clinic.ids(&app, &[]);
    for id in ["compose-container-name", "compose-port", "compose-name", "compose-project", "compose-bare"] {
        assert!(ids.iter().any(|one| one == id), "{id}: {ids:?}");
    }
}
