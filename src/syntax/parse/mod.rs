//! Text → [`File`] and every syntax error in it.
//!
//! 1. `lex` splits the text into tokens and paints over what is not of the language (after reporting it);
//! 2. `outline` pairs brackets, caps nesting and finds where each item begins, so a broken item hides no other;
//! 3. `foreign` recognises what other languages write, reports it with its mend and paints it over;
//! 4. `grammar` matches each item with `grammar/node.pest`; `item` and `expr` build the tree, or `fail` explains.
//!
//! An item in which something was already reported gives no second report: no cascades.

mod expr;
mod fail;
mod foreign;
mod grammar;
mod item;
pub(super) mod lex;
mod lex_foreign;
mod outline;
pub(super) mod words;

pub(super) use expr::{precedence, unary_precedence};

use super::ast::{Expr, File, Item, ItemKind};
use super::codes;
use crate::diag::{Diagnostic, FileId};
use expr::Builder;
use grammar::{Rule, matches};
use lex::Lexer;
use outline::{Raw, outline};

/// A model is a page; more than this is some other file.
const MAX_BYTES: usize = 1 << 20;

/// Parses a file. The items that could be understood are always returned, with every error found.
#[must_use]
pub fn parse(file: FileId, text: &str) -> (File, Vec<Diagnostic>) {
    if text.len() > MAX_BYTES {
        return (File::default(), vec![too_large(file, text)]);
    }
    let mut lexer = Lexer::run(file, text);
    let Some(raws) = outline(&mut lexer, false) else {
        return (File::default(), sorted(lexer.diags));
    };
    if raws.is_empty() && lexer.diags.is_empty() {
        let diagnostic = Diagnostic::error(codes::EMPTY_FILE, lexer.span(0, 0), "this file has no items")
            .help("a smallest model: `state x = 1`, `x' = -x`, `solve 0 .. 1`");
        return (File::default(), vec![diagnostic]);
    }
    foreign::tokens(&mut lexer, &raws);
    let items = raws.iter().filter_map(|raw| parse_item(&mut lexer, raw, None)).collect();
    (File { items }, sorted(lexer.diags))
}

/// Parses one expression, as given on the command line.
///
/// # Errors
/// Every syntax error in it.
pub fn parse_expr(file: FileId, text: &str) -> Result<Expr, Vec<Diagnostic>> {
    if text.len() > MAX_BYTES {
        return Err(vec![too_large(file, text)]);
    }
    let mut lexer = Lexer::run(file, text);
    if outline(&mut lexer, true).is_none() {
        return Err(sorted(lexer.diags));
    }
    foreign::tokens(&mut lexer, &[]);
    let painted = painted(&lexer, 0, text.len());
    let parsed = match matches(Rule::one_expr, &painted) {
        Ok(mut pairs) => {
            let mut builder = Builder { lexer: &mut lexer, offset: 0 };
            pairs.find(|p| p.as_rule() == Rule::expr).map(|p| builder.expr(p, 0))
        }
        Err(failure) => {
            if lexer.diags.is_empty() {
                let diagnostic = fail::explain(&lexer, 0, lexer.tokens.len(), &failure);
                lexer.report(diagnostic);
            }
            None
        }
    };
    parsed.filter(|_| lexer.diags.is_empty()).ok_or_else(|| sorted(lexer.diags))
}

/// What a token means for the layout.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(super) enum Role {
    /// The first of an item.
    Item,
    /// The `{` of a block of items.
    Open,
    /// Its `}`.
    Close,
    /// Any other.
    Inner,
}

/// What each token of a file without errors means for its layout.
pub(super) fn layout(lexer: &mut Lexer<'_>) -> Vec<Role> {
    let mut roles = vec![Role::Inner; lexer.tokens.len()];
    let mut open = outline(lexer, false).unwrap_or_default();
    while let Some(raw) = open.pop() {
        let braces = raw.body.into_iter().flat_map(|(from, to)| [(from, Role::Open), (to, Role::Close)]);
        for (token, role) in braces.chain([(raw.first, Role::Item)]) {
            if let Some(place) = roles.get_mut(token) {
                *place = role;
            }
        }
        open.extend(raw.items);
    }
    roles
}

fn too_large(file: FileId, text: &str) -> Diagnostic {
    let message = format!("this file is too large for a model: {} bytes", text.len());
    Diagnostic::error(codes::TOO_LARGE, crate::diag::Span::new(file, 0, 0), message)
        .note(format!("at most {MAX_BYTES} bytes"))
        .help("data belongs in a data file, named by `data`")
}

/// In the order of the text.
fn sorted(mut diags: Vec<Diagnostic>) -> Vec<Diagnostic> {
    diags.sort_by_key(|d| d.labels.first().map(|l| (l.span.start, l.span.end)));
    diags
}

/// The text the grammar sees, between two bytes.
fn painted(lexer: &Lexer<'_>, start: usize, end: usize) -> String {
    let bytes = lexer.painted.get(start..end).unwrap_or_default();
    String::from_utf8_lossy(bytes).into_owned()
}

/// Parses one item, and its block apart. `inside`: the keyword of the block it stands in.
fn parse_item(lexer: &mut Lexer<'_>, raw: &Raw, inside: Option<&str>) -> Option<Item> {
    let known = foreign::head(lexer, raw);
    let owner = lexer.say(raw.first).to_owned();
    let body: Vec<Item> = raw.items.iter().filter_map(|r| parse_item(lexer, r, Some(&owner))).collect();
    if !known {
        return None;
    }
    let start = lexer.token_span(raw.first).start as usize;
    let end = lexer.token_span(raw.end.checked_sub(1)?).end as usize;
    let mut text = painted(lexer, start, end);
    if let Some((open, close)) = raw.body {
        blank_block(lexer, &mut text, start, open, close);
    }
    let parsed = match matches(Rule::one_item, &text) {
        Ok(mut pairs) => pairs.next().and_then(|pair| Builder { lexer, offset: start }.item(pair, body)),
        Err(mut failure) => {
            failure.at += start;
            if !reported_inside(lexer, raw, start, end) {
                let last = raw.body.filter(|_| failure.at <= start).map_or(raw.end, |(open, _)| open);
                let diagnostic = fail::explain(lexer, raw.first, last, &failure);
                lexer.report(diagnostic);
            }
            None
        }
    };
    let item = parsed?;
    check_place(lexer, raw, &item, inside);
    Some(item)
}

/// Leaves of a block only its braces; its items are parsed apart.
fn blank_block(lexer: &Lexer<'_>, text: &mut String, start: usize, open: usize, close: usize) {
    let from = lexer.token_span(open).end as usize - start;
    let closed = lexer.say(close) == "}";
    let to = if closed { lexer.token_span(close).start as usize - start } else { text.len() };
    let (head, tail) = (text.get(..from).unwrap_or(""), text.get(to..).unwrap_or(""));
    let gap = " ".repeat(to.saturating_sub(from));
    *text = if closed { format!("{head}{gap}{tail}") } else { format!("{head}}}") };
}

/// Whether something was reported in the item itself (not in an item of its block).
fn reported_inside(lexer: &Lexer<'_>, raw: &Raw, start: usize, end: usize) -> bool {
    let spans = raw.items.iter().map(|r| {
        let last = lexer.token_span(r.end.saturating_sub(1));
        (lexer.token_span(r.first).start, last.end)
    });
    let inner: Vec<(u32, u32)> = spans.collect();
    lexer.diags.iter().filter_map(|d| d.labels.first()).any(|label| {
        let at = label.span.start;
        (start..=end).contains(&(at as usize)) && !inner.iter().any(|(from, to)| (*from..=*to).contains(&at))
    })
}

/// What may stand in a layer, in an `ode`, and at the top.
fn check_place(lexer: &mut Lexer<'_>, raw: &Raw, item: &Item, inside: Option<&str>) {
    let (allowed, help) = match (inside, &item.kind) {
        (Some("layer"), kind) => (
            matches!(kind, ItemKind::Param { .. } | ItemKind::Let { .. } | ItemKind::Call { .. }),
            "a `layer` holds `param`, `let` and one `call`",
        ),
        (Some("ode"), kind) => (
            matches!(
                kind,
                ItemKind::State { .. } | ItemKind::Equation { .. } | ItemKind::Let { .. } | ItemKind::Solve { .. }
            ),
            "an `ode` holds `state`, equations, `let` and `solve`; move it out",
        ),
        (None, ItemKind::Call { .. }) => (false, "`call` gives the result of a `layer`, inside its braces"),
        (_, _) => (true, ""),
    };
    if !allowed {
        let word = lexer.say(raw.first).to_owned();
        let place = inside.map_or_else(|| "at the top level".to_owned(), |i| format!("inside `{i}`"));
        let span = lexer.token_span(raw.first);
        let message = format!("`{word}` cannot stand {place}");
        lexer.report(Diagnostic::error(codes::WRONG_PLACE, span, message).here("out of place").help(help));
    }
    if let ItemKind::Layer { name, .. } = &item.kind {
        check_layer(lexer, raw, name);
    }
}

/// A layer has exactly one `call`, whether or not it could be parsed.
fn check_layer(lexer: &mut Lexer<'_>, raw: &Raw, name: &super::ast::Name) {
    let calls: Vec<usize> = raw.items.iter().map(|r| r.first).filter(|&i| lexer.say(i) == "call").collect();
    let diagnostic = match calls.as_slice() {
        [_] => return,
        [] => Diagnostic::error(codes::LAYER_CALL, name.span, format!("the layer `{}` has no `call`", name.text))
            .here("what does it do with its argument?")
            .help("give its result: `call(x) = W @ x + b`"),
        [first, second, ..] => {
            let span = lexer.token_span(*second);
            Diagnostic::error(codes::LAYER_CALL, span, format!("the layer `{}` has two `call`s", name.text))
                .here("the second one")
                .label(lexer.token_span(*first), "the first one")
                .help("keep one; name the inner parts with `let`")
        }
    };
    lexer.report(diagnostic);
}
