//! The shells silo has a hook for: one table, and a file for each with all that is its own. Nothing else lists them.

pub mod activation;
mod bash;
mod description;
mod elvish;
pub mod environment;
mod fish;
mod launch;
mod lines;
mod mark;
mod nu;
mod posix;
mod quote;
mod start;
pub mod startfile;
mod tcsh;
mod template;
pub mod varname;
mod zsh;

pub use description::{Completions, Shell, Wanted};
pub use launch::{Inside, Launch, Written};
pub use mark::{MARK, Mark, UNCALLED};
pub use start::{ByHand, Folder, Place, Start};

/// Every shell, in the order of the documentation.
pub static ALL: [&Shell; 6] = [&bash::BASH, &zsh::ZSH, &fish::FISH, &nu::NU, &elvish::ELVISH, &tcsh::TCSH];

/// The shell of a name, as typed.
pub fn named(name: &str) -> Option<&'static Shell> {
    ALL.into_iter().find(|shell| shell.name == name || shell.aliases.contains(&name))
}

/// The shell a program path such as `/usr/bin/zsh` names.
pub fn of_program(path: &str) -> Option<&'static Shell> {
    let program = path.rsplit('/').next().unwrap_or(path).trim_start_matches('-');
    ALL.into_iter().find(|shell| shell.name == program)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::core::text::pages;

    #[test]
    fn login_shells_are_recognised() {
        assert_eq!(of_program("-zsh"), Some(&zsh::ZSH));
        assert_eq!(of_program("/usr/local/bin/fish"), Some(&fish::FISH));
        assert_eq!(of_program("/bin/dash"), None);
    }

    #[test]
    fn a_shell_is_found_by_what_it_is_called_and_by_no_two_names() {
        assert_eq!(named("nushell"), Some(&nu::NU));
        let mut names: Vec<&str> =
            ALL.iter().flat_map(|shell| shell.aliases.iter().copied().chain([shell.name])).collect();
        let all = names.len();
        assert!(names.iter().all(|name| named(name).is_some()));
        names.sort_unstable();
        names.dedup();
        assert_eq!(names.len(), all, "{names:?}");
    }

    #[test]
    fn each_hook_names_silo_and_the_version_it_is_of() {
        for shell in ALL {
            let text =
                [shell.hook(&Wanted { silo: b"/b/silo", script: b"/s/hook", wraps_cd: true, is_on_path: false })]
                    .into_iter()
                    .chain(shell.scripts().map(|(_, text)| text));
            let text = String::from_utf8(text.collect::<Vec<_>>().concat()).expect("it is text");
            assert!(text.contains("/b/silo") && text.contains(env!("CARGO_PKG_VERSION")), "{}", shell.name);
            assert!(!text.contains("@SILO@") && !text.contains("@VERSION@"), "{}", shell.name);
        }
    }

    #[test]
    fn the_line_is_the_one_of_the_documentation() {
        let page = pages::page("shell").expect("there is one").markdown.replace("\\|", "|");
        for shell in ALL {
            let line = String::from_utf8(shell.load(b"silo")).expect("it is text");
            // A line with backquotes cannot stand in a table.
            let row = |row: &str| row.starts_with(&format!("| {} ", shell.name)) && row.contains("`silo help hook`");
            assert!(page.contains(&format!("`{line}` |")) || page.lines().any(row), "{line}");
        }
    }
}
