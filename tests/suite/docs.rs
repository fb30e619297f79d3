//! The README and the book say what is true: their models compile, their wrong models fail as they say, and their lists
//! are those of the code. `BLESS=1` rewrites the generated lists (see `just bless`).

use pullback::check::{self, Domain, Options};
use pullback::data::DimSize;
use pullback::diag::{Diagnostic, Severity, Sources, render};
use pullback::lower::lower;
use pullback::solve::{Implicit, Method};
use pullback::syntax::ast::{File, ItemKind};
use pullback::syntax::parse;
use pullback::train::{Optimizer, ScheduleKind};
use std::collections::BTreeSet;
use std::fs;
use std::path::{Path, PathBuf};

fn root() -> &'static Path {
    Path::new(env!("CARGO_MANIFEST_DIR"))
}

fn read(path: &str) -> String {
    fs::read_to_string(root().join(path)).unwrap_or_else(|e| panic!("{path}: {e}"))
}

/// Every page: the README and what lies in `docs`, in order, relative to the project.
fn pages() -> Vec<PathBuf> {
    let (mut folders, mut found) = (vec![root().join("docs")], vec![root().join("README.md")]);
    while let Some(folder) = folders.pop() {
        for entry in fs::read_dir(&folder).expect("a folder of docs") {
            let path = entry.expect("an entry").path();
            if path.is_dir() {
                folders.push(path);
            } else if path.extension().is_some_and(|e| e == "md") {
                found.push(path);
            }
        }
    }
    found.sort();
    found.into_iter().map(|p| p.strip_prefix(root()).expect("below the project").to_path_buf()).collect()
}

/// The fenced blocks of a page: what follows the three ticks, and the text.
fn blocks(page: &str) -> Vec<(String, String)> {
    let mut found = Vec::new();
    let mut open: Option<(String, Vec<&str>)> = None;
    for line in page.lines() {
        match (&mut open, line.strip_prefix("```")) {
            (None, Some(info)) => open = Some((info.trim().to_owned(), Vec::new())),
            (Some(_), Some(_)) => {
                let (info, lines) = open.take().unwrap_or_default();
                found.push((info, lines.join("\n") + "\n"));
            }
            (Some((_, lines)), None) => lines.push(line),
            (None, None) => {}
        }
    }
    assert!(open.is_none(), "a block is never closed: {open:?}");
    found
}

/// What the data would say about the sizes that a file leaves open.
#[derive(Clone, Copy, Debug)]
enum Sizes {
    Unknown,
    Fixed,
    Ragged,
}

fn sizes(file: &File, kind: Sizes) -> Vec<(String, DimSize)> {
    let open = file.items.iter().filter_map(|item| match &item.kind {
        ItemKind::Dim { name, value: None } => Some(name.text.clone()),
        _ => None,
    });
    match kind {
        Sizes::Unknown => Vec::new(),
        Sizes::Fixed => open.map(|name| (name, DimSize::Fixed(20))).collect(),
        Sizes::Ragged => open.map(|name| (name, DimSize::Ragged { max: 20 })).collect(),
    }
}

/// Everything that can be said about a file without its data.
fn problems(text: &str, sources: &mut Sources, kind: Sizes, trajectory: Option<usize>) -> Vec<Diagnostic> {
    let id = sources.add("block.node", text);
    let (file, mut found) = parse(id, text);
    if is_wrong(&found) {
        return found;
    }
    let options = Options { sizes: sizes(&file, kind), samples: Some(10), trajectory, ..Options::default() };
    if let Err(more) = check::data_items(&file, &options) {
        return more;
    }
    let loader = |path: &str| fs::read_to_string(root().join("docs/examples").join(path)).map_err(|e| e.to_string());
    let (program, more) = check::check(&file, sources, &loader, &options);
    found.extend(more);
    let Some(program) = program else { return found };
    if let Err(more) = lower(&program, &options) {
        found.extend(more);
    }
    found
}

fn is_wrong(found: &[Diagnostic]) -> bool {
    found.iter().any(|d| d.severity == Severity::Error)
}

/// The codes of the errors; where there are none, those of the warnings.
fn codes(found: &[Diagnostic]) -> BTreeSet<&'static str> {
    let wrong = is_wrong(found);
    found.iter().filter(|d| !wrong || d.severity == Severity::Error).map(|d| d.code).collect()
}

/// The first way of guessing the sizes under which `text` compiles, or why it never does.
fn compiles(text: &str) -> Result<(), String> {
    let mut why = String::new();
    for kind in [Sizes::Fixed, Sizes::Ragged, Sizes::Unknown] {
        let mut sources = Sources::default();
        let found = problems(text, &mut sources, kind, None);
        if !is_wrong(&found) {
            return Ok(());
        }
        if why.is_empty() {
            why = render(&found, &sources, false);
        }
    }
    Err(why)
}

/// Whether `text` is reported with this code and no other error.
fn fails_with(text: &str, code: &str) -> Result<(), String> {
    let mut seen = Vec::new();
    for kind in [Sizes::Unknown, Sizes::Fixed, Sizes::Ragged] {
        // Some problems show only when a trajectory is asked for, as `run` does.
        for trajectory in [None, Some(3)] {
            let mut found = codes(&problems(text, &mut Sources::default(), kind, trajectory));
            // What is wrong is shown in isolation, so that nothing uses it.
            if code != "N0211" {
                found.remove("N0211");
            }
            if found == BTreeSet::from([code]) {
                return Ok(());
            }
            seen.push(format!("{kind:?}: {found:?}"));
        }
    }
    Err(seen.join(", "))
}

#[test]
fn models_in_the_text() {
    let mut wrong = Vec::new();
    let (mut good, mut bad) = (0, 0);
    for path in pages() {
        let page_code = path.file_stem().unwrap_or_default().to_string_lossy().into_owned();
        for (info, text) in blocks(&read(&path.to_string_lossy())) {
            let words: Vec<&str> = info.split(',').map(str::trim).collect();
            let result = match words.as_slice() {
                ["node"] => {
                    good += 1;
                    compiles(&text)
                }
                ["node", "fragment"] => {
                    let mut sources = Sources::default();
                    let id = sources.add("fragment.node", text.clone());
                    let found = parse(id, &text).1;
                    if is_wrong(&found) { Err(render(&found, &sources, false)) } else { Ok(()) }
                }
                ["node", "error"] => {
                    bad += 1;
                    fails_with(&text, &page_code)
                }
                ["node", "error", code] => {
                    bad += 1;
                    fails_with(&text, code)
                }
                ["node", ..] => Err(format!("no kind of block is called `{info}`")),
                _ => Ok(()),
            };
            if let Err(why) = result {
                wrong.push(format!("{} ```{info}\n{text}{why}", path.display()));
            }
        }
    }
    assert!(good > 40 && bad > 25, "only {good} models and {bad} wrong ones were found");
    assert!(wrong.is_empty(), "{}", wrong.join("\n----\n"));
}

/// `(code, title)` of every page in `docs/errors`.
fn error_pages() -> Vec<(String, String)> {
    let mut found = Vec::new();
    for path in pages().iter().filter(|p| p.starts_with("docs/errors")) {
        let code = path.file_stem().unwrap_or_default().to_string_lossy().into_owned();
        let page = read(&path.to_string_lossy());
        let title = page.lines().next().and_then(|l| l.strip_prefix(&format!("# {code}: ")));
        found.push((code.clone(), title.unwrap_or_else(|| panic!("{code}.md has no title")).to_owned()));
    }
    found
}

/// Compares (with `BLESS` set: writes) the part of a page between two marks.
pub fn generated(path: &str, mark: &str, wanted: &str) {
    let page = read(path);
    let (open, close) = (format!("<!-- {mark} -->\n"), format!("<!-- /{mark} -->"));
    let (before, rest) = page.split_once(&open).unwrap_or_else(|| panic!("{path} has no mark {mark}"));
    let (found, after) = rest.split_once(&close).unwrap_or_else(|| panic!("{path} has no end of {mark}"));
    if found == wanted {
        return;
    }
    if std::env::var_os("BLESS").is_some() {
        let text = format!("{before}{open}{wanted}{close}{after}");
        fs::write(root().join(path), text).unwrap_or_else(|e| panic!("{path}: {e}"));
    } else {
        panic!("the list in {path} is out of date: run `just bless`\nwanted:\n{wanted}");
    }
}

#[test]
fn the_error_index_lists_every_page() {
    let pages = error_pages();
    let rows: Vec<String> =
        pages.iter().map(|(code, title)| format!("| [{code}](errors/{code}.md) | {title} |\n")).collect();
    let index = format!("| code | what |\n|---|---|\n{}", rows.concat());
    let links: Vec<String> = pages.iter().map(|(code, _)| format!("- [{code}](errors/{code}.md)\n")).collect();
    let summary = links.concat();
    generated("docs/errors.md", "codes", &index);
    generated("docs/SUMMARY.md", "codes", &summary);
}

#[test]
fn links_lead_somewhere() {
    let mut wrong = Vec::new();
    for path in pages() {
        let text = read(&path.to_string_lossy());
        for part in text.split("](").skip(1) {
            let target = part.split(')').next().unwrap_or("");
            let file = target.split('#').next().unwrap_or("");
            // Code such as `f[0](1.5)` is no link.
            let known = ["md", "png", "svg", "node"].map(Some);
            if file.contains("://") || !known.contains(&Path::new(file).extension().and_then(|e| e.to_str())) {
                continue;
            }
            let place = root().join(&path).parent().map(|p| p.join(file));
            if !place.is_some_and(|p| p.exists()) {
                wrong.push(format!("{}: {target}", path.display()));
            }
        }
    }
    assert!(wrong.is_empty(), "links to nothing:\n{}", wrong.join("\n"));
}

#[test]
fn the_book_has_every_page_once() {
    let summary = read("docs/SUMMARY.md");
    for path in pages() {
        let Ok(page) = path.strip_prefix("docs") else { continue };
        if page.as_os_str() == "SUMMARY.md" {
            continue;
        }
        let link = format!("]({})", page.display());
        assert_eq!(summary.matches(&link).count(), 1, "{} in docs/SUMMARY.md", page.display());
    }
}

#[test]
fn the_readme_shows_the_example() {
    let readme = read("README.md");
    assert!(readme.contains(read("examples/lotka_volterra.node").trim_end()), "README.md shows another example");
    for command in ["cargo run --release -- train examples/lotka_volterra.node", "cargo test"] {
        assert!(readme.lines().any(|l| l == command), "README.md does not show `{command}`");
    }
}

#[test]
fn the_reference_names_everything() {
    let reference = read("docs/language.md");
    let solvers = read("docs/solvers.md");
    let training = read("docs/guide/training.md");
    let mut missing = Vec::new();
    let mut need = |page: &str, what: &str, text: String| {
        if !page.contains(&text) {
            missing.push(format!("{what}: {text}"));
        }
    };
    for (_, signature) in builtins() {
        let text = format!("`{signature}`");
        need(&reference, "a built-in function", text);
    }
    for module in ["nn", "dist", "loss", "reg"] {
        for line in read(&format!("src/std/{module}.node")).lines() {
            let declared = line.strip_prefix("fn ").or_else(|| line.strip_prefix("layer "));
            let Some(name) = declared.and_then(|l| l.split('(').next()) else { continue };
            need(&reference, "a name of the standard library", format!("`{name}"));
        }
    }
    for domain in Domain::NAMES {
        need(&reference, "a domain", format!("`{domain}"));
    }
    for method in Method::ALL {
        need(&solvers, "a method", format!("| `{}` | {} |", method.name(), method.tableau().order));
    }
    for method in Implicit::ALL {
        need(&solvers, "a method", format!("| `{}` | {} |", method.name(), method.orders().0));
    }
    for option in solver_options() {
        need(&solvers, "an option of solvers", format!("| `{option}` |"));
    }
    for optimiser in Optimizer::ALL {
        need(&training, "an optimiser", format!("| `{}` |", optimiser.name()));
        for option in optimiser.options() {
            need(&training, "an option of optimisers", format!("`{option}`"));
        }
    }
    for schedule in ScheduleKind::ALL {
        need(&training, "a schedule", format!("| `{}` |", schedule.name()));
    }
    assert!(missing.is_empty(), "the book does not say:\n{}", missing.join("\n"));
}

/// The strings in double quotes of a constant in a source file.
fn strings_of(path: &str, constant: &str) -> Vec<String> {
    let text = read(path);
    let (_, rest) = text.split_once(&format!("const {constant}:")).unwrap_or_else(|| panic!("{path}: no {constant}"));
    let (_, rest) = rest.split_once('=').unwrap_or(("", rest));
    let (list, _) = rest.split_once(';').unwrap_or((rest, ""));
    list.split('"').skip(1).step_by(2).map(str::to_owned).collect()
}

/// Name and signature of every built-in function, from their table.
fn builtins() -> Vec<(String, String)> {
    let strings = strings_of("src/check/builtins.rs", "BUILTINS");
    let pairs: Vec<(String, String)> = strings.chunks(2).map(|p| (p[0].clone(), p[1].clone())).collect();
    assert!(pairs.len() > 40 && pairs.iter().all(|(name, s)| s.starts_with(name.as_str())), "{pairs:?}");
    pairs
}

fn solver_options() -> Vec<String> {
    let options = strings_of("src/check/options.rs", "OPTIONS");
    assert!(options.len() > 5, "{options:?}");
    options
}
