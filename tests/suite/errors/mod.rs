//! Every code: one broken program with its rendered report, and a page whose examples do what they say.

mod codes;
mod commands;
mod library;

use pullback::diag::{Diagnostic, FileId, Sources, render};
use pullback::syntax::{CODES, parse};
use std::collections::BTreeSet;
use std::fs;
use std::path::{Path, PathBuf};

fn root() -> &'static Path {
    Path::new(env!("CARGO_MANIFEST_DIR"))
}

fn report(name: &str, text: &str) -> (Vec<Diagnostic>, String) {
    let mut sources = Sources::default();
    let file = sources.add(name, text);
    let diags = parse(file, text).1;
    let rendered = render(&diags, &sources, false);
    (diags, rendered)
}

/// Applies every fix, the last one first.
fn mend(text: &str, diags: &[Diagnostic]) -> String {
    let mut fixes: Vec<_> = diags.iter().filter_map(|d| d.fixes.first()).collect();
    fixes.sort_by_key(|f| std::cmp::Reverse((f.span.start, f.span.end)));
    let mut text = text.to_owned();
    for fix in fixes {
        text.replace_range(fix.span.start as usize..fix.span.end as usize, &fix.replacement);
    }
    text
}

#[test]
fn broken_programs() {
    let mut seen = BTreeSet::new();
    let folder = root().join("tests/suite/errors/syntax");
    let mut paths: Vec<PathBuf> = fs::read_dir(folder).expect("folder").map(|e| e.expect("entry").path()).collect();
    paths.sort();
    for path in paths {
        let name = path.file_name().unwrap_or_default().to_string_lossy().into_owned();
        let text = fs::read_to_string(&path).expect("text");
        let (diags, rendered) = report(&name, &text);
        assert!(!diags.is_empty(), "{name} is not broken");
        seen.extend(diags.iter().map(|d| d.code));
        insta::with_settings!({ snapshot_path => "../../snapshots/syntax", prepend_module_to_snapshot => false }, {
            insta::assert_snapshot!(name.trim_end_matches(".node"), rendered);
        });
        // Where each report has a fix, applying them all mends the program.
        if diags.iter().all(|d| !d.fixes.is_empty()) {
            let mended = mend(&text, &diags);
            let (left, rendered) = report(&name, &mended);
            assert!(left.is_empty(), "{name} is not mended:\n{mended}\n{rendered}");
        }
    }
    // A file of more than a megabyte is made, not kept.
    seen.extend(parse(FileId(0), &" ".repeat((1 << 20) + 1)).1.iter().map(|d| d.code));
    let all: BTreeSet<&str> = CODES.iter().map(|(code, _)| *code).collect();
    assert_eq!(seen, all, "codes without a program");
}

/// The blocks of a page that begin with ```` ```node ```` and this flag.
fn blocks<'a>(page: &'a str, fence: &str) -> Vec<&'a str> {
    page.split("```").skip(1).step_by(2).filter_map(|b| b.strip_prefix(fence)?.strip_prefix('\n')).collect()
}

#[test]
fn pages() {
    for (code, title) in CODES {
        let path = root().join(format!("docs/errors/{code}.md"));
        let page = fs::read_to_string(&path).unwrap_or_else(|e| panic!("{}: {e}", path.display()));
        assert_eq!(page.lines().next(), Some(format!("# {code}: {title}").as_str()));
        let (bad, good) = (blocks(&page, "node,error"), blocks(&page, "node"));
        assert!(*code == "N0121" || !bad.is_empty() && !good.is_empty(), "{code} lacks an example");
        for text in bad {
            let codes: BTreeSet<&str> = report(code, text).0.iter().map(|d| d.code).collect();
            assert_eq!(codes, BTreeSet::from([*code]), "{code}:\n{text}");
        }
        for text in good {
            let (diags, rendered) = report(code, text);
            assert!(diags.is_empty(), "{code}:\n{text}\n{rendered}");
        }
    }
}

#[test]
fn extreme_places_are_rendered() {
    let long = format!("let x = {}\nlet y = 1", "a + ".repeat(100_000));
    for (text, start, end) in [
        ("", 0, 0),
        ("", 5, 9),
        ("a", 1, 1),
        ("a\n", 2, 2),
        ("é", 1, 1),
        ("\n\n\n", 1, 3),
        (long.as_str(), 200_000, 400_009),
    ] {
        let mut sources = Sources::default();
        let file = sources.add("f.node", text);
        let span = pullback::diag::Span::new(file, start, end);
        let outside = pullback::diag::Span::new(FileId(7), 3, 4);
        let diagnostic = Diagnostic::error("N0000", span, "m")
            .here("h")
            .label(pullback::diag::Span::new(file, 0, 0), "l")
            .label(outside, "o")
            .fix(span, "x", "f");
        for color in [false, true] {
            let shown = render(std::slice::from_ref(&diagnostic), &sources, color);
            assert!(shown.contains("N0000") && shown.len() < 8000, "{} bytes", shown.len());
        }
        assert_eq!(pullback::diag::to_json(&[diagnostic], &sources)[0]["labels"][0]["file"], "f.node");
    }
}
