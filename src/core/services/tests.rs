//! The whole text of an override, and that every text of one is such that compose takes it.

use indexmap::IndexMap;
use proptest::prelude::*;
use saphyr::{LoadableYamlNode as _, YamlOwned};
use serde_json::{Value, json};

use super::*;
use crate::core::config::{Published, parse};

/// What `[compose.ports]` says.
fn published(lines: &str) -> IndexMap<String, Published> {
    let file = parse(&format!("version = 1\n[compose.ports]\n{lines}")).expect("it is valid");
    file.settings(None).expect("the base").compose.expect("it is declared").ports
}

fn isolated(
    model: &Value,
    ports: &IndexMap<String, Published>,
    leases: &[(&str, u16)],
    keep: &[&str],
) -> Result<Override, Refused> {
    let model = Model::parse(&model.to_string()).expect("it is a model");
    let isolation = Isolation {
        share: &[],
        layout: None,
        names: &IndexMap::new(),
        project: "localnet-app",
        id: "0123456789abcdef",
        label: "silo.instance",
        root: "/home/me/app",
        published: ports,
        leases: &leases.iter().map(|(name, port)| ((*name).to_owned(), *port)).collect(),
        keep: &keep.iter().map(|key| (*key).to_owned()).collect::<Vec<_>>(),
        is_apart: false,
    };
    Override::of(&model, &isolation)
}

fn rendered(made: &Override) -> String {
    let notices: Vec<String> = made.notices.iter().map(|notice| format!("- {notice}")).collect();
    let volumes = made.volumes.iter().map(|(key, own)| match (&own.before, own.is_kept) {
        (_, true) => format!("{key}: {}, kept", own.name),
        (Some(before), _) => format!("{key}: {}, before {before}", own.name),
        (None, _) => format!("{key}: {}", own.name),
    });
    let volumes: Vec<String> = volumes.collect();
    format!("{}\n{}\nvolumes: [{}]\n", made.text, notices.join("\n"), volumes.join("; "))
}

/// A project with everything in it.
fn rich() -> Value {
    json!({
        "name": "localnet-app",
        "services": {
            "db": {
                "image": "postgres:16", "container_name": "shop-db",
                "ports": [{ "target": 5432, "published": "5432", "protocol": "tcp", "mode": "ingress" }],
                "networks": { "back": { "ipv4_address": "10.1.2.3", "aliases": ["pg"] }, "default": null },
                "volumes": [
                    { "type": "volume", "source": "data", "target": "/data", "volume": {} },
                    { "type": "bind", "source": "/home/me/app/init", "target": "/init" },
                    { "type": "bind", "source": "/srv/$$dump", "target": "/dump" },
                    { "type": "bind", "source": "/etc/hosts", "target": "/hosts", "read_only": true },
                ],
            },
            "web": {
                "image": "shop/web:latest", "build": { "context": ".", "tags": ["shop/web:1", "shop/all"] },
                "mac_address": "02:42:ac:11:65:43",
                "ports": [
                    { "target": 3000, "published": "3000" },
                    { "target": 3000, "published": "3001" },
                    { "target": 9229, "published": "9229" },
                    { "target": 9, "published": "9", "protocol": "udp" },
                    { "target": 7, "published": "7", "protocol": "sctp" },
                ],
                "networks": { "default": null, "proxy": null },
            },
            "worker": { "image": "docker.io/shop/web", "deploy": { "replicas": 2 }, "ports": [{ "target": 80 }, { "target": 81, "published": "8081" }] },
            "other": { "image": "shop/all", "networks": { "back": {} } },
            "side": { "image": "x", "network_mode": "container:shop-db", "pid": "container:shop-db", "ipc": "container:theirs", "volumes_from": ["db", "container:shop-db:ro"] },
            "host": { "image": "x", "network_mode": "host", "ports": [{ "target": 80, "published": "80" }] },
            "docker": { "image": "x", "volumes": [{ "type": "bind", "source": "/var/run/docker.sock", "target": "/s", "read_only": true }], "devices": [{ "source": "/dev/video0" }, { "source": "/dev/null" }] },
            "own": { "image": "localnet-app-own", "build": {}, "container_name": "localnet-app-own" },
            "null": { "build": {}, "container_name": "é$$", "networks": { "default": null } },
        },
        "networks": {
            "default": { "name": "localnet-app_default" },
            "back": {
                "name": "shop", "ipam": { "config": [{ "subnet": "10.1.2.0/24" }] },
                "driver_opts": { "com.docker.network.bridge.name": "br-shop", "com.docker.network.driver.mtu": "1400" },
            },
            "proxy": { "name": "traefik", "external": true },
        },
        "volumes": {
            "data": { "name": "shop-data" },
            "kept": { "name": "localnet-app_kept" },
            "named": { "name": "shop-named" },
            "theirs": { "name": "theirs", "external": true },
            "nfs": { "name": "localnet-app_nfs", "driver_opts": { "device": ":/export" } },
        },
    })
}

#[test]
fn the_override_says_what_isolates_and_no_more() {
    let ports = published(
        "POSTGRES_PORT = '5432:db:5432'\nWEB_PORT = { to = '3000:web:3000', bind = '0.0.0.0' }\nDNS = '5353:own:53/udp'\n\
         WORKER = 'worker:81'\n",
    );
    let leases = [
        ("POSTGRES_PORT", 15432),
        ("WEB_PORT", 3007),
        ("DNS", 5300),
        ("DEBUG", 9229),
        ("WORKER", 8100),
        ("ADMIN", 3001),
    ];
    let made = isolated(&rich(), &ports, &leases, &["kept", "named"]).expect("it fits");
    expect_test::expect![[r##"
        # Written by silo for one instance of the project, and written again when the project's files change; see `silo doc compose`.
        services:
          "db":
            container_name: !reset null
            labels: {"silo.instance": "0123456789abcdef"}
            networks: {"back": {ipv4_address: !reset null, aliases: ["shop-db"]}, "default": {aliases: ["shop-db"]}}
            ports: !override ["127.0.0.1:15432:5432"]
          "web":
            image: "localnet-app-web"
            build: {tags: !reset null}
            mac_address: !reset null
            labels: {"silo.instance": "0123456789abcdef"}
            ports: !override ["0.0.0.0:3007:3000", "127.0.0.1:9229:9229", "127.0.0.1::9/udp"]
          "worker":
            image: "localnet-app-web"
            labels: {"silo.instance": "0123456789abcdef"}
            ports: !override ["127.0.0.1::80", "127.0.0.1::81"]
          "other":
            image: "localnet-app-web"
            labels: {"silo.instance": "0123456789abcdef"}
          "side":
            network_mode: "service:db"
            pid: "service:db"
            volumes_from: !override ["db", "db:ro"]
            labels: {"silo.instance": "0123456789abcdef"}
          "host":
            labels: {"silo.instance": "0123456789abcdef"}
            ports: !override []
          "docker":
            labels: {"silo.instance": "0123456789abcdef"}
          "own":
            labels: {"silo.instance": "0123456789abcdef"}
            ports: !override ["127.0.0.1:5300:53/udp"]
          "null":
            container_name: !reset null
            labels: {"silo.instance": "0123456789abcdef"}
            networks: {"default": {aliases: ["\U000000e9$$"]}}
        networks:
          "back": {name: !reset null, ipam: !reset null, driver_opts: {"com.docker.network.bridge.name": !reset null}}
        volumes:
          "data": {name: !reset null}
          "kept": !override {external: true, name: "localnet-app_kept"}
          "named": !override {external: true, name: "shop-named"}

        - `db` can write to `/srv/$dump`, outside the project: it is the same in every instance
        - Port 9 of `web` has no variable: it is published on a free port; for a lease write `NAME_PORT = "web:9/udp"` below `[compose.ports]`
        - The port `{"target":7,"published":"7","protocol":"sctp"}` of `web` cannot be isolated and is left out
        - More than one container runs of `worker`: each publishes port 81 on a free one
        - `host` uses the host's own network (`network_mode: host`): its ports are the same in every instance
        - `docker` has the engine's socket `/var/run/docker.sock`, and so all of this machine
        - `docker` has the device `/dev/video0`: it is the same in every instance
        - The network `traefik` is external: the services of every instance meet there under the same names
        - The volume `theirs` is external: it is the same in every instance
        - The volume `nfs` is `:/export`: it is the same in every instance
        volumes: [data: localnet-app_data, before shop-data; kept: localnet-app_kept, kept; named: shop-named, kept; nfs: localnet-app_nfs]
    "##]].assert_eq(&rendered(&made));
}

#[test]
fn what_has_nothing_to_isolate_is_labelled_and_no_more() {
    let ports = IndexMap::new();
    let made = isolated(&json!({ "name": "x", "services": { "a": { "image": "b" } } }), &ports, &[], &[]);
    expect_test::expect![[r##"
        # Written by silo for one instance of the project, and written again when the project's files change; see `silo doc compose`.
        services:
          "a":
            labels: {"silo.instance": "0123456789abcdef"}


        volumes: []
    "##]].assert_eq(&rendered(&made.expect("it fits")));
    let made = isolated(&json!({}), &ports, &[], &[]).expect("it fits");
    assert_eq!(made.text.lines().count(), 1, "{}", made.text);
    for odd in ["", "[]", "null", "{\"services\": []}", "{\"services\": 1}", "{", "\u{0}"] {
        assert!(Model::parse(odd).is_err(), "{odd}");
    }
}

#[test]
fn what_does_not_fit_names_the_nearest() {
    let model = json!({
        "services": {
            "db": { "ports": [{ "target": 5432 }], "expose": ["9187"] },
            "quiet": {},
            "sidecar": { "network_mode": "service:db" },
            "host": { "network_mode": "host" },
        },
        "volumes": { "data": {} },
    });
    let said = |lines: &str, keep: &[&str]| match isolated(&model, &published(lines), &[], keep) {
        Ok(_) => "fits".to_owned(),
        Err(Refused { what, hints, variable }) => {
            format!("{what} ({})\n{}", variable.unwrap_or_default(), hints.join("\n"))
        }
    };
    for fits in ["A = 'db:5432'", "A = 'db:9187'", "A = 'quiet:1'"] {
        assert_eq!(said(fits, &["data"]), "fits");
    }
    let refused = [
        said("A = 'bd:5432'", &[]),
        said("A = 'db:5433'", &[]),
        said("A = 'sidecar:80'", &[]),
        said("A = 'host:80'", &[]),
        said("", &["date"]),
    ];
    expect_test::expect![[r#"
        `A` names the service `bd`, which the compose files do not have (A)
        The nearest service is `db`
        The compose files have `db`, `quiet`, `sidecar`, `host`

        `A` names port 5433 of `db`, which it does not publish (A)
        The nearest port of `db` is 5432
        Where it listens on 5433 anyway, say so in the compose file: `expose: [5433]`

        `A` names `sidecar`, which publishes no port of its own (`network_mode: service:db`) (A)
        It is in the network of `db`: write `db:80`

        `A` names `host`, which publishes no port of its own (`network_mode: host`) (A)
        Take the variable away, or the `network_mode` in the compose file

        `compose.keep` names the volume `date`, which the compose files do not have ()
        The nearest volume is `data`"#]]
    .assert_eq(&refused.join("\n\n"));
}

/// Words that mean something.
const WORDS: &str = "services networks volumes name image build tags container_name ports target published protocol \
    network_mode container:x service:a external ipam driver_opts com.docker.network.bridge.name device \
    source type bind read_only deploy replicas scale expose devices ipv4_address mac_address pid \
    volumes_from a b 80:80 8000-8010 udp host $$x ~ yes";

/// Any JSON, often with words that mean something in it.
fn any_json() -> impl Strategy<Value = Value> {
    let words = prop::sample::select(WORDS.split(' ').collect::<Vec<_>>());
    let text = prop_oneof![3 => words.prop_map(str::to_owned), 1 => "\\PC{0,8}", 1 => any::<String>()];
    let leaf = prop_oneof![
        Just(Value::Null),
        any::<bool>().prop_map(Value::from),
        any::<i64>().prop_map(Value::from),
        (0_u16..).prop_map(Value::from),
        any::<f64>().prop_map(Value::from),
        text.clone().prop_map(Value::from),
    ];
    leaf.prop_recursive(5, 64, 6, move |inner| {
        prop_oneof![
            prop::collection::vec(inner.clone(), 0..6).prop_map(Value::from),
            prop::collection::vec((text.clone(), inner), 0..6)
                .prop_map(|pairs| Value::Object(pairs.into_iter().collect())),
        ]
    })
}

/// Keys of a service.
const KEYS: &str = "image build container_name ports networks network_mode volumes deploy scale expose pid devices \
    mac_address volumes_from";

/// A model of the shape that compose has, with anything in its places.
fn any_model() -> impl Strategy<Value = Value> {
    let key = "[a-zA-Z0-9._-]{1,6}";
    let string = prop_oneof![any::<String>().prop_map(Value::from), any_json()];
    let body = prop::collection::vec((prop::sample::select(KEYS.split(' ').collect::<Vec<_>>()), string), 0..8)
        .prop_map(|pairs| Value::Object(pairs.into_iter().map(|(key, value)| (key.to_owned(), value)).collect()));
    let tables = |body: BoxedStrategy<Value>| {
        prop::collection::vec((key, body), 0..5).prop_map(|pairs| Value::Object(pairs.into_iter().collect()))
    };
    (tables(body.boxed()), tables(any_json().boxed()), tables(any_json().boxed())).prop_map(
        |(services, networks, volumes)| {
            json!({ "name": "x", "services": services, "networks": networks, "volumes": volumes })
        },
    )
}

/// What a text comes to as YAML, without the tags of compose's.
fn yaml(text: &str) -> YamlOwned {
    let plain = text.replace("!reset ", "").replace("!override ", "");
    let read = YamlOwned::load_from_str(&plain).unwrap_or_else(|error| panic!("{error}: {text}"));
    read.into_iter().next().expect("it is not empty")
}

/// The keys and bodies of a table.
fn pairs<'a>(table: &'a YamlOwned, key: &str) -> Vec<(String, &'a YamlOwned)> {
    let table = if key.is_empty() { Some(table) } else { table.as_mapping_get(key) };
    let pairs = table.and_then(YamlOwned::as_mapping).into_iter().flatten();
    pairs.map(|(key, body)| (key.as_str().expect("each key is a string").to_owned(), body)).collect()
}

proptest! {
    #[test]
    fn no_json_panics(any in any_json(), text in "\\PC{0,40}") {
        let _ = Model::parse(&any.to_string());
        let _ = Model::parse(&text);
    }

    #[test]
    fn every_override_is_yaml_of_the_keys_that_isolate(model in any_model()) {
        let made = isolated(&model, &IndexMap::new(), &[("A", 80)], &[]).expect("nothing is named that is not there");
        let known = [
            "services.image", "services.build", "services.container_name", "services.mac_address", "services.labels",
            "services.networks", "services.ports", "services.network_mode", "services.pid", "services.ipc",
            "services.volumes_from", "networks.name", "networks.ipam", "networks.driver_opts", "volumes.name",
        ];
        if made.text.lines().count() > 1 {
            let read = yaml(&made.text);
            for (top, _) in pairs(&read, "") {
                for (key, _) in pairs(&read, &top).iter().flat_map(|(_, body)| pairs(body, "")) {
                    prop_assert!(known.contains(&format!("{top}.{key}").as_str()), "{top}.{key}: {}", made.text);
                }
            }
            let services: Vec<String> = pairs(&read, "services").into_iter().map(|(name, _)| name).collect();
            let given: Vec<String> = model["services"].as_object().expect("a table").keys().cloned().collect();
            prop_assert_eq!(services, given);
        }
    }
}
