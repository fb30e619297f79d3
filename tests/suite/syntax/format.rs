//! The formatter keeps comments, paragraphs and meaning, and has nothing more to do the second time.

use super::{programs, shape};
use pullback::diag::FileId;
use pullback::syntax::{format, parse};

fn comments(text: &str) -> Vec<&str> {
    text.lines().filter_map(|l| l.find('#').map(|i| l[i..].trim_end())).collect()
}

#[test]
fn programs_are_formatted_once_and_for_all() {
    for (name, text) in programs() {
        let once = format(&text).unwrap_or_else(|d| panic!("{name}: {d:#?}"));
        assert_eq!(format(&once).as_ref(), Ok(&once), "{name}");
        assert_eq!(shape(&parse(FileId(0), &text).0), shape(&parse(FileId(0), &once).0), "{name}\n{once}");
        assert_eq!(comments(&text), comments(&once), "{name}");
        assert!(once.lines().all(|l| l.trim_end() == l), "{name}: trailing white space");
    }
}

#[test]
fn the_layout() {
    let (_, text) = programs().into_iter().find(|(n, _)| n.ends_with("every_item.node")).expect("program");
    insta::with_settings!({ snapshot_path => "../../snapshots/syntax", prepend_module_to_snapshot => false }, {
        insta::assert_snapshot!("every_item", format(&text).unwrap_or_default());
    });
}

#[test]
fn windows_lines_and_no_final_newline() {
    assert_eq!(
        format("\u{feff}let a=1 # one  \r\n\r\n\r\n\r\nlet b=[1,2]").as_deref(),
        Ok("let a = 1  # one\n\nlet b = [1, 2]\n")
    );
}

#[test]
fn broken_text_is_not_touched() {
    assert!(format("let a = ").is_err());
}
