//! The pictures of the README: the recording is what today's silo says (`UPDATE_EXPECT=1 cargo test --test it pictures`
//! draws it again), and every picture can be read in either colour scheme.

use std::fs;

use clap::Parser as _;
use expect_test::expect_file;
use silo::cli::Cli;

use crate::docs::{package, read};
use crate::docs_commands::silo_lines;
use crate::engine::Engine;
use crate::proxy_browser::browser;
use crate::sandbox::{SILO, Sandbox};

const RECORDING: &str = "docs/pictures/silo.svg";
const WATCH: &str = "docs/pictures/watch.svg";

/// The pictures, and the pages that show them.
const PICTURES: [(&str, &[&str]); 5] = [
    (RECORDING, &["README.md"]),
    (WATCH, &["docs/fleet.md"]),
    ("docs/pictures/records.svg", &["README.md", "docs/architecture.md"]),
    ("docs/pictures/routes.svg", &["docs/routes.md"]),
    ("docs/pictures/names.svg", &["docs/names.md"]),
];

/// The texts of a class.
fn texts(svg: &str, class: &str) -> Vec<String> {
    let mark = format!("class=\"{class}");
    let found = svg.split(&mark).skip(1).filter_map(|rest| rest.split_once('>')?.1.split('<').next());
    found.map(|text| text.replace("&lt;", "<").replace("&gt;", ">").replace("&amp;", "&")).collect()
}

#[test]
fn engine_recordings_show_what_silo_says_today() {
    let engine = Engine::new();
    let sandbox = &engine.sandbox;
    for (picture, story) in [(RECORDING, None), (WATCH, Some("watch"))] {
        let mut record = engine.command(package().join("docs/pictures/record"), "");
        record.arg(SILO).args(story).env("TMPDIR", sandbox.path("home"));
        let ran = sandbox.finish(record).success().stderr("");
        let svg = String::from_utf8(ran.bytes).expect("it is UTF-8");
        expect_file![package().join(picture)].assert_eq(&svg);
    }
    assert_eq!(fs::read_dir(sandbox.path("home")).expect("it is ours").count(), 0, "nothing is left behind");
}

#[test]
fn every_line_typed_in_the_recording_is_one_silo_understands() {
    let typed = texts(&read(RECORDING), "i");
    let lines: Vec<Vec<String>> = typed.iter().flat_map(|line| silo_lines(line)).collect();
    assert!(typed.len() > lines.len() && lines.len() > 2, "{typed:?}");
    for words in lines {
        assert!(Cli::try_parse_from(&words).is_ok(), "{words:?}");
    }
}

#[test]
fn pictures_are_small_and_whole_and_have_words_for_who_cannot_see_them() {
    let sandbox = Sandbox::new();
    for (picture, pages) in PICTURES {
        let svg = read(picture);
        assert!(svg.len() < 60 * 1024, "{picture} has {} bytes", svg.len());
        assert!(!svg.contains("<script") && !svg.contains("href"), "{picture} is data alone");
        assert!(svg.contains("prefers-color-scheme:dark") && svg.contains("<title>"), "{picture}");
        let mut parser = sandbox.command("python3", "");
        parser
            .args(["-c", "import sys, xml.dom.minidom; xml.dom.minidom.parse(sys.argv[1])"])
            .arg(package().join(picture));
        sandbox.finish(parser).success();
        for page in pages {
            let link = picture.strip_prefix("docs/").filter(|_| page.starts_with("docs/")).unwrap_or(picture);
            let text = read(page);
            let alt = text.split_once(&format!("]({link})")).and_then(|(before, _)| before.rsplit_once("!["));
            assert!(alt.is_some_and(|(_, words)| words.len() > 40), "{page} does not show {picture}, or without words");
        }
    }
}

#[test]
fn the_proxys_page_is_photographed_in_light_and_dark_and_the_pictures_are_small() {
    let sandbox = Sandbox::new();
    let out = sandbox.dir("pictures");
    fs::create_dir_all(&out).expect("the sandbox is writable");
    let mut photograph = sandbox.command(package().join("docs/pictures/front"), "");
    photograph.arg(SILO).arg(browser()).arg(&out);
    sandbox.finish(photograph).success();
    let readme = read("README.md");
    for name in ["front-light.png", "front-dark.png"] {
        let kept = fs::read(package().join("docs/pictures").join(name)).expect("it is there");
        let taken = fs::read(out.join(name)).expect("it was taken");
        for picture in [&kept, &taken] {
            assert!(
                picture.starts_with(b"\x89PNG\r\n") && picture.len() < 20 * 1024,
                "{name}: {} bytes",
                picture.len()
            );
            // Width and height: fonts differ from machine to machine, so the rest does.
            assert_eq!(picture[16..24], kept[16..24], "{name}");
        }
        assert!(readme.contains(&format!("docs/pictures/{name}")), "the README shows {name}");
    }
    assert_ne!(fs::read(out.join("front-light.png")).ok(), fs::read(out.join("front-dark.png")).ok());
}

#[test]
fn the_diagram_names_files_and_commands_that_are_there() {
    let svg = read("docs/pictures/records.svg");
    let names = texts(&svg, "m");
    assert!(names.len() > 8, "{names:?}");
    let known = [
        "silo.toml",
        silo::core::instance::lockfile::FILE_NAME,
        silo::core::config::DEFAULT_OUTPUT,
        "registry.toml",
        "stamp",
    ];
    for name in names {
        let command = name.trim_start_matches("silo ");
        let is_command = Cli::try_parse_from(["silo", command, "--help"])
            .is_err_and(|error| error.kind() == clap::error::ErrorKind::DisplayHelp);
        assert!(known.contains(&name.as_str()) || is_command, "{name}");
    }
}
