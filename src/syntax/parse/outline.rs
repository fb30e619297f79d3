//! Tokens → where each item begins and ends, before any grammar: brackets are paired, nesting is capped, and a broken
//! item cannot hide the next one.

use super::super::codes;
use super::lex::{Lexer, Tok};
use super::words::{DOMAINS, TOP_ONLY, is_item_keyword, is_joining};
use crate::diag::Diagnostic;

/// Brackets and `if`s within one another: later stages walk the tree by recursion.
pub(super) const MAX_NESTING: usize = 256;

/// The tokens of one item.
#[derive(Debug)]
pub(super) struct Raw {
    /// Its first token.
    pub first: usize,
    /// One past its last token.
    pub end: usize,
    /// The tokens `{` and `}` around its items (`}` is one past the last token where it is missing).
    pub body: Option<(usize, usize)>,
    /// The items between them.
    pub items: Vec<Raw>,
}

/// An open bracket.
struct Open {
    token: usize,
    /// Whether items stand in it.
    block: bool,
    /// `if`s since, which nest without brackets.
    ifs: usize,
}

/// The state of the pass.
struct Outline<'l, 'a> {
    lexer: &'l mut Lexer<'a>,
    stack: Vec<Open>,
    /// The items of every open block, the file's own first.
    levels: Vec<Vec<Raw>>,
    /// `if`s of the current item outside brackets, and those in all open brackets.
    loose_ifs: usize,
    ifs: usize,
    /// Whether a bracket of the current item was reported: its other brackets are no news.
    broken: bool,
}

/// Finds the items of a file. `None`: nested too deeply (reported).
pub(super) fn outline(lexer: &mut Lexer<'_>, single_expression: bool) -> Option<Vec<Raw>> {
    let count = lexer.tokens.len();
    let mut pass = Outline { lexer, stack: Vec::new(), levels: vec![Vec::new()], loose_ifs: 0, ifs: 0, broken: false };
    for i in 0..count {
        if !single_expression {
            pass.begin_item(i);
        }
        pass.token(i);
        if pass.stack.len() + pass.ifs + pass.loose_ifs > MAX_NESTING {
            let span = pass.lexer.token_span(i);
            pass.lexer.report(
                Diagnostic::error(codes::TOO_DEEP, span, format!("nested more than {MAX_NESTING} deep"))
                    .here("this is one level too many")
                    .help("name the inner parts with `let`"),
            );
            return None;
        }
    }
    pass.close_until(0, count);
    pass.levels.truncate(1);
    let mut items = pass.levels.pop().unwrap_or_default();
    finish(&mut items, count);
    Some(items)
}

/// The last item of a list ends at `end`.
fn finish(items: &mut [Raw], end: usize) {
    if let Some(last) = items.last_mut() {
        last.end = end;
    }
}

impl Outline<'_, '_> {
    fn begin_item(&mut self, i: usize) {
        let inside_block = self.stack.last().is_none_or(|open| open.block);
        let margin = self.lexer.tokens.get(i).is_some_and(|t| self.at_margin(t.start));
        let begins = if inside_block { starts(self.lexer, i) } else { starts_surely(self.lexer, i, margin) };
        if begins && !inside_block {
            let keep = self.stack.iter().rposition(|open| open.block).map_or(0, |p| p + 1);
            self.close_until(keep, i);
        }
        if begins && margin && !self.stack.is_empty() && self.lexer.word(i).is_some_and(|w| TOP_ONLY.contains(&w)) {
            self.close_until(0, i);
        }
        let Some(items) = self.levels.last_mut() else { return };
        let leading = inside_block && items.is_empty() && !matches!(self.lexer.say(i), "}" | ")" | "]");
        if begins || leading {
            finish(items, i);
            items.push(Raw { first: i, end: i, body: None, items: Vec::new() });
            self.loose_ifs = 0;
            self.broken = false;
        }
    }

    fn at_margin(&self, start: usize) -> bool {
        start == 0 || self.lexer.text.as_bytes().get(start - 1) == Some(&b'\n')
    }

    fn token(&mut self, i: usize) {
        if self.lexer.tokens.get(i).is_some_and(|t| t.tok == Tok::Text) {
            return;
        }
        let said = self.lexer.say(i);
        match said {
            "(" | "[" => self.stack.push(Open { token: i, block: false, ifs: 0 }),
            "{" => self.open_brace(i),
            ")" => self.close(i, "("),
            "]" => self.close(i, "["),
            "}" => self.close(i, "{"),
            "if" | "elif" => {
                if let Some(open) = self.stack.last_mut().filter(|open| !open.block) {
                    open.ifs += 1;
                    self.ifs += 1;
                } else {
                    self.loose_ifs += 1;
                }
            }
            "," => {
                if let Some(open) = self.stack.last_mut() {
                    self.ifs -= std::mem::take(&mut open.ifs);
                }
            }
            _ => {}
        }
    }

    fn open_brace(&mut self, i: usize) {
        let keep = self.stack.iter().rposition(|o| self.lexer.say(o.token) == "{").map_or(0, |p| p + 1);
        self.close_until(keep, i);
        let in_event = self.stack.last().is_some_and(|o| !o.block);
        let first = self.levels.last().and_then(|items| items.last()).map(|item| item.first);
        let block = !in_event && first.is_some_and(|f| self.lexer.say(f) != "event");
        self.stack.push(Open { token: i, block, ifs: 0 });
        if block {
            self.levels.push(Vec::new());
        }
    }

    fn close(&mut self, i: usize, opening: &str) {
        let found = self.stack.iter().rposition(|o| self.lexer.say(o.token) == opening);
        let brace = self.stack.iter().rposition(|o| self.lexer.say(o.token) == "{");
        // A `)` never closes what was opened outside the braces around it.
        if let Some(position) = found.filter(|f| opening == "{" || brace.is_none_or(|b| *f > b)) {
            self.close_until(position + 1, i);
            self.pop(i);
        } else {
            self.unopened(i, opening);
        }
    }

    /// Reports a closing bracket that does not fit. Where another one is open, it was meant to close that.
    fn unopened(&mut self, i: usize, opening: &str) {
        let (span, text) = (self.lexer.token_span(i), self.lexer.say(i));
        let other = self.stack.last().map(|open| (open.token, self.lexer.say(open.token)));
        let other = other.filter(|(_, bracket)| *bracket != "{" && opening != "{");
        let (diagnostic, meant) = if let Some((token, bracket)) = other {
            let fitting = if bracket == "(" { ")" } else { "]" };
            self.pop(i);
            let message = format!("this `{text}` closes a `{bracket}`");
            let diagnostic = Diagnostic::error(codes::UNOPENED, span, message)
                .here(format!("`{fitting}` was expected"))
                .label(self.lexer.token_span(token), "opened here")
                .fix(span, fitting, format!("write `{fitting}`"));
            (diagnostic, fitting)
        } else {
            let diagnostic = Diagnostic::error(codes::UNOPENED, span, format!("this `{text}` closes nothing"))
                .here(format!("there is no open `{opening}`"))
                .fix(span, "", "remove it");
            (diagnostic, "")
        };
        if !std::mem::replace(&mut self.broken, true) {
            self.lexer.report(diagnostic);
        }
        self.lexer.paint(span.start as usize, span.end as usize, meant);
    }

    /// Closes brackets that miss their closing one until `keep` are left; one report for all of them.
    fn close_until(&mut self, keep: usize, at: usize) {
        let Some(first) = self.stack.get(keep) else { return };
        let block = first.block;
        let (span, text) = (self.lexer.token_span(first.token), self.lexer.say(first.token));
        let mut diagnostic =
            Diagnostic::error(codes::UNCLOSED, span, format!("this `{text}` is never closed")).here("opened here");
        for open in self.stack.iter().skip(keep + 1).take(2) {
            let text = self.lexer.say(open.token);
            diagnostic = diagnostic.label(self.lexer.token_span(open.token), format!("nor is this `{text}`"));
        }
        if at < self.lexer.tokens.len() {
            diagnostic = diagnostic.label(self.lexer.token_span(at), "it should be closed before this");
        }
        if !std::mem::replace(&mut self.broken, true) || block {
            self.lexer.report(diagnostic);
        }
        while self.stack.len() > keep {
            self.pop(at);
        }
    }

    /// Removes the innermost bracket; the items of a block go to the item it belongs to.
    fn pop(&mut self, at: usize) {
        let Some(open) = self.stack.pop() else { return };
        self.ifs -= open.ifs;
        if !open.block {
            return;
        }
        let mut items = self.levels.pop().unwrap_or_default();
        finish(&mut items, at);
        if let Some(owner) = self.levels.last_mut().and_then(|l| l.last_mut()) {
            owner.body = owner.body.or(Some((open.token, at)));
            owner.items.append(&mut items);
        }
    }
}

/// Whether an item begins at a token that stands inside no parentheses.
fn starts(lexer: &Lexer<'_>, i: usize) -> bool {
    let Some(word) = lexer.word(i) else { return false };
    let before = i.checked_sub(1).map_or("", |p| lexer.say(p));
    if before == "." {
        return false;
    }
    if is_item_keyword(word) {
        // `use loss`, `param input`, `1 + state`: a keyword where a name is expected.
        let as_name = !lexer.is_first(i) && continues(lexer, i);
        let as_module = word == "loss" && lexer.say(i + 1) == ".";
        return !as_name && !as_module;
    }
    let fresh = lexer.is_first(i) && !continues(lexer, i);
    let keyword_before = !lexer.is_first(i) && is_item_keyword(before);
    let primed = lexer.say(i + 1) == "'" && !keyword_before;
    if primed && (fresh || matches!(lexer.say(i + 2), "=" | "==" | ":=")) {
        return true;
    }
    let in_type = before == "]" && DOMAINS.contains(&word);
    if !fresh || in_type || is_joining(word) {
        return false;
    }
    // What other languages begin an item with, or a keyword left out or misspelled.
    let next_word = lexer.word(i + 1).filter(|w| !is_joining(w) && !lexer.is_first(i + 1));
    next_word.is_some() || matches!(lexer.say(i + 1), "=" | "==" | ":=" | ":") || is_rate(lexer, i)
}

/// `dx/dt`, `d/dt x`, `der(x) =`.
pub(super) fn is_rate(lexer: &Lexer<'_>, i: usize) -> bool {
    let d = lexer.word(i).is_some_and(|w| w.starts_with('d')) && lexer.say(i + 1) == "/" && lexer.say(i + 2) == "dt";
    let der = matches!(lexer.say(i), "der" | "D" | "diff" | "ddt") && lexer.say(i + 1) == "(";
    d || der && lexer.say(i + 3) == ")" && lexer.say(i + 4) == "="
}

/// Whether an item begins at a token, although a parenthesis is open there.
fn starts_surely(lexer: &Lexer<'_>, i: usize, margin: bool) -> bool {
    let Some(word) = lexer.word(i).filter(|_| lexer.is_first(i)) else { return false };
    let next = lexer.tokens.get(i + 1).filter(|t| !t.first);
    let named = next.is_some_and(|t| matches!(t.tok, Tok::Word | Tok::Text));
    let sign = matches!(lexer.say(i + 1), "=");
    let equation = lexer.say(i + 1) == "'" && lexer.say(i + 2) == "=";
    equation || is_item_keyword(word) && (named || word == "loss" && sign && margin)
}

/// Whether the token before `i` asks for more.
fn continues(lexer: &Lexer<'_>, i: usize) -> bool {
    let Some(token) = i.checked_sub(1).and_then(|p| lexer.tokens.get(p)) else { return false };
    let said = lexer.say(i - 1);
    match token.tok {
        Tok::Word => is_joining(said) || is_item_keyword(said),
        Tok::Punct => !matches!(said, ")" | "]" | "}" | "'" | "{"),
        Tok::Number | Tok::Text | Tok::Comment => false,
    }
}
