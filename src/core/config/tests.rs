use super::*;
use crate::core::leases::ports::PortSpec;
use crate::core::text::source;
use proptest::prelude::*;

/// Line, column and message of the error in a text, with its hints.
fn wrong(text: &str) -> String {
    let error = parse(text).expect_err("it is wrong");
    let place = source::locate(text, &error.span);
    let hints = error.problem.hints().into_iter();
    let said = [format!("{}:{} {}", place.line, place.column, error.problem)].into_iter().chain(hints);
    said.collect::<Vec<_>>().join("\n")
}

#[test]
fn the_smallest_file_gets_every_default() {
    let file = parse("version = 1\n[ports]\nWEB_PORT = 3000\nAPI_PORT = \"random\"\nX = 0\n").expect("it is valid");
    assert_eq!((file.prefix.as_str(), file.output.as_str()), ("localnet", ".localnet.env"));
    let settings = file.settings(None).expect("the base");
    assert_eq!(settings.hosts["APP_HOST"].value, "${name}.localhost");
    assert_eq!(
        settings.ports.values().collect::<Vec<_>>(),
        [&PortSpec::Default(3000), &PortSpec::Random, &PortSpec::Random]
    );
    assert!(!settings.k3d.cluster);
}

#[test]
fn a_block_says_how_many_ports_and_where_they_begin() {
    let port = |value: &str| {
        parse(&format!("version = 1\n[ports]\nRTC_PORT = {value}\n")).map(|file| file.base.ports["RTC_PORT"])
    };
    let block = |default| Ok(PortSpec::Block { default, count: 61 });
    assert_eq!(port("{ default = 50000, count = 61 }"), block(Some(50000)));
    for random in ["{ count = 61 }", "{ default = \"random\", count = 61 }", "{ default = 0, count = 61 }"] {
        assert_eq!(port(random), block(None), "{random}");
    }
    assert_eq!(port("{ default = 65475, count = 61 }"), block(Some(65475)));
    assert_eq!(port("{ default = 50000, count = 1 }"), Ok(PortSpec::Default(50000)));
    let mistake = |value: &str, said: &str| {
        assert_eq!(wrong(&format!("version = 1\n[ports]\nRTC_PORT = {value}\n")), said, "{value}");
    };
    mistake(
        "{ default = 50000 }",
        "3:12 Block `RTC_PORT` has no `count`\nSay how many, as in `RTC_PORT = { default = 50000, count = 61 }`",
    );
    for count in ["0", "1025", "-1", "99999999999"] {
        let said = format!("3:22 Block `RTC_PORT` has an invalid `count`: {count}\nUse a number from 1 to 1024");
        mistake(&format!("{{ count = {count} }}"), &said);
    }
    mistake(
        "{ count = \"61\" }",
        "3:22 `ports.RTC_PORT.count` must be a number, not a string\nWrite a number after `ports.RTC_PORT.count =`",
    );
    mistake(
        "{ default = 65476, count = 61 }",
        "3:12 Block `RTC_PORT` would end at 65536, above the last port\nChoose a lower `default`, or a smaller `count`",
    );
    mistake(
        "{ default = 70000, count = 2 }",
        "3:24 Port `RTC_PORT` has an invalid value: 70000\nUse a number from 1 to 65535, or \"random\"",
    );
    mistake(
        "{ defualt = 1, count = 2 }",
        "3:14 Unknown key `defualt` in `ports.RTC_PORT`\nThe nearest known name is `default`\nAllowed here: `default`, `count`",
    );
    let end = "`RTC_PORT_END` is the variable with the last port of `RTC_PORT`\nRename one of them";
    for (tables, place) in [("[ports]\nRTC_PORT_END = 1\n", "2:1"), ("[ports]\n[env]\nRTC_PORT_END = \"1\"\n", "4:16")]
    {
        let text = format!("version = 1\n{}", tables.replacen("[ports]\n", "[ports]\nRTC_PORT = { count = 2 }\n", 1));
        let said = wrong(&text);
        assert!(said.ends_with(end), "{place}: {said}");
    }
    let own = "version = 1\n[ports]\nTILT_PORT = { count = 2 }\n";
    assert_eq!(wrong(own), "3:13 `TILT_PORT` is a single port, not a block\nWrite the port alone: `TILT_PORT = 10350`");
    // Its end is a name that URLs can use, and a profile may make a single port of it.
    let file = parse(
        "version = 1\n[ports]\nRTC_PORT = { count = 2 }\n[urls]\nU = \"${RTC_PORT_END}\"\n[profiles.p]\nurls.U = \"x\"\nports.RTC_PORT = 5\n",
    );
    let settings = file.expect("it is valid").settings(Some("p")).expect("it has it");
    assert_eq!(settings.ports["RTC_PORT"], PortSpec::Default(5));
}

#[test]
fn ports_keep_their_declared_order() {
    let file = parse("version = 1\n[ports]\nZ = 1\nA = 2\nM = 3\n").expect("it is valid");
    assert_eq!(file.base.ports.keys().collect::<Vec<_>>(), ["Z", "A", "M"]);
}

#[test]
fn the_whole_schema_is_read() {
    let text = include_str!("full.toml");
    let file = parse(text).expect("it is valid");
    assert_eq!(file.profiles.keys().collect::<Vec<_>>(), ["testnet-local", "devnet-local"]);
    assert_eq!(file.gates["kubectl"], Gate::Cluster.into());
    assert_eq!(
        file.base.k3d.registry.host_from_cluster_network.as_ref().map(|text| text.value.as_str()),
        Some("registry:5000")
    );
    assert_eq!(file.base.registry.advertise, Some(false));
    assert_eq!(file.base.hooks.pre_down.as_deref(), Some(["./scripts/backup-state.sh".to_owned()].as_slice()));
}

#[test]
fn every_mistake_is_said_with_its_place_and_a_way_out() {
    let cases = [
        (
            "version = 1\n[port]\nA = 1\n",
            "2:2 Unknown key `port`\nThe nearest known name is `ports`\nAllowed here: `version`, `prefix`, `output`, `ports`, `compose`, `hosts`, `urls`, `routes`, `env`, `k3d`, `tilt`, `hooks`, `workspace`, `profiles`, `registry`, `gates`, `gateway`, `agents`, `memory`",
        ),
        (
            "version = 1\n[ports]\nA = 1\n[k3d]\nenable = true\n",
            "5:1 Unknown key `enable` in `k3d`\nThe nearest known name is `enabled`\nAllowed here: `enabled`, `args`, `registry`",
        ),
        ("version = 2\n[ports]\nA = 1\n", "1:11 Unknown `version`: 2\nWrite `version = 1`"),
        ("[ports]\nA = 1\n", "1:1 `version` is missing\nWrite `version = 1`"),
        (
            "version = 1\n",
            "1:1 `[ports]` declares no port\nDeclare at least one, for example `WEB_PORT = 3000` below `[ports]`",
        ),
        (
            "version = 1\n[ports]\nWEB_PORT = 70000\n",
            "3:12 Port `WEB_PORT` has an invalid value: 70000\nUse a number from 1 to 65535, or \"random\"",
        ),
        (
            "version = 1\n[ports]\nA = \"3000\"\n",
            "3:5 Port `A` has an invalid value: \"3000\"\nUse a number from 1 to 65535, or \"random\"",
        ),
        (
            "version = 1\n[ports]\nA = -1\n",
            "3:5 Port `A` has an invalid value: -1\nUse a number from 1 to 65535, or \"random\"",
        ),
        (
            "version = 1\n[ports]\nA = 1.5\n",
            "3:5 `ports.A` must be a port number or \"random\", not a decimal number\nWrite a port number or \"random\" after `ports.A =`",
        ),
        (
            "version = 1\n[ports]\nA-B = 1\n",
            "3:1 `A-B` cannot name a variable\nUse letters, digits and `_`, and no digit first",
        ),
        (
            "version = 1\n[ports]\nA = 1\n[urls]\nLD_PRELOAD = \"x\"\n",
            "5:1 `LD_PRELOAD` changes how shells or programs behave and cannot be set from `silo.toml`\nChoose a name of the project's own, such as `APP_PATH`",
        ),
        (
            "version = 1\n[ports]\nA = 1\n[urls]\nA = \"x\"\n",
            "5:5 `A` is in both `[ports]` and `[urls]`\nRename one of them",
        ),
        (
            "version = 1\nprefix = \"Up\"\n[ports]\nA = 1\n",
            "2:10 `prefix` has an invalid value: `Up`\nUse 1 to 32 lower-case letters, digits and `-`, with a letter or digit at both ends",
        ),
        (
            "version = 1\noutput = \"../x\"\n[ports]\nA = 1\n",
            "2:10 `output` cannot be `../x`: it leads out of the project\nUse a file name inside the project, such as `.localnet.env`",
        ),
        (
            "version = 1\n[ports]\nA = 1\n[hosts]\nH = \"${A}.localhost\"\n",
            "5:6 `hosts.H` uses the port `${A}`\nHosts can use `${name}`, `${prefix}`, `${name_snake}`, `${id}`, `${slot}`, `${WORKSPACE_NAME}` and `${COMPOSE_PROJECT_NAME}`; ports are chosen later",
        ),
        (
            "version = 1\n[ports]\nWEB_PORT = 1\n[urls]\nU = \"http://x:${WEB_PROT}\"\n",
            "5:15 Unknown variable `${WEB_PROT}` in `urls.U`\nThe nearest known name is `${WEB_PORT}`\nURLs can use `${name}`, `${prefix}`, every host and port, and URLs declared above",
        ),
        (
            "version = 1\n[ports]\nA = 1\n[urls]\nU = \"${V}\"\nV = \"x\"\n",
            "5:6 `urls.U` uses `${V}`, which is declared after it\nMove `V` above it",
        ),
        (
            "version = 1\n[ports]\nA = 1\n[urls]\nU = \"${V}\"\nV = \"${U}\"\n",
            "5:6 Values of `[urls]` use each other in a circle: U → V → U\nWrite one of them without the others",
        ),
        (
            "version = 1\n[ports]\nA = 1\n[urls]\nU = \"${A\"\n",
            "5:6 Unfinished `${…}` in `urls.U`\nWrite `${NAME}`; `$${` stands for a literal `${`",
        ),
        (
            "version = 1\n[ports]\nA = 1\n[urls]\nU = \"a\\nb\"\n",
            "5:5 The value of `urls.U` contains a newline\nEnv files, compose and Tilt read one line per value",
        ),
        (
            "version = 1\n[ports]\nA = 1\n[k3d]\nenabled = \"yes\"\n",
            "5:11 `k3d.enabled` must be `true` or `false`, not a string\nWrite `true` or `false` after `k3d.enabled =`",
        ),
        (
            "version = 1\n[ports]\nA = 1\n[hooks]\npre-up = [\"\"]\n",
            "5:11 `hooks.pre-up` is empty\nRemove it, or give it a value",
        ),
        (
            "version = 1\n[ports]\nA = 1\n[gates]\nkubectl = \"clutser\"\n",
            "5:11 Gate `kubectl` has an invalid value: \"clutser\"\nUse \"env\", \"services\", \"services:NAME,NAME\", \"cluster\" or \"tilt\"",
        ),
        (
            "version = 1\n[ports]\nA = 1\n[profiles.p]\nurls.U = \"${NOPE}\"\n",
            "5:11 With profile `p`: Unknown variable `${NOPE}` in `urls.U`\nURLs can use `${name}`, `${prefix}`, every host and port, and URLs declared above\nOr give `urls.U` another value in the profile, below `[profiles.p]`",
        ),
        (
            "version = 1\n[ports]\nA = 1\n[profiles.p]\noutput = \"x\"\n",
            "5:1 Unknown key `output` in `profiles.p`\nAllowed here: `ports`, `compose`, `hosts`, `urls`, `routes`, `env`, `k3d`, `tilt`, `hooks`, `workspace`, `append`, `registry`",
        ),
    ];
    for (text, expected) in cases {
        assert_eq!(wrong(text), expected, "in:\n{text}");
    }
}

#[test]
fn every_mistake_about_services_is_said_with_its_place_and_a_way_out() {
    let cases = [
        (
            "version = 1\n[compose.ports]\nDB = \"db\"\n",
            "3:6 `compose.ports.DB` has an invalid value: \"db\"\nWrite \"SERVICE:PORT\" or \"DEFAULT:SERVICE:PORT\", as in \"5433:db:5432\"; `/udp` may follow",
        ),
        (
            "version = 1\n[compose.ports]\nDB = { bind = \"0.0.0.0\" }\n",
            "3:6 `compose.ports.DB` has no `to`\nWrite `{ to = \"SERVICE:PORT\", bind = \"0.0.0.0\" }`",
        ),
        (
            "version = 1\n[compose.ports]\nDB = { to = \"db:1\", bind = \"lan\" }\n",
            "3:28 `bind` has an invalid value: \"lan\"\nUse an IP address of this machine, such as \"0.0.0.0\" or \"192.168.1.5\"",
        ),
        (
            "version = 1\n[compose]\nfiles = [\"../compose.yaml\"]\n",
            "3:10 `compose.files` names `../compose.yaml`, which is outside the project\nName a file in the project, relative to it: every worktree has its own",
        ),
        (
            "version = 1\n[ports]\nA = 1\n[compose.ports]\nA = \"db:1\"\n",
            "5:5 `A` is in both `[ports]` and `[compose.ports]`\nRename one of them",
        ),
        (
            "version = 1\n[compose]\nfile = [\"a\"]\n",
            "3:1 Unknown key `file` in `compose`\nThe nearest known name is `files`\nAllowed here: `files`, `start`, `network`, `ingress`, `keep`, `seed`, `link`, `share`, `ports`",
        ),
    ];
    for (text, expected) in cases {
        assert_eq!(wrong(text), expected, "in:\n{text}");
    }
}

#[test]
fn a_port_named_as_tilts_host_is_told_where_it_stands() {
    let expected = "3:1 `TILT_HOST` is in both `[ports]` and `[hosts]`\nRename one of them";
    assert_eq!(wrong("version = 1\n[ports]\nTILT_HOST = 1\n"), expected);
}

#[test]
fn an_announcement_is_checked_as_a_template_and_says_an_address() {
    let cases = [
        (
            "version = 1\n[ports]\nA = 1\n[registry]\nhost = \"r.${NOPE}:5000\"\n",
            "5:11 Unknown variable `${NOPE}` in `registry.host`\n`[registry]` and `[k3d.registry]` can use `${name}`, `${prefix}`, and every host, port, URL and variable",
        ),
        (
            "version = 1\n[ports]\nA = 1\n[k3d.registry]\nhostFromClusterNetwork = \"${NOPE}\"\n",
            "5:27 Unknown variable `${NOPE}` in `k3d.registry.hostFromClusterNetwork`\n`[registry]` and `[k3d.registry]` can use `${name}`, `${prefix}`, and every host, port, URL and variable",
        ),
        (
            "version = 1\n[ports]\nA = 1\n[registry]\nhost = \" \"\n",
            "5:8 `registry.host` is empty\nRemove it, or give it a value",
        ),
        (
            "version = 1\n[ports]\nA = 1\n[registry]\nadvertise = true\n",
            "4:1 `registry.advertise` is true and `registry.host` is missing\nWrite its address, such as `host = \"registry.example.com:5000\"`, below `[registry]`",
        ),
    ];
    for (text, expected) in cases {
        assert_eq!(wrong(text), expected, "{text}");
    }
}

#[test]
fn what_only_a_profile_cannot_fill_leaves_the_base_usable() {
    let toml = "version = 1\n[ports]\nA = 1\n[k3d]\nenabled = true\nargs = [\"--label=${K3D_CLUSTER_NAME}\"]\n\
                [urls]\nU = \"k3d-${K3D_CLUSTER_NAME}\"\n[profiles.remote]\nk3d.enabled = false\n\
                [profiles.whole]\nk3d.enabled = false\nurls.U = \"none\"\n";
    let file = parse(toml).expect("the base has a cluster");
    assert_eq!(file.broken.keys().collect::<Vec<_>>(), ["remote"]);
    let told = "With profile `remote`: Unknown variable `${K3D_CLUSTER_NAME}` in `urls.U`";
    assert_eq!(file.broken["remote"].problem.to_string(), told);
    // What the profile itself says is wrong wherever it is read.
    assert!(
        wrong(&toml.replace("\"none\"", "\"${K3D_CLUSTER_NAME}\"")).contains("With profile `whole`: Unknown variable")
    );
}

#[test]
fn toml_itself_is_checked_with_a_place() {
    assert!(wrong("version = 1\n[ports\n").starts_with("2:"));
    assert!(wrong("version = 1\n[ports]\nA = 1\nA = 2\n").starts_with("4:1 Not valid TOML: "));
    let twice = wrong("version = 1\n[urls]\nA = \"a\"\n[ports]\nB = 1\n[urls]\nC = \"c\"\n");
    let hint = "Each table and name appears once: put what is below both into the first";
    assert_eq!(twice, format!("6:2 Not valid TOML: duplicate key\n{hint}"));
}

#[test]
fn whoever_comes_from_another_tool_is_told_where_variables_go() {
    let told = wrong("version = 1\n[vars]\nA = 1\n");
    let hint = "Variables of any text go below `[env]`, addresses below `[urls]`, ports below `[ports]`";
    assert!(told.starts_with(&format!("2:2 Unknown key `vars`\n{hint}\n")), "{told}");
}

#[test]
fn a_variable_of_env_is_checked_like_a_url_and_may_use_the_urls() {
    let with = |rest: &str| format!("version = 1\n[ports]\nA = 1\n[env]\n{rest}");
    assert!(parse(&with("X = \"${U}:${A}\"\nY = \"${X}\"\n[urls]\nU = \"u\"\n")).is_ok(), "URLs go first");
    let uses =
        "Variables can use `${name}`, `${prefix}`, every host, port and URL, and variables of `[env]` declared above";
    let cases = [
        (
            "PATH = \"x\"\n",
            "5:1 `PATH` changes how shells or programs behave and cannot be set from `silo.toml`\nChoose a name of the project's own, such as `APP_PATH`".to_owned(),
        ),
        ("A = \"x\"\n", "5:5 `A` is in both `[ports]` and `[env]`\nRename one of them".to_owned()),
        ("APP_HOST = \"x\"\n", "5:12 `APP_HOST` is in both `[hosts]` and `[env]`\nRename one of them".to_owned()),
        ("TILT_HOST = \"x\"\n", "5:13 `TILT_HOST` is in both `[hosts]` and `[env]`\nRename one of them".to_owned()),
        ("U = \"x\"\n[urls]\nU = \"y\"\n", "5:5 `U` is in both `[urls]` and `[env]`\nRename one of them".to_owned()),
        ("X = \"${NOPE}\"\n", format!("5:6 Unknown variable `${{NOPE}}` in `env.X`\n{uses}")),
        ("X = \"${Y}\"\nY = \"\"\n", "5:6 `env.X` uses `${Y}`, which is declared after it\nMove `Y` above it".to_owned()),
        (
            "X = \"${Y}\"\nY = \"${X}\"\n",
            "5:6 Values of `[env]` use each other in a circle: X → Y → X\nWrite one of them without the others".to_owned(),
        ),
        (
            "X = \"x\"\n[urls]\nU = \"${X}\"\n",
            "7:6 `urls.U` uses `${X}` of `[env]`, which is filled after the URLs\nMove `X` to `[urls]`, or this one to `[env]`".to_owned(),
        ),
        ("X = 1\n", "5:5 `env.X` must be a string, not a number\nWrite a string after `env.X =`".to_owned()),
    ];
    for (rest, expected) in cases {
        assert_eq!(wrong(&with(rest)), expected, "in:\n{rest}");
    }
    let long = |many: usize| with(&format!("X = \"{}\"\n", "x".repeat(many)));
    assert!(parse(&long(120 * 1024)).is_ok() && wrong(&long(120 * 1024 + 1)).contains("120 KiB"));
}

proptest! {
    #[test]
    fn no_text_panics(text in "\\PC{0,300}") {
        let _ = parse(&text);
    }

    #[test]
    fn no_cut_and_no_changed_byte_panics(cut in 0usize..2000, at in 0usize..2000, byte in 0u8..128) {
        let full = include_str!("full.toml");
        let mut bytes = full.as_bytes()[..cut.min(full.len())].to_vec();
        if let Some(place) = bytes.get_mut(at) {
            *place = byte;
        }
        if let Ok(text) = String::from_utf8(bytes)
            && let Err(error) = parse(&text)
        {
            let _ = source::locate(&text, &error.span);
            let _ = (error.problem.to_string(), error.problem.hints());
        }
    }
}

#[test]
fn a_gate_may_need_some_of_the_services_each_with_its_place() {
    let text = "version = 1\n[compose]\n[gates]\npsql = \"services:db,my.cache_1\"\nredis-cli = 'services'\n";
    let file = parse(text).expect("it is valid");
    let named: Vec<(&str, &str)> =
        file.gates["psql"].services.iter().map(|name| (name.value.as_str(), &text[name.span.clone()])).collect();
    assert_eq!(named, [("db", "db"), ("my.cache_1", "my.cache_1")]);
    assert_eq!(file.gates["redis-cli"], Gate::Services.into());
    let error = parse(&text.replace("db,my", "db, my")).expect_err("a space");
    let told = [error.problem.to_string(), error.problem.hints().join("\n")].join("\n");
    assert_eq!(
        told,
        "Gate `psql` has no list of services: \"services:db, my.cache_1\"\nName each once, with commas and no spaces, as in \"services:db,redis\""
    );
    assert_eq!(error.span.start, text.find("\"services:db").expect("it is there"));
    for value in ["services:", "services:db,", "services:,db", "services:db,db", "services: db", "services:a/b"] {
        let error = parse(&text.replace("services:db,my.cache_1", value)).expect_err(value);
        assert!(matches!(error.problem, Problem::GateServices { .. }), "{value}: {error:?}");
    }
}
