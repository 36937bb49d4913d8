//! What a shell says when it enters an instance.

/// The one short line of an activation: the name, then as many ports as fit (D11: no other values).
pub(super) fn activation_line<'a>(name: &str, ports: impl IntoIterator<Item = (&'a String, &'a u16)>) -> String {
    const WIDTH: usize = 72;
    let mut line = format!("{name} ·");
    for (variable, port) in ports {
        let next = format!(" {variable}={port}");
        if line.chars().count() + next.len() > WIDTH {
            return line + " …";
        }
        line.push_str(&next);
    }
    line
}
