//! Accept, then reject: what other languages write instead of ours is recognised on the tokens, reported with its mend,
//! and painted over by what it means.

use super::super::codes;
use super::lex::Lexer;
use super::outline::{Raw, is_rate};
use super::words::{ALIASES, ITEM_KEYWORDS, is_item_keyword, is_joining};
use crate::diag::{Diagnostic, did_you_mean};
use std::collections::HashSet;

/// Reports foreign operators, primes and anonymous functions anywhere in the text.
pub(super) fn tokens(lexer: &mut Lexer<'_>, items: &[Raw]) {
    let mut firsts = HashSet::new();
    collect_firsts(items, &mut firsts);
    let states: HashSet<&str> = (0..lexer.tokens.len())
        .filter(|&i| firsts.contains(&i))
        .map(|i| if lexer.say(i) == "state" { lexer.say(i + 1) } else { lexer.say(i) })
        .collect();
    for i in 0..lexer.tokens.len() {
        match lexer.say(i) {
            "**" => operator(lexer, i, "^", "powers are written with `^`"),
            "&&" => operator(lexer, i, "and", "the logical operators are `and`, `or` and `not`"),
            "||" => operator(lexer, i, "or", "the logical operators are `and`, `or` and `not`"),
            "!" => operator(lexer, i, "not", "the logical operators are `and`, `or` and `not`"),
            "elif" => elif(lexer, i),
            "lambda" if lexer.word(i + 1).is_some_and(|w| !is_joining(w)) => lambda(lexer, i),
            "'" => prime(lexer, i, &firsts, &states),
            _ => {}
        }
    }
}

fn collect_firsts(items: &[Raw], into: &mut HashSet<usize>) {
    for item in items {
        into.insert(item.first);
        collect_firsts(&item.items, into);
    }
}

fn operator(lexer: &mut Lexer<'_>, i: usize, ours: &str, here: &str) {
    let span = lexer.token_span(i);
    let bytes = lexer.text.as_bytes();
    let space = |at: Option<usize>| at.and_then(|p| bytes.get(p)).is_none_or(u8::is_ascii_whitespace);
    let mut text = ours.to_owned();
    if ours == "^" {
        lexer.paint(span.start as usize, span.end as usize, ours);
    } else {
        if ours != "not" && !space((span.start as usize).checked_sub(1)) {
            text.insert(0, ' ');
        }
        if !space(Some(span.end as usize)) {
            text.push(' ');
        }
    }
    let message = format!("there is no operator `{}`", lexer.say(i));
    lexer.report(Diagnostic::error(codes::FOREIGN_OPERATOR, span, message).here(here).fix(
        span,
        text,
        format!("write `{ours}`"),
    ));
}

fn elif(lexer: &mut Lexer<'_>, i: usize) {
    let span = lexer.token_span(i);
    lexer.report(
        Diagnostic::error(codes::ELIF, span, "there is no `elif`")
            .here("a second condition is an `if` after `else`")
            .fix(span, "else if", "write `else if`"),
    );
}

fn lambda(lexer: &mut Lexer<'_>, i: usize) {
    let span = lexer.token_span(i);
    lexer.report(
        Diagnostic::error(codes::LAMBDA, span, "there are no anonymous functions")
            .here("this would begin one")
            .help("name the function: `fn square(x) = x^2`, then pass `square`")
            .help("over indices write `tensor(i: a[i]*b[i])` or `sum(i: a[i])`"),
    );
}

fn prime(lexer: &mut Lexer<'_>, i: usize, firsts: &HashSet<usize>, states: &HashSet<&str>) {
    let span = lexer.token_span(i);
    let Some(before) = i.checked_sub(1) else { return };
    if firsts.contains(&before) {
        return;
    }
    let name = lexer.say(before).to_owned();
    lexer.paint(span.start as usize, span.end as usize, "");
    let place = lexer.token_span(before).to(span);
    let diagnostic = if name == "'" {
        let holder = before.saturating_sub(1);
        let (state, place) = (lexer.say(holder), lexer.token_span(holder).to(span));
        Diagnostic::error(codes::FOREIGN_RATE, place, "an equation gives the first derivative")
            .here("a second derivative")
            .help(format!("make the velocity a state too: `state v = 0`, then `{state}' = v` and `v' = …`"))
    } else if let Some(keyword) = before.checked_sub(1).filter(|&p| is_item_keyword(lexer.say(p))) {
        let head = lexer.token_span(keyword);
        let gap = lexer.span(head.start as usize, place.start as usize);
        Diagnostic::error(codes::PRIME, place, format!("the equation `{name}' = …` has no keyword"))
            .here("`'` alone marks an equation")
            .fix(gap, "", format!("remove `{}`", lexer.say(keyword)))
    } else if states.contains(name.as_str()) {
        Diagnostic::error(codes::PRIME, place, format!("the derivative `{name}'` cannot be read in an expression"))
            .here(format!("`{name}'` stands only to the left of `=`"))
            .help(format!("name its right-hand side, `let rate = …`, then write `{name}' = rate` and use `rate` here"))
    } else {
        Diagnostic::error(codes::PRIME, place, "`'` does not transpose").here("`'` marks the equation of a state").fix(
            span,
            ".T",
            "write `.T`",
        )
    };
    lexer.report(diagnostic);
}

/// Reports what is foreign in the head of an item. `false`: nothing more can be learnt from this item.
pub(super) fn head(lexer: &mut Lexer<'_>, item: &Raw) -> bool {
    let i = item.first;
    let Some(word) = lexer.word(i).map(str::to_owned) else { return true };
    if is_rate(lexer, i) {
        return rate(lexer, item);
    }
    let equation = lexer.say(i + 1) == "'";
    if is_item_keyword(&word) || equation {
        signs(lexer, item, &word);
        return true;
    }
    if item.end > i + 1 && (lexer.word(i + 1).is_some_and(|w| !is_joining(w))) {
        unknown_item(lexer, i, &word);
        return false;
    }
    if item.end > i + 1 && matches!(lexer.say(i + 1), "=" | "==" | ":=" | ":") {
        let span = lexer.token_span(i);
        let keyword = if lexer.say(i + 1) == ":" { "param" } else { "let" };
        lexer.report(
            Diagnostic::error(codes::NO_KEYWORD, span, format!("this definition of `{word}` has no keyword"))
                .here("every item begins with a keyword, or with `name'`")
                .fix(
                    lexer.span(span.start as usize, span.start as usize),
                    format!("{keyword} "),
                    format!("write `{keyword} {word}`"),
                )
                .help(format!("`param {word} = …` is trained, `let {word} = …` is computed"))
                .help(format!("`{word}' = …` is the equation of a state")),
        );
        return false;
    }
    true
}

fn unknown_item(lexer: &mut Lexer<'_>, i: usize, word: &str) {
    let span = lexer.token_span(i);
    let diagnostic = Diagnostic::error(codes::UNKNOWN_ITEM, span, format!("no item begins with `{word}`"));
    let alias = ALIASES.iter().find(|(theirs, _)| *theirs == word).map(|(_, ours)| *ours);
    let like = alias.or_else(|| did_you_mean(word, ITEM_KEYWORDS.iter().copied()));
    let diagnostic = match like {
        Some(ours) => diagnostic.here(format!("did you mean `{ours}`?")).fix(span, ours, format!("write `{ours}`")),
        None => diagnostic.here("not a keyword").note(format!("items begin with {}", quoted(ITEM_KEYWORDS))),
    };
    let constant = matches!(word, "const" | "constant");
    let diagnostic =
        if constant { diagnostic.help("a value that is not trained is a `let`: `let g = 9.81`") } else { diagnostic };
    lexer.report(diagnostic);
}

fn quoted(words: &[&str]) -> String {
    words.iter().map(|w| format!("`{w}`")).collect::<Vec<_>>().join(", ")
}

/// `dx/dt =`, `d/dt x =`, `der(x) =` become `x' =`.
fn rate(lexer: &mut Lexer<'_>, item: &Raw) -> bool {
    let i = item.first;
    let joined = lexer.say(i).len() > 1 && lexer.say(i + 1) == "/";
    // The token that holds the name, and how many tokens stand before `=`.
    let (holder, skip, length) = match (joined, lexer.say(i + 1), lexer.say(i + 3)) {
        (true, _, _) => (i, 1, 3),
        (false, "/", "(") => (i + 4, 0, 6),
        (false, "/", _) => (i + 3, 0, 4),
        (false, _, _) => (i + 2, 0, 4),
    };
    let name = lexer.word(holder).and_then(|w| w.get(skip..)).unwrap_or("").to_owned();
    let whole = lexer.token_span(i).to(lexer.token_span(i + length - 1));
    let sign = lexer.say(i + length) == "=";
    let diagnostic = Diagnostic::error(codes::FOREIGN_RATE, whole, "a time derivative is written with `'`");
    if name.is_empty() || !sign || i + length >= item.end {
        lexer.report(diagnostic.help("the equation of a state `x` is `x' = …`"));
        return false;
    }
    lexer.report(diagnostic.fix(whole, format!("{name}'"), format!("write `{name}' =`")));
    let (from, to) = (whole.start as usize, whole.end as usize);
    let start = (lexer.token_span(holder).start as usize + skip).min(to - name.len() - 1);
    lexer.paint(from, to, "");
    lexer.paint(start, start + name.len() + 1, &format!("{name}'"));
    true
}

/// `==` and `:=` where a definition has `=`; `=` where an event has `:=`.
fn signs(lexer: &mut Lexer<'_>, item: &Raw, word: &str) {
    let mut depth = 0_usize;
    let end = item.body.map_or(item.end, |(open, _)| open);
    for i in item.first..end {
        let sign = lexer.say(i);
        match sign {
            "(" | "[" | "{" => depth += 1,
            ")" | "]" | "}" => depth = depth.saturating_sub(1),
            "=" | "==" | ":=" => match (word, depth, sign) {
                ("event", 1, "=") => wrong_sign(lexer, i, ":=", "an event resets a state with `:=`"),
                ("event" | "solve" | "train" | "data" | "test" | "use", _, _) => {}
                (_, 0, "==") => return wrong_sign(lexer, i, "=", "`==` compares; a definition has one `=`"),
                (_, 0, ":=") => return wrong_sign(lexer, i, "=", "`:=` is for the resets of an `event`"),
                (_, 0, _) => return,
                (_, _, _) => {}
            },
            _ => {}
        }
    }
}

fn wrong_sign(lexer: &mut Lexer<'_>, i: usize, ours: &str, here: &str) {
    let span = lexer.token_span(i);
    let message = format!("`{}` where `{ours}` belongs", lexer.say(i));
    lexer.report(Diagnostic::error(codes::DEFINITION_SIGN, span, message).here(here).fix(
        span,
        ours,
        format!("write `{ours}`"),
    ));
    if ours == "=" {
        lexer.paint(span.start as usize, span.end as usize, ours);
    }
}
