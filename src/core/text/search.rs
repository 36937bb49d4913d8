//! Finding words in the pages that silo carries with it.

use super::markdown;
use super::pages::Page;

/// A place in a page where all the words stand.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Hit {
    /// The page, as typed behind `silo doc`.
    pub topic: &'static str,
    /// The heading above it, without marks.
    pub section: String,
    /// The paragraph, point, row or block of code, in one line and without marks.
    pub text: String,
    /// Whether the words stand in the heading itself; the text is then the first below it.
    pub is_heading: bool,
}

impl Hit {
    /// At most so many characters of the text, with the first of the words among them where it has it.
    pub fn around(&self, words: &[String], most: usize) -> String {
        let length = self.text.chars().count();
        if length <= most {
            return self.text.clone();
        }
        let lower = self.text.to_lowercase();
        let word = words.iter().flat_map(|word| word.split_whitespace()).next().unwrap_or_default().to_lowercase();
        let at = lower.find(&word).map_or(0, |at| lower[..at].chars().count());
        let start = at.saturating_sub(most / 3).min(length - most);
        let text: String = self.text.chars().skip(start).take(most).collect();
        let mut text = text.as_str();
        // Words that are cut are left out.
        if start > 0 {
            text = text.split_once(' ').map_or(text, |(_, rest)| rest);
        }
        let ends = start + most == length;
        if !ends {
            text = text.rsplit_once(' ').map_or(text, |(rest, _)| rest);
        }
        format!("{}{text}{}", if start > 0 { "… " } else { "" }, if ends { "" } else { " …" })
    }
}

/// Where all the words occur together, upper or lower case: headings first, then those where they follow each other, then the
/// pages in their order. Without a word there is nothing to find.
pub fn search(pages: &[Page], words: &[String]) -> Vec<Hit> {
    let words: Vec<String> = words.iter().flat_map(|word| word.split_whitespace()).map(str::to_lowercase).collect();
    if words.is_empty() {
        return Vec::new();
    }
    let has_all = |text: &str| {
        let text = text.to_lowercase();
        words.iter().all(|word| text.contains(word))
    };
    let mut hits = Vec::new();
    for page in pages {
        let mut named = None;
        for (section, text) in blocks(page) {
            let is_heading = named != Some(section) && has_all(&markdown::plain(section));
            named = Some(section);
            let text = markdown::plain(&text).split_whitespace().collect::<Vec<_>>().join(" ");
            if is_heading || has_all(&text) {
                hits.push(Hit { topic: page.topic, section: markdown::plain(section), text, is_heading });
            }
        }
    }
    let phrase = words.join(" ");
    hits.sort_by_key(|hit| (!hit.is_heading, !hit.text.to_lowercase().contains(&phrase)));
    hits
}

/// The paragraphs, points, rows and blocks of code of a page in one line each, with the heading above.
fn blocks(page: &Page) -> Vec<(&'static str, String)> {
    let mut blocks: Vec<(&'static str, String)> = Vec::new();
    let (mut section, mut is_code, mut goes_on) = ("", false, false);
    for line in page.markdown.lines() {
        let text = line.trim();
        if text.starts_with("```") {
            (is_code, goes_on) = (!is_code, false);
            continue;
        }
        if !is_code && let Some(heading) = text.strip_prefix('#') {
            (section, goes_on) = (heading.trim_start_matches('#').trim(), false);
            continue;
        }
        // The line below a table's heads.
        if text.is_empty() || text.starts_with('|') && text.trim_matches(['|', '-', ':', ' ']).is_empty() {
            goes_on = goes_on && is_code;
            continue;
        }
        let begins = !is_code && (text.starts_with("- ") || text.starts_with('|'));
        let row = text.strip_prefix('|').map(|row| row.trim_end_matches('|').replace('|', " ").trim().to_owned());
        let text = row.unwrap_or_else(|| text.strip_prefix("- ").filter(|_| begins).unwrap_or(text).to_owned());
        match blocks.last_mut() {
            Some((_, block)) if goes_on && !begins => *block = format!("{block} {text}"),
            _ => blocks.push((section, text)),
        }
        goes_on = true;
    }
    blocks
}

#[cfg(test)]
mod tests {
    use super::super::pages::PAGES;
    use super::*;

    const PAGE: Page = Page {
        topic: "x",
        markdown: "# The page\n\nFirst **line**\ngoes on.\n\n- A point\n  of two lines\n- Another\n\n## Table of ports\n\n\
                   | Name | Default |\n|---|:--|\n| `WEB` | 3000 |\n\n```bash\n# no heading\nsilo who\n\nsilo up\n```\nLast.\n",
    };

    fn found(words: &str) -> Vec<(String, String, bool)> {
        let hits = search(&[PAGE], &[words.to_owned()]);
        hits.into_iter().map(|hit| (hit.section, hit.text, hit.is_heading)).collect()
    }

    #[test]
    fn words_are_found_together_in_a_paragraph_a_point_a_row_and_code() {
        let of = |section: &str, text: &str, is_heading| vec![(section.to_owned(), text.to_owned(), is_heading)];
        assert_eq!(found("goes FIRST"), of("The page", "First line goes on.", false));
        assert_eq!(found("lines"), of("The page", "A point of two lines", false));
        assert_eq!(found("web 3000"), of("Table of ports", "WEB 3000", false));
        assert_eq!(found("who up"), of("Table of ports", "# no heading silo who silo up", false));
        assert_eq!(found("last."), of("Table of ports", "Last.", false));
        assert_eq!(found("ports of")[0], ("Table of ports".to_owned(), "Name Default".to_owned(), true));
        assert_eq!((found("point last"), found(" "), found("")), (vec![], vec![], vec![]));
    }

    #[test]
    fn a_long_text_is_cut_around_the_word() {
        let text = format!("{}Port{}", "a ".repeat(100), " é".repeat(100));
        let hit = |text: &str| Hit { topic: "x", section: String::new(), text: text.to_owned(), is_heading: false };
        let around = |words: &str, most| hit(&text).around(&[words.to_owned()], most);
        assert_eq!(around("PORT x", 16), "… a a Port é é é …");
        assert_eq!(around("none", 6), "a a a …");
        assert_eq!(around("é", 403), text.replacen("a ", "… ", 1));
        assert_eq!(hit("short").around(&[], 5), "short");
    }

    #[test]
    fn every_page_is_found_by_its_title() {
        for page in PAGES {
            assert!(search(PAGES, &[page.title()]).iter().any(|hit| hit.topic == page.topic), "{}", page.topic);
        }
    }
}
