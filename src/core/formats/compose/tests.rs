use super::*;
use proptest::prelude::*;

/// What is declared differs, and what is called so; one has the same value everywhere.
fn setting(name: &str) -> Setting {
    match name {
        "SHARED" => Setting::Shared("7000".to_owned()),
        _ if name.ends_with("_PREFIX") || name.ends_with("_NAME") || name.ends_with("_PORT") => Setting::Varies,
        _ => Setting::Unset,
    }
}

/// `LINE KIND OWNER: VALUE -> INSTEAD` of everything that is fixed.
fn fixed(text: &str) -> Vec<String> {
    let declared = [("POSTGRES_PORT", Some(5432)), ("CACHE_PORT", Some(6379)), ("RANDOM_PORT", None)];
    let declared = declared.map(|(name, port)| (name.to_owned(), port)).into_iter().collect();
    let Scan { fixed: mut found, used, .. } = scan(text, &setting).expect("it is YAML");
    name_all(&mut found.iter_mut().collect::<Vec<_>>(), &declared, &used);
    let line = |one: Fixed| format!("{} {:?} {}: {} -> {}", one.line, one.kind, one.owner, one.value, one.instead);
    found.into_iter().map(line).collect()
}

#[test]
fn what_every_instance_would_share_is_found_with_its_line() {
    let text = r#"
name: shop
services:
  db:
    image: postgres # ports: ["1:1"]
    container_name: db
    ports:
      - "5432:5432"
      - 127.0.0.1:8080:80/tcp
      - target: 9000
        published: 9000
      - target: 9001
        published: "9001"
volumes:
  data:
    name: shop-data
networks:
  default: { name: shop }
"#;
    assert_eq!(
        fixed(text),
        [
            "2 ProjectName : shop -> ${COMPOSE_PROJECT_NAME}",
            "6 ContainerName db: db -> ${CONTAINER_PREFIX}db",
            "8 HostPort db: 5432:5432 -> \"${POSTGRES_PORT}:5432\"",
            "9 HostPort db: 127.0.0.1:8080:80/tcp -> \"127.0.0.1:${DB_8080_PORT}:80/tcp\"",
            "11 HostPort db: 9000 -> published: \"${DB_9000_PORT}\"",
            "13 HostPort db: 9001 -> published: \"${DB_9001_PORT}\"",
            "16 VolumeName data: shop-data -> ${VOLUME_PREFIX}-data",
            "18 NetworkName default: shop -> ${DOCKER_NETWORK}-default",
        ]
    );
}

#[test]
fn what_varies_or_is_shared_on_purpose_is_left_alone() {
    let text = r#"
name: ${COMPOSE_PROJECT_NAME}
x-ports: &ports ["1:1"]
services:
  db:
    container_name: "${CONTAINER_PREFIX}db"
    command: "ports: 5432:5432"
    environment:
      container_name: db
      PORTS: |
        ports:
          - "5432:5432"
    ports:
      - "${POSTGRES_PORT}:5432"
      - "${OTHER_PORT:-5432}:5432"
      - "127.0.0.1:$PLAIN:80"
      - "127.0.0.1::80"
      - "[::1]:${X}:80"
      - "8080"
      - 8081
      - "3000-3005"
      - "0:80"
      - { target: 80, published: "${X}" }
      - target: 80
    expose: ["80:80"]
  none:
volumes:
  data:
  shared: { external: true, name: shared }
networks: {}
"#;
    assert_eq!(fixed(text), [""; 0]);
}

#[test]
fn a_default_that_nobody_changes_is_the_same_everywhere() {
    let text = r#"
name: ${PROJECT:-shop}
services:
  db:
    container_name: ${DB:-shop}-db
    ports:
      - "${PG:-5432}:5432"
      - "${WEB-8080}:${INNER:-80}/tcp"
      - "${BIND:-127.0.0.1}:${API:-9000}:90"
      - "${SHARED}:70"
      - "${BOTH:-7001:71}"
      - "${RANGE:-3000-3001}:3000-3001"
      - "${OUTER:-${INNER:-7002}}:72"
      - "${CACHE_PORT:-6379}:6379"
      - "${NONE}:73"
      - "${MUST:?set it}:74"
      - "${PATH:-75}:75"
      - target: 90
        published: ${LONG:-9001}
      - { target: 90, published: "${OWN_PORT:-9002}" }
volumes:
  data: { name: "${VOLUME:-shop-data}" }
  own: { name: "${VOLUME_PREFIX:-shop}_data" }
"#;
    assert_eq!(
        fixed(text),
        [
            "2 ProjectName : ${PROJECT:-shop} -> ${COMPOSE_PROJECT_NAME}",
            "5 ContainerName db: ${DB:-shop}-db -> ${CONTAINER_PREFIX}db",
            "7 HostPort db: ${PG:-5432}:5432 -> \"${POSTGRES_PORT}:5432\"",
            "8 HostPort db: ${WEB-8080}:${INNER:-80}/tcp -> \"${WEB}:${INNER:-80}/tcp\"",
            "9 HostPort db: ${BIND:-127.0.0.1}:${API:-9000}:90 -> \"${BIND:-127.0.0.1}:${API}:90\"",
            "10 HostPort db: ${SHARED}:70 -> \"${SHARED}:70\"",
            "11 HostPort db: ${BOTH:-7001:71} -> \"${DB_7001_PORT}:71\"",
            "12 HostPort db: ${RANGE:-3000-3001}:3000-3001 -> \"${DB_3000_PORT}:3000\"",
            "13 HostPort db: ${OUTER:-${INNER:-7002}}:72 -> \"${OUTER}:72\"",
            "17 HostPort db: ${PATH:-75}:75 -> \"${DB_75_PORT}:75\"",
            "19 HostPort db: ${LONG:-9001} -> published: \"${LONG}\"",
            "22 VolumeName data: ${VOLUME:-shop-data} -> ${VOLUME_PREFIX}-data",
        ]
    );
    let scan = scan(text, &setting).expect("it is YAML");
    let meant = |line: usize| {
        let one = scan.fixed.iter().find(|one| one.line == line).expect("it is there");
        format!("{} from {}", one.meant.value, one.meant.from.join(" "))
    };
    assert_eq!([meant(5), meant(10), meant(13)], ["shop-db from DB", "7000 from SHARED", "7002 from OUTER INNER"]);
}

#[test]
fn what_it_takes_in_replaces_and_names_of_this_machine_is_found() {
    let text = r#"
include: [a.yml, { path: ["b.yml", "${DIR:-c}.yml"], env_file: b.env, project_directory: b }, "${OWN_NAME}.yml"]
services:
  web:
    extends: { file: common.yml, service: base }
    ports: !override ["80:80"]
    environment:
      - NEXTAUTH_URL=http://localhost:3000/x
      - DB=db:5432
    build: { args: { API: "http://127.0.0.1:${PORT:-8080}" } }
  db:
    container_name: !reset null
    ports: !reset ["5432:5432"]
    command: serve --origin http://localhost:9000
  tools:
    network_mode: host
    command: ["x", "--port", "7000"]
    environment: { API_PORT: 7001, URL: "http://localhost:${OWN_PORT}" }
"#;
    let scan = scan(text, &setting).expect("it is YAML");
    assert_eq!(scan.files, ["a.yml", "b.yml", "c.yml", "common.yml"]);
    assert_eq!(scan.env_files, ["b/.env", "b.env"]);
    assert_eq!(scan.fixed.iter().map(|one| one.value.as_str()).collect::<Vec<_>>(), ["80:80"]);
    let both = |name: &str, key| (name.to_owned(), key);
    assert_eq!(scan.replaced, [both("web", Key::Ports), both("db", Key::Ports), both("db", Key::ContainerName)]);
    let told = |one: &Address| format!("{} {} {} {}", one.line, one.owner, one.key, one.port);
    assert_eq!(
        scan.addresses.iter().map(told).collect::<Vec<_>>(),
        [
            "8 web NEXTAUTH_URL 3000",
            "10 web API 8080",
            "14 db command 9000",
            "18 tools API_PORT 7001",
            "17 tools command 7000"
        ]
    );
}

#[test]
fn odd_spellings_of_a_host_port_are_seen() {
    let port = |written: &str| fixed(&format!("services:\n  a-b:\n    ports:\n      - {written}\n"));
    assert_eq!(port("3000:3000"), ["4 HostPort a-b: 3000:3000 -> \"${A_B_PORT}:3000\""]);
    assert_eq!(port("'3000-3005:3000-3005'")[0], "4 HostPort a-b: 3000-3005:3000-3005 -> \"${A_B_3000_PORT}:3000\"");
    assert_eq!(port("\"[::1]:80:80\"")[0], "4 HostPort a-b: [::1]:80:80 -> \"[::1]:${A_B_PORT}:80\"");
    assert_eq!(port("\"80:${INNER}\"")[0], "4 HostPort a-b: 80:${INNER} -> \"${A_B_PORT}:${INNER}\"");
    assert_eq!(fixed("services: {9a: {ports: ['80:80'], container_name: 'cost$$5'}}").len(), 2);
    assert_eq!(fixed("services:\n  a:\n    ports: !override\n      - 80:80\n").len(), 1);
}

#[test]
fn one_variable_is_one_port_whichever_service_it_is_in() {
    let ports = |services: &[(&str, &[&str])]| -> Vec<String> {
        let service = |(name, ports): &(&str, &[&str])| format!("  {name}: {{ports: [{}]}}\n", ports.join(", "));
        let text = services.iter().map(service).collect::<String>();
        let found = fixed(&format!("services:\n{text}"));
        found.iter().map(|one| one.split_once(": ").expect("it has an owner").1.to_owned()).collect()
    };
    // Its default is the host's port, or else the container's; the second such port is another one.
    let known = ["\"5432:1\"", "\"5433:5432\"", "\"6380:6379\"", "\"6381:6379\"", "\"127.0.0.1:6380:6379\""];
    assert_eq!(
        ports(&[("db", &known)]),
        [
            "5432:1 -> \"${POSTGRES_PORT}:1\"",
            "5433:5432 -> \"${DB_5433_PORT}:5432\"",
            "6380:6379 -> \"${CACHE_PORT}:6379\"",
            "6381:6379 -> \"${DB_6381_PORT}:6379\"",
            "127.0.0.1:6380:6379 -> \"127.0.0.1:${CACHE_PORT}:6379\"",
        ]
    );
    // What the file uses already stands for that port.
    assert_eq!(ports(&[("a", &["\"${CACHE_PORT}:6379\"", "\"1:6379\""])]), ["1:6379 -> \"${A_PORT}:6379\""]);
    // Names that are written alike, declared without a default, or not available.
    assert_eq!(
        ports(&[("a-b", &["1:1"]), ("a_b", &["2:2"]), ("random", &["3:3"]), ("git", &["4:4"]), ("a.b", &["1:9/udp"])]),
        [
            "1:1 -> \"${A_B_1_PORT}:1\"",
            "2:2 -> \"${A_B_2_PORT}:2\"",
            "3:3 -> \"${RANDOM_3_PORT}:3\"",
            "4:4 -> \"${HOST_PORT_4}:4\"",
            "1:9/udp -> \"${A_B_1_PORT}:9/udp\"",
        ]
    );
    // The name of one service may be that of another with its port.
    let both = [("db", &["9090:1", "9091:2"][..]), ("db-9090", &["80:80"])];
    assert_eq!(ports(&both)[0], "9090:1 -> \"${DB_9090_PORT}:1\"");
    assert_eq!(ports(&both)[2], "80:80 -> \"${DB_9090_80_PORT}:80\"");
    // Of a range for one port of the container any will do; else each is another one.
    assert_eq!(
        ports(&[("w", &["3000-3005:80/tcp", "4000-4001:40-41/udp"])]),
        ["3000-3005:80/tcp -> \"${W_3000_PORT}:80/tcp\"", "4000-4001:40-41/udp -> \"${W_4000_PORT}:40/udp\"",]
    );
}

#[test]
fn what_an_alias_or_a_merge_brings_in_is_one_place() {
    let text = "x-base: &base\n  container_name: same\n  ports: [\"80:80\"]\nservices:\n  a: *base\n  b:\n    <<: *base\n  c:\n    <<: [*base]\n    container_name: c\n";
    assert_eq!(
        fixed(text),
        [
            "2 ContainerName a: same -> ${CONTAINER_PREFIX}a",
            "3 HostPort a: 80:80 -> \"${A_PORT}:80\"",
            "10 ContainerName c: c -> ${CONTAINER_PREFIX}c"
        ]
    );
}

#[test]
fn what_is_no_yaml_is_told_with_its_line_and_odd_shapes_are_nothing() {
    assert_eq!(scan("services:\n  a: [\n", &setting).expect_err("it is not closed").line, 3);
    for odd in ["", "# only\n", "- a\n- b\n", "text", "services: x", "services: [1]", "services: {a: {ports: {b: c}}}"]
    {
        assert_eq!(fixed(odd), [""; 0], "{odd}");
    }
    // It refers to itself, and merges blow up.
    assert_eq!(fixed("services: &s\n  a: *s\n  <<: *s\n"), [""; 0]);
    let bomb = (1..20).fold("l0: &l0 {x: 1}\n".to_owned(), |text, n| {
        let all = vec![format!("*l{}", n - 1); 10].join(", ");
        format!("{text}l{n}: &l{n}\n  <<: [{all}]\n")
    });
    assert_eq!(fixed(&format!("{bomb}services:\n  a: *l19\n")), [""; 0]);
}

proptest! {
    #[test]
    fn no_text_panics(
        text in "\\PC{0,200}",
        yaml in "(services:|  db:|    ports:|      - |\"80:80\"|container_name: |volumes:|name: |[\n\t &*<!|>{}\\[\\],:?'\"#%$é-]){0,40}",
    ) {
        let _ = scan(&text, &setting);
        let _ = scan(&yaml, &setting);
        let _ = scan(&format!("services:\n  db:\n    {yaml}"), &setting);
    }
}
