//! Roles of agents on a real Postgres: each reads all and writes its own, and nothing that it tries reaches further.

use std::collections::BTreeSet;
use std::thread;

use crate::memory::{Postgres, Scene, psql};

/// How many agents write at once.
const WRITERS: usize = 32;
/// How many findings each writes.
const EACH: usize = 8;

/// The role in an address.
fn role_in(address: &str) -> &str {
    address.split_once("://").and_then(|(_, rest)| rest.split_once(':')).expect("it has a user").0
}

/// What an agent writes, a transaction each.
fn writes(number: usize) -> String {
    let one =
        |finding| format!("INSERT INTO silo_memory.findings (title, body) VALUES ('t', 'w{number} f{finding}');\n");
    (0..EACH).map(one).collect::<Vec<_>>().concat()
}

#[test]
fn of_32_writers_at_once_no_row_is_lost_and_none_reaches_the_rows_of_another() {
    let server = Postgres::shared();
    let database = server.database();
    let scene = Scene::new(&server.file(&database));
    // All at once, from the first user of an empty database on.
    let addresses: Vec<String> = thread::scope(|scope| {
        let made: Vec<_> = (0..WRITERS)
            .map(|number| {
                let scene = &scene;
                scope.spawn(move || scene.role(&format!("agent-{number}")))
            })
            .collect();
        made.into_iter().map(|made| made.join().expect("each gets its role")).collect()
    });
    let roles: BTreeSet<&str> = addresses.iter().map(|address| role_in(address)).collect();
    assert_eq!(roles.len(), WRITERS, "each has its own: {roles:?}");
    thread::scope(|scope| {
        let written: Vec<_> =
            addresses.iter().enumerate().map(|(number, at)| scope.spawn(move || psql(at, &writes(number)))).collect();
        for one in written {
            let (_, told, succeeded) = one.join().expect("it comes to its end");
            assert!(succeeded, "{told}");
        }
    });
    let sums =
        server.sql(&database, "SELECT count(*), count(DISTINCT body), count(DISTINCT role) FROM silo_memory.findings");
    assert_eq!(sums.trim(), format!("{0}|{0}|{WRITERS}", WRITERS * EACH));
    // Each has the name of who wrote it, and its silo sees them all.
    let strange = "SELECT count(*) FROM silo_memory.findings WHERE 'agent-' || substr(split_part(body, ' ', 1), 2) <> agent \
                   OR instance <> 'feature-x'";
    assert_eq!(server.sql(&database, strange).trim(), "0");
    assert_eq!(scene.list(&["--agent", "agent-7"]).len(), EACH);

    let (own, other) = (&addresses[0], role_in(&addresses[1]));
    let (read, told, _) = psql(own, "SELECT count(*) FROM silo_memory.findings");
    assert_eq!(read.trim(), (WRITERS * EACH).to_string(), "it reads all: {told}");
    let dump = "SELECT md5(string_agg(f::text, '' ORDER BY id)) FROM silo_memory.findings f WHERE agent <> 'agent-0'";
    let before = server.sql(&database, dump);
    let refused = refused(own, other);
    // In one session: a role has but few connections.
    let step = |(text, _): &(String, _)| format!("\\warn ======\n{text};\nROLLBACK;\nRESET ALL;\n");
    let script = refused.iter().map(step).collect::<Vec<_>>().concat();
    let (printed, told, _) = psql(own, &format!("\\set ON_ERROR_STOP off\n{script}"));
    let each: Vec<&str> = told.split("======\n").skip(1).collect();
    assert_eq!(each.len(), refused.len(), "{told}");
    for ((text, word), told) in refused.iter().zip(each) {
        let errors: Vec<&str> = told.lines().filter(|line| line.starts_with("ERROR:")).collect();
        // Later versions say some of it in the words of most.
        let is_refused = |line: &str| line.contains(word) || line.contains("permission denied");
        assert!(errors.len() == 1 && is_refused(errors[0]), "{text}: {printed}{told}");
    }
    // Nor does one have more than its connections.
    let many = thread::scope(|scope| {
        let waits: Vec<_> = (0..12).map(|_| scope.spawn(|| psql(own, "SELECT pg_sleep(1)"))).collect();
        waits.into_iter().map(|wait| wait.join().expect("it comes to its end")).filter(|(_, _, done)| *done).count()
    });
    assert!((1..=8).contains(&many), "{many}");
    // What is allowed and reaches nothing of another.
    let (printed, told, succeeded) = psql(
        own,
        "UPDATE silo_memory.findings SET body = 'mine', title = '' RETURNING agent;\n\
         SELECT silo_memory.remove(id) FROM silo_memory.findings WHERE agent = 'agent-1';\n\
         SELECT id FROM silo_memory.findings WHERE agent = 'agent-1' FOR UPDATE;",
    );
    assert!(succeeded, "{told}");
    let (mine, rest): (Vec<&str>, Vec<&str>) = printed.lines().partition(|line| *line == "agent-0");
    assert_eq!((mine.len(), rest), (EACH, vec!["f"; EACH]), "{printed}");
    assert_eq!(server.sql(&database, dump), before, "the rows of the others are as they were");
    let own_rows = "SELECT DISTINCT title, body, sha256 FROM silo_memory.findings WHERE agent = 'agent-0'";
    assert!(server.sql(&database, own_rows).starts_with("mine|mine|"));
    let (printed, told, succeeded) =
        psql(own, "SELECT silo_memory.remove(max(id)) FROM silo_memory.findings WHERE agent = 'agent-0'");
    assert!(succeeded && printed.trim() == "t", "{told}");
    assert_eq!(scene.list(&["--agent", "agent-0"]).len(), EACH - 1);
    // No password of any of them was in a statement.
    let log = server.log();
    for address in &addresses {
        let password = address.split('@').next().and_then(|user| user.rsplit(':').next()).expect("it has one");
        assert!(password.len() >= 32 && !log.contains(password), "a password is in the server's log");
    }
}

/// What one role may not do to another, or to the server: each with a word of the refusal.
fn refused(own: &str, other: &str) -> Vec<(String, &'static str)> {
    vec![
        (format!("INSERT INTO silo_memory.findings (role, title, body) VALUES ('{other}', 'x', 'x')"), "permission denied"),
        ("INSERT INTO silo_memory.findings (agent, body) VALUES ('agent-1', 'x')".to_owned(), "permission denied"),
        ("INSERT INTO silo_memory.findings (run, body) VALUES ('agent-1', 'x')".to_owned(), "permission denied"),
        ("INSERT INTO silo_memory.findings (id, body) OVERRIDING SYSTEM VALUE VALUES (1, 'x')".to_owned(), "permission denied"),
        (format!("UPDATE silo_memory.findings SET role = '{other}'"), "permission denied"),
        ("UPDATE silo_memory.findings SET agent = 'agent-1'".to_owned(), "permission denied"),
        ("DELETE FROM silo_memory.findings".to_owned(), "permission denied"),
        ("TRUNCATE silo_memory.findings".to_owned(), "permission denied"),
        ("BEGIN; LOCK TABLE silo_memory.findings IN ACCESS EXCLUSIVE MODE".to_owned(), "permission denied"),
        (format!("SET ROLE {}", quoted(other)), "permission denied"),
        ("SET ROLE postgres".to_owned(), "permission denied"),
        (format!("SET SESSION AUTHORIZATION {}", quoted(other)), "permission denied"),
        (format!("ALTER ROLE {} PASSWORD 'x'", quoted(other)), "permission denied"),
        (format!("GRANT {} TO {}", quoted(other), quoted(role_in(own))), "must have admin option"),
        ("CREATE ROLE mine".to_owned(), "permission denied"),
        ("ALTER TABLE silo_memory.findings DISABLE ROW LEVEL SECURITY".to_owned(), "must be owner"),
        ("ALTER TABLE silo_memory.findings ADD COLUMN x int".to_owned(), "must be owner"),
        ("DROP POLICY change ON silo_memory.findings".to_owned(), "must be owner"),
        ("ALTER TABLE silo_memory.findings DISABLE TRIGGER finding".to_owned(), "must be owner"),
        ("DROP TABLE silo_memory.findings".to_owned(), "must be owner"),
        ("DROP SCHEMA silo_memory CASCADE".to_owned(), "must be owner"),
        ("CREATE TABLE silo_memory.mine (x int)".to_owned(), "permission denied for schema silo_memory"),
        ("CREATE TABLE public.mine (x int)".to_owned(), "permission denied for schema public"),
        ("CREATE SCHEMA mine".to_owned(), "permission denied"),
        (function("silo_memory.f"), "permission denied for schema silo_memory"),
        (function("public.f"), "permission denied for schema public"),
        ("CREATE TRIGGER t BEFORE INSERT ON silo_memory.findings FOR EACH ROW EXECUTE FUNCTION silo_memory.finding()".to_owned(), "permission denied"),
        ("COPY (SELECT 1) TO PROGRAM 'id'".to_owned(), "must be superuser"),
        ("COPY silo_memory.findings (body) FROM PROGRAM 'id'".to_owned(), "must be superuser"),
        ("COPY silo_memory.findings TO '/tmp/silo-never'".to_owned(), "must be superuser"),
        ("SELECT pg_read_file('/etc/passwd')".to_owned(), "permission denied"),
        ("SELECT rolpassword FROM pg_authid".to_owned(), "permission denied"),
        ("UPDATE silo_memory.about SET version = 1".to_owned(), "permission denied"),
        ("UPDATE silo_memory.agents SET agent = 'agent-1'".to_owned(), "permission denied"),
        ("DELETE FROM silo_memory.agents".to_owned(), "permission denied"),
        ("UPDATE silo_memory.shares SET number = 0".to_owned(), "permission denied"),
        ("BEGIN; LOCK TABLE silo_memory.agents IN SHARE MODE".to_owned(), "permission denied"),
        ("SET row_security = off; UPDATE silo_memory.findings SET body = 'x'".to_owned(), "row-level security"),
        ("SELECT setval('silo_memory.findings_id_seq', 1)".to_owned(), "permission denied"),
        (format!("INSERT INTO silo_memory.findings (body) VALUES (repeat('x', {}))", 1024 * 1024 + 1), "check constraint"),
    ]
}

fn quoted(role: &str) -> String {
    format!("\"{role}\"")
}

fn function(name: &str) -> String {
    format!("CREATE FUNCTION {name}() RETURNS int LANGUAGE sql SECURITY DEFINER AS 'SELECT 1'")
}

#[test]
fn a_role_is_kept_rotated_and_dropped_with_any_name_and_its_findings_stay() {
    let server = Postgres::shared();
    let database = server.database();
    let scene = Scene::new(&server.file(&database));
    let name = "Dr. \"x\"; DROP TABLE é' --";
    let first = scene.role(name);
    assert_eq!(scene.role(name), first, "it stays until it is rotated");
    let (_, told, succeeded) = psql(&first, "INSERT INTO silo_memory.findings (body) VALUES ('# It''s slow\nx')");
    assert!(succeeded, "{told}");
    let found = scene.list(&[]);
    assert_eq!((found[0]["agent"].as_str(), found[0]["title"].as_str()), (Some(name), Some("It's slow")));

    let ran = scene.memory(&["role", name, "--rotate"]).success();
    let path = String::from_utf8(ran.bytes).expect("it is a path");
    let second = std::fs::read_to_string(path.trim()).expect("it is there").trim().to_owned();
    assert_ne!(first, second);
    let (_, told, succeeded) = psql(&first, "SELECT 1");
    assert!(!succeeded && told.contains("password authentication failed"), "{told}");
    assert!(psql(&second, "SELECT 1").2);

    // One that has left something elsewhere goes anyway.
    assert!(psql(&second, "SELECT lo_create(0); CREATE TEMP TABLE t (x int)").2);
    scene.memory(&["role", name, "--drop"]).success();
    assert!(!psql(&second, "SELECT 1").2 && !std::path::Path::new(path.trim()).exists());
    assert_eq!(scene.list(&[]).len(), 1, "what it found stays");
    scene.memory(&["role", name, "--drop"]).success().stderr_has("has no role\n");
    assert!(scene.memory(&["status"]).success().stdout.lines().all(|line| !line.starts_with("Role of")));
}

#[test]
fn an_owner_who_is_no_superuser_is_enough_and_what_every_role_may_is_looked_at() {
    let server = Postgres::shared();
    let (notes, open) = (server.database(), server.database());
    let keeper =
        format!("CREATE ROLE keeper LOGIN CREATEROLE PASSWORD 'keep-hush'; ALTER DATABASE {notes} OWNER TO keeper");
    server.sql(&notes, &keeper);
    let file = format!("[servers.team]\nurl = \"postgres://keeper:keep-hush@127.0.0.1:{}/{notes}\"\n", server.port);
    let scene = Scene::new(&file);
    let address = scene.role("agent");
    assert!(psql(&address, "INSERT INTO silo_memory.findings (body) VALUES ('x'); SELECT lo_create(0)").2);
    scene.memory(&["role", "agent", "--drop"]).success();
    assert_eq!(scene.list(&[]).len(), 1);

    // A role of the same name that is somebody else's is left alone.
    let second = scene.role("second");
    let role = role_in(&second).to_owned();
    server.sql(&notes, &format!("COMMENT ON ROLE {} IS 'another'", quoted(&role)));
    scene.memory(&["role", "second"]).exit(1).stderr_has("is not one that silo has made");

    // Where every role may make tables, none is handed out.
    server.sql(&open, "GRANT CREATE ON SCHEMA public TO PUBLIC");
    let other = Scene::new(&server.file(&open));
    other
        .memory(&["role", "agent"])
        .exit(1)
        .stderr_has("may make tables in the schema `public`, and so would the agent's");
    assert_eq!(server.sql(&open, "SELECT count(*) FROM silo_memory.agents").trim(), "0");
}

#[test]
fn an_agent_that_fills_the_memory_is_stopped_at_its_share() {
    let server = Postgres::shared();
    let database = server.database();
    let scene = Scene::new(&server.file(&database));
    let address = scene.role("flood");
    let one = "INSERT INTO silo_memory.findings (body) VALUES ('x')";
    assert!(psql(&address, one).2);
    let is_full = |statement: &str| {
        let (_, told, succeeded) = psql(&address, statement);
        assert!(!succeeded && told.contains("the memory of this agent is full"), "{statement}: {told}");
    };
    // As if it had written nearly all that it may.
    server.sql(&database, "UPDATE silo_memory.shares SET bytes = 60 * 1048576");
    is_full("INSERT INTO silo_memory.findings (body) SELECT repeat('x', 1048576) FROM generate_series(1, 1000000)");
    assert!(psql(&address, "UPDATE silo_memory.findings SET body = repeat('x', 1048576)").2, "one more fits");
    server.sql(&database, "UPDATE silo_memory.shares SET bytes = bytes + 3 * 1048576 + 2");
    is_full(one);
    is_full("UPDATE silo_memory.findings SET body = body, title = ''");
    // What it removes makes room, and so does what its user removes.
    assert!(psql(&address, "SELECT silo_memory.remove(id) FROM silo_memory.findings").2);
    server.sql(&database, "UPDATE silo_memory.shares SET number = 9999");
    assert!(psql(&address, one).2);
    is_full(one);
    let id = scene.list(&[])[0]["id"].to_string();
    scene.memory(&["rm", &id]).success();
    assert!(psql(&address, one).2);
    assert!(psql(&scene.role("other"), "INSERT INTO silo_memory.findings (body) VALUES ('x')").2, "others go on");
    assert_eq!(scene.list(&[]).len(), 2);
}
