//! `explain`: the page of an error code.

use super::args::ExplainArgs;
use super::codes;
use super::failed::Failed;
use super::output::{Console, table};
use super::pages::{PAGES, title};
use crate::diag::did_you_mean;
use serde_json::json;

/// Runs the command.
pub(super) fn explain(args: &ExplainArgs, console: Console) -> Result<(), Failed> {
    let Some(code) = &args.code else {
        console.object(&super::output::object(PAGES.iter().map(|(code, page)| (*code, json!(title(page))))));
        let rows: Vec<Vec<String>> =
            PAGES.iter().map(|(code, page)| vec![(*code).to_owned(), title(page).to_owned()]).collect();
        console.text(&table(&rows));
        return Ok(());
    };
    let wanted = code.trim().to_ascii_uppercase();
    if let Some((code, page)) = PAGES.iter().find(|(code, _)| *code == wanted) {
        console.object(&json!({ "code": code, "title": title(page), "page": page }));
        console.text(page);
        return Ok(());
    }
    let failed = Failed::usage(codes::NO_CODE, format!("there is no error code `{code}`"));
    Err(match did_you_mean(&wanted, PAGES.iter().map(|(code, _)| *code)) {
        Some(meant) => failed.help(format!("did you mean `{meant}`?")),
        None => failed.help("codes look like N0203; `pullback explain` lists them all"),
    })
}
