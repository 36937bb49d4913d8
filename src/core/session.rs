//! A service of the user's session that runs silo: the unit of systemd, the property list of launchd.

use std::fmt::Write as _;

/// The first line by which silo knows its own file again.
pub const MARK: &str = "Written by `silo heal --install`; `silo heal --uninstall` removes it.";
/// The unit's name.
pub const UNIT: &str = "silo-heal.service";
/// launchd's name for it.
pub const LABEL: &str = "silo.heal";

/// What is to run, and with which variables.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Service {
    /// The program and its words.
    pub words: Vec<String>,
    /// Variables, by name.
    pub variables: Vec<(String, String)>,
}

impl Service {
    /// What of it holds a character that neither file can carry.
    pub fn unfit(&self) -> Option<&str> {
        let values = self.words.iter().chain(self.variables.iter().map(|(_, value)| value));
        values.map(String::as_str).find(|value| value.chars().any(char::is_control))
    }

    /// The unit (`man systemd.service`). What the service has started stays when it ends: it is the user's.
    pub fn systemd(&self) -> String {
        let words: Vec<String> = self.words.iter().map(|word| quoted(&word.replace('$', "$$"))).collect();
        let mut text = format!("# {MARK}\n[Unit]\nDescription=silo heal: what is wanted up is up\n\n[Service]\n");
        let _ = writeln!(text, "ExecStart={}", words.join(" "));
        for (name, value) in &self.variables {
            let _ = writeln!(text, "Environment={}", quoted(&format!("{name}={value}")));
        }
        text.push_str("Restart=on-failure\nRestartSec=10\nKillMode=process\n\n[Install]\nWantedBy=default.target\n");
        text
    }

    /// The property list (`man launchd.plist`).
    pub fn launchd(&self) -> String {
        let (mut words, mut variables) = (String::new(), String::new());
        for word in &self.words {
            let _ = writeln!(words, "    <string>{}</string>", escaped(word));
        }
        for (name, value) in &self.variables {
            let _ = writeln!(variables, "    <key>{}</key>\n    <string>{}</string>", escaped(name), escaped(value));
        }
        format!(
            "<?xml version=\"1.0\" encoding=\"UTF-8\"?>\n<!-- {MARK} -->\n<plist version=\"1.0\">\n<dict>\n  <key>Label</key>\n  \
             <string>{LABEL}</string>\n  <key>ProgramArguments</key>\n  <array>\n{words}  </array>\n  \
             <key>EnvironmentVariables</key>\n  <dict>\n{variables}  </dict>\n  <key>RunAtLoad</key>\n  <true/>\n  \
             <key>KeepAlive</key>\n  <dict>\n    <key>SuccessfulExit</key>\n    <false/>\n  </dict>\n  \
             <key>AbandonProcessGroup</key>\n  <true/>\n</dict>\n</plist>\n"
        )
    }
}

/// A word of a unit: quotes, backslashes and specifiers stand for themselves.
fn quoted(text: &str) -> String {
    format!("\"{}\"", text.replace('\\', "\\\\").replace('"', "\\\"").replace('%', "%%"))
}

fn escaped(text: &str) -> String {
    text.replace('&', "&amp;").replace('<', "&lt;").replace('>', "&gt;")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn odd_paths_and_values_stand_for_themselves() {
        let service = Service {
            words: vec!["/opt/a \"b\" $HOME 100%\\/silo".into(), "heal".into()],
            variables: vec![("PATH".into(), "/bin:/a<b>&c:/%h".into())],
        };
        let unit = service.systemd();
        assert!(unit.contains("\nExecStart=\"/opt/a \\\"b\\\" $$HOME 100%%\\\\/silo\" \"heal\"\n"), "{unit}");
        assert!(unit.contains("\nEnvironment=\"PATH=/bin:/a<b>&c:/%%h\"\n"), "{unit}");
        assert!(unit.starts_with(&format!("# {MARK}\n")), "{unit}");
        let list = service.launchd();
        assert!(list.contains("<string>/bin:/a&lt;b&gt;&amp;c:/%h</string>"), "{list}");
        assert!(list.contains(MARK) && list.contains("<string>/opt/a \"b\" $HOME 100%\\/silo</string>"), "{list}");
        assert_eq!(service.unfit(), None);
        let service = Service { words: vec!["a\nb".into()], ..service };
        assert_eq!(service.unfit(), Some("a\nb"));
    }
}
