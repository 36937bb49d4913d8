//! `silo doctor` on `.env` files and `.envrc`: what in them is the same in every instance is told, and mended as told.

use std::fs;

use crate::fleet_doctor::{Clinic, Found};
use crate::sandbox::free_ports;

/// Kind, severity, line and what mends it.
fn told(found: &[Found]) -> Vec<String> {
    let line = |one: &Found| {
        let place = one.text("place").rsplit('/').next().unwrap_or_default().to_owned();
        format!("{} {} {place}: {}", one.text("severity"), one.id(), one.text("mend"))
    };
    found.iter().map(line).collect()
}

#[test]
fn a_value_that_every_instance_would_share_is_told_until_it_is_mended() {
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
fn the_env_file_itself_may_be_called_so() {
    let clinic = Clinic::new();
    let [web] = free_ports();
    let app = clinic.sandbox.trusted("app", &format!("version = 1\noutput = \".env\"\n[ports]\nWEB_PORT = {web}\n"));
    clinic.sandbox.run(&app, ["env", "x"]).success();
    assert!(fs::read_to_string(app.join(".env")).expect("it was written").contains("WEB_PORT="));
    assert_eq!(clinic.ids(&app, &[]), [""; 0]);
}
