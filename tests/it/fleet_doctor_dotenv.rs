//! `silo doctor` on `.env` files and `.envrc`: what in them is the same in every instance is told, and fixed as told.

use std::fs;

use crate::fleet_doctor::{Clinic, Found};
use crate::sandbox::free_ports;

/// Kind, severity, line and how to fix it.
fn told(found: &[Found]) -> Vec<String> {
    let line = |one: &Found| {
        let place = one.text("place").rsplit('/').next().unwrap_or_default().to_owned();
        format!("{} {} {place}: {}", one.text("severity"), one.id(), one.text("fix"))
    };
    found.iter().map(line).collect()
}

#[test]
fn a_value_that_every_instance_would_share_is_reported_until_it_is_fixed() {
    let clinic = Clinic::new();
    let [web, db] = free_ports();
    let toml = format!("version = 1\n[ports]\nWEB_PORT = {web}\nDB_PORT = {db}\n");
    let app = clinic.sandbox.trusted("app", &toml);
    clinic.sandbox.run(&app, ["env", "x"]).success();
    let env = format!("SECRET=hush\nWEB_PORT={web}\nDATABASE_URL=postgres://me:hush@localhost:{db}/app\nPGPORT={db}\n");
    fs::write(app.join(".env"), env).expect("the project is writable");
    fs::write(app.join(".envrc"), format!("export WEB_PORT={web}\nexport PG=localhost:{db}\n"))
        .expect("it is writable");
    let found = clinic.found(&app, &[]);
    assert_eq!(
        told(&found),
        [
            "note dotenv-name .env:2: Leave the line out, unless what reads it lets the environment win".to_owned(),
            format!(
                "problem dotenv-port .env:3: Below [urls] in silo.toml: DATABASE_URL, with ${{DB_PORT}} for {db}; \
                 then leave the line out"
            ),
            format!(
                "problem dotenv-port .env:4: Below [env] in silo.toml: PGPORT, with ${{DB_PORT}} for {db}; then leave \
                 the line out"
            ),
            "problem dotenv-name .envrc:1: Leave the line out; silo's value is there (silo doc migration)".to_owned(),
            format!("problem dotenv-port .envrc:2: In `PG` write $DB_PORT for {db} (silo doc migration)"),
        ]
    );
    // A password is nobody's to repeat.
    assert!(!clinic.doctor(&app, &[]).stdout.contains("hush"));
    // As told: the variables below the tables it names, the lines left out.
    let toml = format!(
        "{toml}[urls]\nDATABASE_URL = \"postgres://me@localhost:${{DB_PORT}}/app\"\n[env]\nPGPORT = \"${{DB_PORT}}\"\n"
    );
    clinic.sandbox.trusted("app", &toml);
    clinic.sandbox.run(&app, ["env"]).success();
    fs::write(app.join(".env"), "SECRET=hush\n").expect("it is ours");
    fs::write(app.join(".envrc"), "dotenv\nexport PG=localhost:$DB_PORT\n").expect("it is ours");
    assert_eq!(clinic.ids(&app, &[]), [""; 0]);
}

#[test]
fn env_files_of_every_name_and_below_the_root_are_looked_into() {
    let clinic = Clinic::new();
    let app = clinic.project("app");
    let [port] = clinic.sandbox.lockfile_ports(&app).into_values().collect::<Vec<_>>()[..] else { panic!("one port") };
    for folder in ["server", "node_modules"] {
        fs::create_dir(app.join(folder)).expect("the project is writable");
    }
    let line = format!("A_URL=http://localhost:{port}\n");
    for name in ["server/.env", ".dev.vars", ".env.development.local", "node_modules/.env", ".env.example"] {
        fs::write(app.join(name), &line).expect("the project is writable");
    }
    fs::write(app.join("mise.toml"), format!("[env]\nWEB_PORT = {port}\n")).expect("the project is writable");
    fs::write(app.join(".env.local"), format!("# silo: shared\n{line}")).expect("the project is writable");
    let place = |one: &Found| {
        let place = one.text("place");
        format!("{} {}", one.id(), place.strip_prefix(&format!("{}/", app.display())).expect("it is below"))
    };
    let told: Vec<String> = clinic.found(&app, &[]).iter().map(place).collect();
    assert_eq!(
        told,
        [
            "dotenv-port .dev.vars:1",
            "dotenv-port .env.development.local:1",
            "dotenv-name mise.toml:2",
            "dotenv-port server/.env:1"
        ]
    );
    // What cannot be read is said.
    for name in ["server/.env", ".dev.vars", ".env.development.local", ".env.local"] {
        fs::remove_file(app.join(name)).expect("it is ours");
    }
    std::os::unix::fs::symlink("/etc/passwd", app.join("server/.env")).expect("made");
    fs::write(app.join("mise.toml"), "[env\n").expect("it is ours");
    assert_eq!(
        clinic.found(&app, &[]).iter().map(place).collect::<Vec<_>>(),
        ["dotenv-unreadable mise.toml:1", "dotenv-unreadable server/.env"]
    );
}

#[test]
fn ports_where_programs_are_started_are_told() {
    let clinic = Clinic::new();
    let toml = "version = 1\n[ports]\nWEB_PORT = 3000\n";
    let app = clinic.sandbox.trusted("app", toml);
    clinic.sandbox.run(&app, ["env", "x"]).success();
    for folder in ["supabase", "tools"] {
        fs::create_dir(app.join(folder)).expect("the project is writable");
    }
    for (name, text) in [
        ("package.json", "{\"scripts\": {\n\"dev\": \"next dev -p 3000\",\n\"api\": \"API_PORT=3001 node .\"}}"),
        ("Procfile", "web: puma -p $PORT\nadmin: puma -p 5000\n"),
        ("Procfile.dev", "web: rails s -p 3000\n"),
        ("tools/GNUmakefile", "run:\n\t./x --port 3000\n"),
        ("Makefile", "run:\n\tgo run . --port 3000\n\t./x --port 3002 # silo: shared\n"),
        ("supabase/config.toml", "[api]\nport = 54321\n[db]\nport = 54322\n"),
        ("firebase.json", "{"),
        (
            "Tiltfile",
            "k8s_resource('web', port_forwards=3000)\nk8s_resource('api', port_forwards='8000:80', links=['http://localhost:9'])\n",
        ),
    ] {
        fs::write(app.join(name), text).expect("the project is writable");
    }
    let declare = |name: &str, port: u16| format!("   ({name} = {port} below [ports] in silo.toml)");
    let expected = [
        "problem file-port Tiltfile:1: Write int(os.getenv('WEB_PORT', '3000')) for 3000".to_owned(),
        format!(
            "problem file-port Tiltfile:2: Write int(os.getenv('API_PORT', '8000')) for 8000{}",
            declare("API_PORT", 8000)
        ),
        format!("note file-port Tiltfile:2: Write os.getenv('HOST_PORT_9') for 9{}", declare("HOST_PORT_9", 9)),
        "note file-port Makefile:2: Write $${WEB_PORT:-3000} for 3000".to_owned(),
        format!("note file-port Procfile:2: Write ${{ADMIN_PORT:-5000}} for 5000{}", declare("ADMIN_PORT", 5000)),
        "note file-port Procfile.dev:1: Write ${WEB_PORT:-3000} for 3000".to_owned(),
        "note file-unreadable firebase.json:1: Fix the line; until then it is not looked into".to_owned(),
        "note file-port package.json:2: Write ${WEB_PORT:-3000} for 3000".to_owned(),
        format!(
            "note file-port package.json:3: Write ${{HOST_PORT_3001:-3001}} for 3001{}",
            declare("HOST_PORT_3001", 3001)
        ),
        "note file-port config.toml:2: Run them for one worktree at a time, or let all worktrees share them".to_owned(),
        "note file-port GNUmakefile:2: Write $${WEB_PORT:-3000} for 3000".to_owned(),
    ];
    assert_eq!(told(&clinic.found(&app, &[])), expected);
}

#[test]
fn the_env_file_itself_may_be_called_so() {
    let clinic = Clinic::new();
    let [web] = free_ports();
    let app = clinic.sandbox.trusted("app", &format!("version = 1\noutput = \".env\"\n[ports]\nWEB_PORT = {web}\n"));
    clinic.sandbox.run(&app, ["env", "x"]).success();
    assert!(fs::read_to_string(app.join(".env")).expect("it was written").contains("WEB_PORT="));
    assert_eq!(clinic.ids(&app, &[]), [""; 0]);
}
