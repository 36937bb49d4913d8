//! What a Tiltfile says of compose, read without running it: its calls of `docker_compose`, the compose files they name,
//! and the other Tiltfiles it loads. Comments and texts in it are told from code; nothing else is understood.

/// Tilt's own function, which passes a project name of its own to compose (D16).
const CALL: &str = "docker_compose";

/// What was found.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Scan {
    /// The lines, from 1, of calls that give compose no project name, or a fixed one.
    pub bare: Vec<usize>,
    /// Compose files named by such calls and by wrappers of them, relative to the Tiltfile.
    pub compose_files: Vec<String>,
    /// Tiltfiles in this file system that are loaded or included, relative to the Tiltfile.
    pub loads: Vec<String>,
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
        } else if name == "load" || name == "include" {
            // A wrapper may be loaded under Tilt's own name.
            let arguments = arguments();
            own |=
                arguments.iter().skip(1).any(|argument| argument.name == Some(CALL) || argument.text() == Some(CALL));
            let path = arguments.first().and_then(Argument::text).filter(|path| !path.contains("://"));
            found.loads.extend(path.map(str::to_owned));
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
