use super::*;
use crate::core::text::source;

const FILE: &str = r#"
port = 7461

[providers.anthropic]
shape = "anthropic"
url = "https://api.anthropic.com"
key = "sk-ant-REAL"

[providers.anthropic.models.claude]
input = 3
output = 15
cache_read = 0.3
cache_write = 3.75
cache_write_hour = 6
window = 200_000
max_output = 64000

[providers.spark]
shape = "openai"
url = "http://[fd00::1]:8000/llm/v1/"
timeout = "30m"
[providers.spark.models."big/model:7b"]
input = 0
output = 0
window = 0x8000

[providers.openai]
shape = "openai"
url = "https://proxy.example.com:8443/v1"
key_command = "pass show openai"
ca = "/etc/ssl/own.pem"
models.gpt = { input = 1.25, output = 10, window = 400000 }

[instances]
budget = "5, 2M tokens"
models = ["claude"]
requests = 60
"#;

#[test]
fn the_whole_file_is_read() {
    let file = parse(FILE).expect("it is right");
    assert_eq!(file.port, 7461);
    let authorities: Vec<String> = file.providers.values().map(|one| one.url.authority() + &one.url.base).collect();
    assert_eq!(authorities, ["api.anthropic.com", "[fd00::1]:8000/llm", "proxy.example.com:8443"]);
    let (name, provider, claude) = file.offering(Shape::Anthropic, "claude").expect("it is there");
    assert_eq!((name, claude.window, claude.max_output), ("anthropic", 200_000, Some(64000)));
    assert_eq!((claude.prices.cache_read, claude.prices.cache_write_hour), (Money(300_000), Money(6_000_000)));
    assert_eq!(provider.key, KeySource::Text(Secret::of("sk-ant-REAL").expect("it is a word")));
    assert_eq!(file.offering(Shape::OpenAi, "claude"), None);
    let spark = &file.providers["spark"];
    assert_eq!((spark.timeout, spark.models["big/model:7b"].window), (Duration::from_mins(30), 0x8000));
    assert_eq!(file.providers["openai"].models["gpt"].prices.cache_read, Money(1_250_000));
    let instances = file.instances.expect("it is there");
    assert_eq!(instances.budget.shown(), "5.00, 2000000 tokens");
    assert_eq!(instances.limits.requests, Some(60));
    assert_eq!(parse(""), Ok(Providers::default()));
}

#[test]
fn nothing_shows_a_key() {
    let file = parse(FILE).expect("it is right");
    assert!(!format!("{file:?}").contains("REAL"));
}

fn wrong_at(text: &str) -> String {
    let error = parse(text).expect_err(text);
    let place = source::locate(text, &error.span);
    let hint = error.problem.hints().into_iter().next().unwrap_or_default();
    format!("{}:{} {}; {hint}", place.line, place.column, error.problem)
}

#[test]
fn what_is_wrong_is_said_with_its_place() {
    let head = "[providers.p]\nshape = \"openai\"\nurl = \"https://x\"\n";
    for (text, said) in [
        ("prot = 1".to_owned(), "1:1 Unknown key `prot`; The nearest known name is `port`"),
        ("port = 70000".into(), "1:8 `port` is not a valid number: `70000`"),
        (
            "[providers.p]\nshpae = 1".into(),
            "2:1 Unknown key `shpae` in `providers.p`; The nearest known name is `shape`",
        ),
        ("[providers.p]\nurl = \"https://x\"".into(), "1:1 `providers.p` has no `shape`"),
        ("[providers.p]\nshape = \"claude\"".into(), "2:9 `providers.p.shape` has an invalid value: `claude`"),
        (head.to_owned(), "1:1 `providers.p` has no `models`"),
        (head.replace("https://x", "ftp://x"), "3:7 `providers.p.url` cannot be `ftp://x`: it begins with neither"),
        (
            head.replace("https://x", "https://me:SECRET@x"),
            "3:7 `providers.p.url` cannot be `…@x`: it has a user in it",
        ),
        (head.replace("https://x", "https://x/a/../b"), "3:7 `providers.p.url` cannot be"),
        (head.replace("https://x", "https://x?a=b"), "3:7 `providers.p.url` cannot be"),
        (head.replace("https://x", "https://x:0"), "3:7 `providers.p.url` cannot be"),
        (
            head.replace("https://x", "http://api.example.com") + "key = \"k\"",
            "3:7 The key of `providers.p` would cross a network in the clear",
        ),
        (format!("{head}key = \"a b\""), "4:7 The key of `providers.p` has characters that cannot be sent"),
        (format!("{head}key = \"a\"\nkey_command = \"b\""), "4:7 `providers.p` has both `key` and `key_command`"),
        (format!("{head}timeout = \"soon\""), "4:11 `providers.p.timeout` is not a time: `soon`"),
        (format!("{head}models.m = {{ input = 1, window = 1 }}"), "4:12 `providers.p.models.m` has no `output`"),
        (format!("{head}models.m = {{ input = 1, output = 1 }}"), "4:12 `providers.p.models.m` has no `window`"),
        (format!("{head}models.m = {{ input = -1 }}"), "4:22 `providers.p.models.m.input` is not a price: `-1`"),
        (format!("{head}models.m = {{ input = 1e3 }}"), "4:22 `providers.p.models.m.input` is not a price: `1e3`"),
        (format!("{head}models.m = {{ input = nan }}"), "4:22 `providers.p.models.m.input` is not a price: `nan`"),
        (
            format!("{head}models.m = {{ input = 1, output = 1, window = 0 }}"),
            "4:46 `providers.p.models.m.window` is not a valid number",
        ),
        (format!("{head}models.\"a b\" = {{}}"), "4:8 `a b` cannot name a provider or model"),
        ("[instances]\nmodels = []".into(), "1:1 `instances` has no `budget`"),
        ("[instances]\nbudget = \"5 dollars\"".into(), "2:10 `instances.budget` is not a budget: `5 dollars`"),
        ("[instances]\nbudget = -1".into(), "2:10 `instances.budget` is not a budget: `-1`"),
    ] {
        let got = wrong_at(&text);
        assert!(got.starts_with(said), "{text}: {got}");
        assert!(!got.contains("SECRET"), "{got}");
    }
    let twice = format!("{head}models.m = {{ input = 1, output = 1, window = 1 }}\n");
    let twice = format!("{twice}{}", twice.replace("providers.p", "providers.q"));
    assert!(wrong_at(&twice).contains("The model `m` is offered by `p` and by `q`"), "{}", wrong_at(&twice));
}
