//! The file behind `$GITHUB_ENV`: the delimiter form, which survives any value.

/// The lines that set names to values, between delimiters made of what `chance` says: one that no value holds.
pub fn render(vars: &[(String, String)], chance: &dyn Fn() -> String) -> String {
    let mut delimiter = "ghadelimiter".to_owned();
    loop {
        delimiter = format!("{delimiter}_{}{}{}", chance(), chance(), chance());
        if !vars.iter().any(|(_, value)| value.contains(&delimiter)) {
            let lines = vars.iter().map(|(name, value)| format!("{name}<<{delimiter}\n{value}\n{delimiter}\n"));
            return lines.collect::<Vec<_>>().concat();
        }
    }
}

/// The line, in a job's output, after which its logs show `***` for a value.
pub fn mask(value: &str) -> String {
    format!("::add-mask::{}", value.replace('%', "%25").replace('\r', "%0D").replace('\n', "%0A"))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn pairs(value: &str) -> [(String, String); 1] {
        [("A".to_owned(), value.to_owned())]
    }

    #[test]
    fn a_mask_is_one_line() {
        assert_eq!(mask("a%b\nc"), "::add-mask::a%25b%0Ac");
    }

    #[test]
    fn any_value_stands_between_delimiters() {
        assert_eq!(render(&pairs("x=1"), &|| "ab".into()), "A<<ghadelimiter_ababab\nx=1\nghadelimiter_ababab\n");
    }

    #[test]
    fn a_value_that_holds_the_delimiter_gets_another() {
        let value = "x ghadelimiter_ababab";
        let expected = format!("A<<ghadelimiter_ababab_ababab\n{value}\nghadelimiter_ababab_ababab\n");
        assert_eq!(render(&pairs(value), &|| "ab".into()), expected);
    }
}
