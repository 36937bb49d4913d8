//! Lengths of time as people type them: `20s`, `5m`, `1h30m`; a number alone is seconds.

use std::time::Duration;

/// Reads a length of time.
///
/// # Errors
/// A sentence that says how one is written.
pub fn parse(text: &str) -> Result<Duration, String> {
    let wrong = || "a time is seconds, or as in 20s, 5m, 1h30m".to_owned();
    if let Ok(seconds) = text.parse::<u32>() {
        return Ok(Duration::from_secs(seconds.into()));
    }
    let mut rest = text;
    let mut sum = 0_u64;
    while !rest.is_empty() {
        let digits = rest.find(|c: char| !c.is_ascii_digit()).ok_or_else(wrong)?;
        let (number, tail) = rest.split_at(digits);
        let number = u64::from(number.parse::<u32>().map_err(|_| wrong())?);
        let unit = match tail.chars().next() {
            Some('s') => 1,
            Some('m') => 60,
            Some('h') => 3600,
            _ => return Err(wrong()),
        };
        sum += number * unit;
        rest = &tail[1..];
    }
    if text.is_empty() { Err(wrong()) } else { Ok(Duration::from_secs(sum)) }
}

/// A length of time as people type it, in whole seconds.
pub fn shown(time: Duration) -> String {
    let seconds = time.as_secs();
    let pieces = [(seconds / 3600, 'h'), (seconds / 60 % 60, 'm'), (seconds % 60, 's')];
    let said: Vec<String> =
        pieces.iter().filter(|(count, _)| *count > 0).map(|(count, unit)| format!("{count}{unit}")).collect();
    if said.is_empty() { "0s".to_owned() } else { said.concat() }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_number_alone_is_seconds_and_units_add_up() {
        let seconds = |text: &str| parse(text).map(|time| time.as_secs()).ok();
        assert_eq!([seconds("0"), seconds("120"), seconds("20s"), seconds("5m")], [0, 120, 20, 300].map(Some));
        assert_eq!(seconds("1h30m"), Some(5400));
        for text in ["2h", "45m", "1h30m", "5s", "0s"] {
            assert_eq!(shown(parse(text).expect("it is one")), text);
        }
        for text in ["", "s", "5x", "1.5m", "-1", "5 m", "m5", "99999999999999999999s", "5mm"] {
            assert_eq!(seconds(text), None, "{text}");
        }
    }
}
