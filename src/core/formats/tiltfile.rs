//! What a Tiltfile says, read without running it: its calls of `docker_compose`, the compose files they name, the ports it
//! forwards and links to, whether it deploys to Kubernetes, and the other Tiltfiles it loads. Comments and texts in it are told from code; nothing else is understood.

use super::commandline;

/// Tilt's own function, which passes a project name of its own to compose (D16).
const CALL: &str = "docker_compose";
/// The functions that put something into a cluster.
const DEPLOYS: [&str; 6] = ["k8s_yaml", "helm", "kustomize", "helm_resource", "helm_remote", "k8s_custom_deploy"];

/// What was found.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Scan {
    /// The lines, from 1, of calls that give compose no project name, or a fixed one.
    pub bare: Vec<usize>,
    /// Compose files named by such calls and by wrappers of them, relative to the Tiltfile.
    pub compose_files: Vec<String>,
    /// Tiltfiles in this file system that are loaded or included, relative to the Tiltfile.
    pub loads: Vec<String>,
    /// The ports it forwards or links to.
    pub ports: Vec<Port>,
    /// Whether it deploys to Kubernetes.
    pub deploys: bool,
}

/// A port of this machine that a Tiltfile writes out.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Port {
    /// Its line, from 1.
    pub line: usize,
    /// The resource, where a plain text names it.
    pub resource: Option<String>,
    /// The number.
    pub port: u16,
    /// Whether it is forwarded, and not only linked to.
    pub is_forward: bool,
}

#[derive(Debug, Clone, PartialEq)]
enum Kind {
    Word(String),
    Text(String),
    Sign(char),
}

#[derive(Debug, Clone, PartialEq)]
struct Token {
    kind: Kind,
    line: usize,
}

impl Token {
    fn is_sign(&self, sign: char) -> bool {
        self.kind == Kind::Sign(sign)
    }

    fn is_word(&self, word: &str) -> bool {
        matches!(&self.kind, Kind::Word(own) if own == word)
    }
}

/// Reads a Tiltfile.
pub fn scan(text: &str) -> Scan {
    let tokens = tokens(text);
    let mut found = Scan::default();
    let mut own = false;
    // The resource whose ports are being read, and the token behind them.
    let mut within: (Option<String>, usize) = (None, 0);
    for (at, token) in tokens.iter().enumerate() {
        let Kind::Word(name) = &token.kind else { continue };
        let before = at.checked_sub(1).map(|before| &tokens[before]);
        if !tokens.get(at + 1).is_some_and(|next| next.is_sign('(')) || before.is_some_and(|token| token.is_sign('.')) {
            continue;
        }
        // Read only for the calls that count: each reads to its end, and calls stand in calls.
        let arguments = || arguments(&tokens[at + 2..]);
        if before.is_some_and(|token| token.is_word("def")) {
            own |= name == CALL;
        } else if matches!(name.as_str(), "k8s_resource" | "local_resource" | "dc_resource" | "port_forward") {
            let arguments = arguments();
            if name == "port_forward" {
                let local = arguments.iter().find(|one| matches!(one.name, None | Some("local_port")));
                let resource = within.0.clone().filter(|_| at < within.1);
                found.ports.extend(local.and_then(|one| forward(one.value, resource)));
                continue;
            }
            within = (resource(&arguments), at + 2 + arguments.iter().map(|one| one.value.len() + 3).sum::<usize>());
            found.ports.extend(written(&arguments, within.0.as_ref()));
        } else if name == "load" || name == "include" {
            // A wrapper may be loaded under Tilt's own name.
            let arguments = arguments();
            own |=
                arguments.iter().skip(1).any(|argument| argument.name == Some(CALL) || argument.text() == Some(CALL));
            let path = arguments.first().and_then(Argument::text).filter(|path| !path.contains("://"));
            found.loads.extend(path.map(str::to_owned));
        } else if DEPLOYS.contains(&name.as_str()) {
            found.deploys = true;
        } else if name.ends_with(CALL) {
            let arguments = arguments();
            let named = arguments.iter().find(|argument| argument.name == Some("project_name"));
            if name == CALL && named.is_none_or(|argument| argument.text().is_some()) {
                found.bare.push(token.line);
            }
            let files = arguments.iter().filter(|argument| matches!(argument.name, None | Some("configPaths")));
            found.compose_files.extend(files.flat_map(Argument::texts).map(str::to_owned));
        }
    }
    if own {
        found.bare.clear();
    }
    found
}

/// The resource a call is about.
fn resource(arguments: &[Argument<'_>]) -> Option<String> {
    let named = arguments.iter().find(|one| matches!(one.name, Some("workload" | "name")));
    named.or_else(|| arguments.first().filter(|one| one.name.is_none()))?.text().map(str::to_owned)
}

/// The ports that a call writes out itself; those of `port_forward` calls in it are found there.
fn written(arguments: &[Argument<'_>], resource: Option<&String>) -> Vec<Port> {
    let mut ports = Vec::new();
    for argument in arguments {
        if argument.name == Some("port_forwards") {
            let items = match argument.value {
                [open, inner @ .., close] if open.is_sign('[') && close.is_sign(']') => split(inner),
                value => vec![value],
            };
            ports.extend(items.into_iter().filter_map(|item| forward(item, resource.cloned())));
        } else if argument.name == Some("links") {
            for token in argument.value {
                let Kind::Text(text) = &token.kind else { continue };
                let linked = commandline::here(text).into_iter();
                let port = |port| Port { line: token.line, resource: resource.cloned(), port, is_forward: false };
                ports.extend(linked.map(port));
            }
        }
    }
    ports
}

/// The local port of `8000`, `'8000'`, `'8000:80'` and `'HOST:8000:80'`.
fn forward(item: &[Token], resource: Option<String>) -> Option<Port> {
    let [Token { kind: Kind::Word(text) | Kind::Text(text), line }] = item else { return None };
    let parts: Vec<&str> = text.split(':').collect();
    let local = if parts.len() > 2 { parts[parts.len() - 2] } else { parts[0] };
    Some(Port { line: *line, resource, port: commandline::whole(local)?, is_forward: true })
}

/// One argument of a call.
struct Argument<'a> {
    name: Option<&'a str>,
    value: &'a [Token],
}

impl<'a> Argument<'a> {
    /// Its text, when it is one and nothing else.
    fn text(&self) -> Option<&'a str> {
        match self.value {
            [Token { kind: Kind::Text(text), .. }] => Some(text),
            _ => None,
        }
    }

    /// Its text, or the texts of its list; what is computed is left out.
    fn texts(&self) -> Vec<&'a str> {
        match self.value {
            [open, inner @ .., close] if open.is_sign('[') && close.is_sign(']') => {
                split(inner).into_iter().filter_map(|value| Argument { name: None, value }.text()).collect()
            }
            _ => self.text().into_iter().collect(),
        }
    }
}

/// The arguments of a call, from behind its opening bracket.
fn arguments(tokens: &[Token]) -> Vec<Argument<'_>> {
    let mut depth = 0_usize;
    let end = tokens.iter().position(|token| match token.kind {
        Kind::Sign('(' | '[' | '{') => {
            depth += 1;
            false
        }
        Kind::Sign(')' | ']' | '}') => {
            let is_end = depth == 0;
            depth = depth.saturating_sub(1);
            is_end
        }
        _ => false,
    });
    let inner = &tokens[..end.unwrap_or(tokens.len())];
    let argument = |value: &'_ [Token]| -> Option<usize> {
        let named = matches!(value, [Token { kind: Kind::Word(_), .. }, equals, ..] if equals.is_sign('='));
        let compared = value.get(2).is_some_and(|third| third.is_sign('='));
        (named && !compared).then_some(2)
    };
    let parts = split(inner).into_iter();
    parts
        .map(|value| match (argument(value), value.first().map(|first| &first.kind)) {
            (Some(skip), Some(Kind::Word(name))) => Argument { name: Some(name), value: &value[skip..] },
            _ => Argument { name: None, value },
        })
        .collect()
}

/// Splits at the commas outside all brackets.
fn split(tokens: &[Token]) -> Vec<&[Token]> {
    let mut depth = 0_usize;
    tokens
        .split(|token| {
            match token.kind {
                Kind::Sign('(' | '[' | '{') => depth += 1,
                Kind::Sign(')' | ']' | '}') => depth = depth.saturating_sub(1),
                _ => {}
            }
            depth == 0 && token.is_sign(',')
        })
        .filter(|part| !part.is_empty())
        .collect()
}

fn tokens(text: &str) -> Vec<Token> {
    let mut tokens = Vec::new();
    let mut line = 1;
    let mut rest = text;
    while let Some(first) = rest.chars().next() {
        let length = match first {
            '\n' => {
                line += 1;
                1
            }
            '#' => rest.find('\n').unwrap_or(rest.len()),
            '"' | '\'' => {
                let (value, length) = quoted(rest, first, false);
                tokens.push(Token { kind: Kind::Text(value), line });
                length
            }
            c if c.is_alphanumeric() || c == '_' => {
                let length = rest.find(|c: char| !c.is_alphanumeric() && c != '_').unwrap_or(rest.len());
                let (word, after) = rest.split_at(length);
                match after.chars().next() {
                    Some(quote @ ('"' | '\'')) if matches!(word, "r" | "b" | "rb" | "br") => {
                        let (value, inner) = quoted(after, quote, word.contains('r'));
                        tokens.push(Token { kind: Kind::Text(value), line });
                        length + inner
                    }
                    _ => {
                        tokens.push(Token { kind: Kind::Word(word.to_owned()), line });
                        length
                    }
                }
            }
            c => {
                if !c.is_whitespace() {
                    tokens.push(Token { kind: Kind::Sign(c), line });
                }
                c.len_utf8()
            }
        };
        if length > 1 {
            line += rest[..length].matches('\n').count();
        }
        rest = &rest[length..];
    }
    tokens
}

/// The value of a text that begins with a quote, and its length with quotes; one that is not closed goes to its end.
fn quoted(text: &str, quote: char, raw: bool) -> (String, usize) {
    let mark: String = std::iter::repeat_n(quote, 3).collect();
    let triple = text.starts_with(&mark);
    let mark = if triple { mark.as_str() } else { &mark[..1] };
    let mut value = String::new();
    let mut at = mark.len();
    while let Some(c) = text[at..].chars().next() {
        if text[at..].starts_with(mark) {
            return (value, at + mark.len());
        }
        if c == '\n' && !triple {
            break;
        }
        at += c.len_utf8();
        match text[at..].chars().next().filter(|_| c == '\\') {
            Some(escaped) => {
                if raw || !matches!(escaped, '\\' | '\'' | '"') {
                    value.push(c);
                }
                value.push(escaped);
                at += escaped.len_utf8();
            }
            None => value.push(c),
        }
    }
    (value, at)
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn files(text: &str) -> Vec<String> {
        scan(text).compose_files
    }

    #[test]
    fn only_calls_without_a_name_of_the_instances_own_are_bare() {
        let text = "# docker_compose('a.yml')\n\
            print('docker_compose(1)', \"\"\"\ndocker_compose('b.yml')\n\"\"\")\n\
            docker_compose(\n  './c.yml',\n)\n\
            docker_compose('d.yml', project_name=os.getenv('COMPOSE_PROJECT_NAME'))\n\
            docker_compose('e.yml', project_name='shared')\n\
            silo_docker_compose('f.yml')\n\
            tool.docker_compose('g.yml')\n\
            x = docker_compose\n\
            my_docker_compose_files('h.yml')\n";
        let found = scan(text);
        assert_eq!(found.bare, [5, 9]);
        assert_eq!(found.compose_files, ["./c.yml", "d.yml", "e.yml", "f.yml"]);
    }

    #[test]
    fn a_function_of_ones_own_by_that_name_is_not_tilts() {
        assert_eq!(scan("def docker_compose(paths):\n  pass\ndocker_compose('a')\n").bare, [0; 0]);
        assert_eq!(scan("load('./w/Tiltfile', 'docker_compose')\ndocker_compose('a')\n").bare, [0; 0]);
        assert_eq!(scan("load('ext://w', docker_compose='dc')\ndocker_compose('a')\n").bare, [0; 0]);
        assert_eq!(scan("load('./w/Tiltfile', 'other')\ndocker_compose('a')\n").bare, [2]);
    }

    #[test]
    fn compose_files_are_those_named_by_plain_texts() {
        assert_eq!(files("docker_compose(['a.yml', \"b.yml\", dir + '/c.yml'], 'd')"), ["a.yml", "b.yml", "d"]);
        assert_eq!(files("docker_compose(encode_yaml({'services': {'a': 1}}))"), [""; 0]);
        assert_eq!(files("docker_compose(configPaths=['a.yml'], env_file='x.env')"), ["a.yml"]);
        assert_eq!(files("docker_compose(r'a\\b.yml', 'it\\'s')"), ["a\\b.yml", "it's"]);
    }

    #[test]
    fn other_tiltfiles_of_the_file_system_are_told() {
        let text = "load('./a/Tiltfile', 'x')\ninclude('b/Tiltfile')\nload('ext://c', 'y')\ninclude(dir + '/d')\n";
        assert_eq!(scan(text).loads, ["./a/Tiltfile", "b/Tiltfile"]);
    }

    #[test]
    fn ports_it_forwards_or_links_to_are_found_with_their_resource() {
        let text = "k8s_resource('api', port_forwards=8000)\n\
            k8s_resource(workload='web', port_forwards=[\n  '3000:80',\n  port_forward(9229, 9229, name='debug'),\n])\n\
            k8s_resource('x', port_forwards=os.getenv('P', '1'), links=[link('http://localhost:7000/a', 'A'), 'http://b'])\n\
            pf = port_forward(local_port=4000)\nk8s_resource('y', port_forwards='0.0.0.0:5000:50')\n";
        let port = |one: &Port| {
            let way = if one.is_forward { "" } else { " linked" };
            format!("{} {} {}{way}", one.line, one.resource.as_deref().unwrap_or("-"), one.port)
        };
        let told: Vec<String> = scan(text).ports.iter().map(port).collect();
        assert_eq!(told, ["1 api 8000", "3 web 3000", "4 web 9229", "6 x 7000 linked", "7 - 4000", "8 y 5000"]);
        assert!(!scan(text).deploys && scan("k8s_yaml('a.yaml')").deploys && scan("x = helm('c')").deploys);
    }

    #[test]
    fn what_is_cut_is_read_as_far_as_it_goes() {
        assert_eq!(scan("\n\ndocker_compose('a.yml").bare, [3]);
        assert_eq!(scan("docker_compose(").bare, [1]);
        assert_eq!(scan("x = '''docker_compose('a')").bare, [0; 0]);
    }

    proptest! {
        #[test]
        fn no_text_panics(text in "\\PC{0,200}", code in "[dockerlad_mpse()\\[\\]{}'\"#,=\\\\\n .rbé]{0,200}") {
            let _ = scan(&text);
            let _ = scan(&code);
            let _ = scan(&format!("docker_compose({code}"));
        }
    }
}
