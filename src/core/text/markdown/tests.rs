use super::*;
use expect_test::expect;
use proptest::prelude::*;

const PAGE: &str = "\
# Title of `it`
<!-- a comment
over two lines -->
One paragraph with **bold words**, `some code` and a [link](other.md),
in two lines; and [one](https://example.com) out.
- first item, which is long enough to be broken
  and goes on here
- second \\*

1. one

```sh
silo up -d   # a very long line of code, which is never broken whatever the width
```

| key | meaning |
|---|:--|
| `a` | short |
| `b \\| c` | a longer cell that must be broken at its spaces |
";

fn shown(width: usize, coloured: bool) -> String {
    render(PAGE, Look { width, coloured })
}

#[test]
fn without_colours_the_marks_of_headings_and_code_stay() {
    expect![[r#"
        # Title of `it`

        One paragraph with bold words, `some
        code` and a link, in two lines; and one
        <https://example.com> out.

        - first item, which is long enough to be
          broken and goes on here
        - second *
        1. one

            silo up -d   # a very long line of code, which is never broken whatever the width

        key      meaning
        ───────  ───────────────────────────────
        `a`      short
        `b | c`  a longer cell that must be
                 broken at its spaces
    "#]]
    .assert_eq(&shown(40, false));
}

#[test]
fn colours_stand_for_the_marks() {
    let text = shown(100, true);
    assert!(text.starts_with("\u{1b}[1;35mTitle of it\u{1b}[0m\n\n"), "{text:?}");
    assert!(text.contains("\u{1b}[1mbold words\u{1b}[0m, \u{1b}[36msome code\u{1b}[0m and a \u{1b}[4mlink\u{1b}[0m,"));
    assert!(!text.contains('`') && !text.contains("**"), "{text}");
}

#[test]
fn no_line_but_code_is_wider_than_the_terminal() {
    for width in 30..120 {
        let text = shown(width, false);
        let long = text.lines().find(|line| line.chars().count() > width && !line.starts_with(INDENT));
        assert_eq!(long, None, "at {width}");
    }
}

#[test]
fn a_text_without_marks_is_for_lists_of_titles() {
    assert_eq!(plain("`a` **b** [c](d.md)"), "a b c");
}

proptest! {
    #[test]
    fn no_text_panics(text in "([\\PC\n]|[`*\\[\\]()|#\n-]){0,200}", width in 0usize..60, coloured: bool) {
        let _ = render(&text, Look { width, coloured });
    }

    #[test]
    fn every_word_of_a_paragraph_is_there(words in proptest::collection::vec("[a-z]{1,20}", 1..30), width in 1usize..60) {
        let text = render(&words.join(" "), Look { width, coloured: false });
        prop_assert_eq!(text.split_whitespace().collect::<Vec<_>>(), words);
    }
}
