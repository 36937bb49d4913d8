//! The pages as a site: `docs/site` renders them with mdBook, every link of it leads somewhere, and its search finds a page in a
//! real Chromium.

use std::collections::{BTreeMap, BTreeSet};
use std::fs;
use std::path::{Path, PathBuf};

use expect_test::expect_file;
use silo::core::text::pages::PAGES;

use crate::docs::{CONTRIBUTORS, package};
use crate::proxy_browser::browser;
use crate::sandbox::Sandbox;

/// The table of contents: the README, the pages in the order of `silo doc`, and what is for contributors.
fn summary() -> String {
    let mut text = "# Summary\n\n[silo](readme.md)\n\n".to_owned();
    for page in PAGES {
        text.push_str(&format!("- [{}]({}.md)\n", page.title(), page.topic));
    }
    text.push_str("\n---\n\n- [Contributing](contributing.md)\n");
    for topic in CONTRIBUTORS {
        let page = fs::read_to_string(package().join(format!("docs/{topic}.md"))).expect("it is a page");
        let title = page.lines().next().unwrap_or_default().trim_start_matches("# ");
        text.push_str(&format!("- [{title}]({topic}.md)\n"));
    }
    text + "- [Changelog](changelog.md)\n"
}

#[test]
fn the_contents_are_the_pages_in_their_order() {
    expect_file![package().join("docs/SUMMARY.md")].assert_eq(&summary());
}

/// mdBook, which tests/run builds where there is none.
fn mdbook() -> PathBuf {
    let path = std::env::var_os("PATH").unwrap_or_default();
    let target = std::env::var_os("CARGO_TARGET_DIR").map_or_else(|| package().join("target"), PathBuf::from);
    let own = target.join("mdbook/bin");
    let mut folders = std::env::split_paths(&path).chain([own]);
    folders
        .find_map(|folder| Some(folder.join("mdbook")).filter(|file| file.exists()))
        .expect("tests/run installs mdBook")
}

/// The site, in a folder of the sandbox.
fn site(sandbox: &Sandbox) -> PathBuf {
    let out = sandbox.path("site");
    let mut build = sandbox.command(package().join("docs/site"), "");
    build.arg(&out).env("MDBOOK", mdbook());
    sandbox.finish(build).success();
    out
}

/// The values of an attribute in a page.
fn values<'a>(html: &'a str, attribute: &str) -> Vec<&'a str> {
    let start = format!(" {attribute}=\"");
    html.split(&start).skip(1).filter_map(|rest| rest.split_once('"').map(|(value, _)| value)).collect()
}

#[test]
fn every_page_is_on_the_site_and_every_link_leads_somewhere() {
    let sandbox = Sandbox::new();
    let out = site(&sandbox);
    let mut pages: BTreeMap<String, String> = BTreeMap::new();
    for entry in fs::read_dir(&out).expect("it was built") {
        let path = entry.expect("it is readable").path();
        let name = path.file_name().and_then(|name| name.to_str()).expect("it is UTF-8").to_owned();
        // The first has links for a server, the second all pages in one.
        if path.extension().is_some_and(|extension| extension == "html")
            && !["404.html", "print.html"].contains(&&*name)
        {
            pages.insert(name, fs::read_to_string(path).expect("it is text"));
        }
    }
    let missing: Vec<_> = PAGES.iter().filter(|page| !pages.contains_key(&format!("{}.html", page.topic))).collect();
    assert!(missing.is_empty() && pages.contains_key("index.html"), "{missing:?}");
    let ids: BTreeMap<&String, BTreeSet<&str>> =
        pages.iter().map(|(name, html)| (name, values(html, "id").into_iter().collect())).collect();
    let (mut broken, mut seen) = (Vec::new(), 0);
    for (name, html) in &pages {
        for link in values(html, "href").into_iter().chain(values(html, "src")) {
            if link.contains("://") || link.starts_with("mailto:") || link.starts_with("data:") {
                continue;
            }
            seen += 1;
            let (file, anchor) = link.split_once('#').unwrap_or((link, ""));
            let file = if file.is_empty() { name.clone() } else { file.to_owned() };
            let whole = match ids.get(&file) {
                Some(ids) => anchor.is_empty() || ids.contains(anchor),
                None => anchor.is_empty() && out.join(&file).exists(),
            };
            if !whole {
                broken.push(format!("{name}: {link}"));
            }
        }
    }
    assert!(seen > 500, "only {seen} links were found");
    assert!(broken.is_empty(), "{broken:#?}");
}

/// The site at an address as the browser has it once its scripts have run; time in it is virtual, so nothing waits.
fn opened(sandbox: &Sandbox, page: &Path, query: &str) -> String {
    let mut command = sandbox.command(browser(), "");
    command.args(["--headless", "--no-sandbox", "--disable-gpu", "--disable-dev-shm-usage", "--no-first-run"]);
    command.args(["--no-proxy-server", "--disable-background-networking", "--disable-sync", "--disable-breakpad"]);
    command.arg(format!("--user-data-dir={}", sandbox.path("home/browser").display()));
    command.args(["--virtual-time-budget=10000", "--dump-dom"]);
    command.arg(format!("file://{}?search={query}", page.display()));
    sandbox.finish(command).success().stdout
}

#[test]
fn the_search_finds_pages_in_a_browser() {
    let sandbox = Sandbox::new();
    let index = site(&sandbox).join("index.html");
    for (query, page) in [("lease", "concepts.html"), ("podman", "compose.html"), ("WSL", "wsl.html")] {
        let dom = opened(&sandbox, &index, query);
        let (_, results) = dom.split_once("id=\"mdbook-searchresults\"").expect("the search is there");
        let results = results.split("</ul>").next().unwrap_or_default();
        assert!(results.contains(&format!("href=\"{page}")), "`{query}` does not find {page}: {results}");
    }
}
