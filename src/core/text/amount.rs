//! Amounts of memory and disk as people type them: `512m`, `2g`, `1.5GiB`; a number alone is bytes. Units are of 1024.

/// Reads an amount, in bytes.
///
/// # Errors
/// A sentence that says how one is written.
pub fn parse(text: &str) -> Result<u64, String> {
    let wrong = || "an amount is bytes, or as in 512m, 2g".to_owned();
    let text = text.trim();
    let digits = text.find(|c: char| !c.is_ascii_digit() && c != '.').unwrap_or(text.len());
    let (number, unit) = text.split_at(digits);
    let unit = unit.trim().to_ascii_lowercase();
    let scale: u64 = match unit.strip_suffix("ib").or_else(|| unit.strip_suffix('b')).unwrap_or(&unit) {
        "" => 1,
        "k" => 1 << 10,
        "m" => 1 << 20,
        "g" => 1 << 30,
        "t" => 1 << 40,
        _ => return Err(wrong()),
    };
    let (whole, part) = number.split_once('.').unwrap_or((number, ""));
    let whole: u64 = whole.parse().map_err(|_| wrong())?;
    if part.len() > 6 || part.is_empty() && number.contains('.') {
        return Err(wrong());
    }
    let thousandths = match part {
        "" => 0,
        part => part.parse::<u64>().map_err(|_| wrong())? * scale / 10_u64.pow(u32::try_from(part.len()).unwrap_or(0)),
    };
    whole.checked_mul(scale).and_then(|bytes| bytes.checked_add(thousandths)).ok_or_else(wrong)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn units_are_of_1024_and_nothing_else_is_read() {
        for (text, bytes) in [
            ("0", 0),
            ("512", 512),
            ("4k", 4096),
            ("512m", 512 << 20),
            ("2g", 2 << 30),
            ("1.5GiB", 3 << 29),
            ("1 GB", 1 << 30),
            ("1t", 1 << 40),
        ] {
            assert_eq!(parse(text), Ok(bytes), "{text}");
        }
        for text in
            ["", "m", "-1", "1e3", "1x", "1.", ".5g", "1..5g", "99999999999999999999", "99999999t", "1.1234567g"]
        {
            assert!(parse(text).is_err(), "{text}");
        }
    }
}
