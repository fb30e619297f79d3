//! Why an item does not match the grammar, in words: what was expected, in at most three classes, and what was found.

use super::super::codes;
use super::grammar::{Failure, Rule};
use super::lex::{Lexer, Tok, ends_operand, shorten};
use super::words::is_reserved;
use crate::diag::Diagnostic;

/// Explains a failure at `failure.at` (a byte of the file) in the tokens `first..end`.
pub(super) fn explain(lexer: &Lexer<'_>, first: usize, end: usize, failure: &Failure) -> Diagnostic {
    let found = (first..end).find(|&i| lexer.tokens.get(i).is_some_and(|t| t.end > failure.at));
    let expected = |rule: Rule| failure.expected.contains(&rule);
    if expected(Rule::kw_else) && found.is_none_or(|i| !begins_operand(lexer, i)) {
        return no_else(lexer, first, found.unwrap_or(end));
    }
    let operator = expected(Rule::infix);
    if found.is_none() && !operator && (expected(Rule::eq) || expected(Rule::tilde)) {
        return no_value(lexer, first, end, expected(Rule::eq));
    }
    if let Some(i) = found
        && lexer.word(i).is_some_and(is_reserved)
        && failure.expected.iter().any(|r| matches!(class(*r), Some("a name" | "an expression")))
    {
        return keyword_as_name(lexer, i);
    }
    unexpected(lexer, first, end, found, &failure.expected)
}

fn begins_operand(lexer: &Lexer<'_>, i: usize) -> bool {
    lexer.tokens.get(i).is_some_and(|t| match t.tok {
        Tok::Word => !matches!(lexer.say(i), "then" | "and" | "or"),
        Tok::Number | Tok::Text => true,
        Tok::Punct | Tok::Comment => false,
    })
}

fn no_else(lexer: &Lexer<'_>, first: usize, found: usize) -> Diagnostic {
    // The innermost `if` before the failure that has no `else` yet.
    let mut owed = 0_usize;
    let at = (first..found).rev().find(|&i| match lexer.say(i) {
        "else" => {
            owed += 1;
            false
        }
        "if" if owed == 0 => true,
        "if" => {
            owed -= 1;
            false
        }
        _ => false,
    });
    let span = lexer.token_span(at.unwrap_or(first));
    Diagnostic::error(codes::NO_ELSE, span, "this `if` has no `else`")
        .here("an `if` is an expression and needs a value in both cases")
        .help("write `if c then a else b`, with `else 0` where nothing is to be added")
}

fn no_value(lexer: &Lexer<'_>, first: usize, end: usize, definition: bool) -> Diagnostic {
    let behind = lexer.token_span(end.saturating_sub(1)).end as usize;
    let whole = lexer.token_span(first).to(lexer.span(behind, behind));
    let word = lexer.say(first);
    let name = lexer.word(first + 1).unwrap_or(word);
    let sign = if definition { "=" } else { "~" };
    let what = if definition { "value" } else { "distribution" };
    let help = match word {
        "state" => format!("write the value where the solve starts: `state {name} = 0`"),
        "noise" => format!("write its distribution: `noise {name} ~ normal(0, 1)`"),
        "net" => "write its layers: `= dense(50) |> tanh |> dense(2)`".to_owned(),
        _ => format!("write `{sign}` and its {what}"),
    };
    Diagnostic::error(codes::NO_VALUE, whole, format!("`{name}` has no {what}"))
        .here(format!("expected `{sign}` after this"))
        .help(help)
}

fn keyword_as_name(lexer: &Lexer<'_>, i: usize) -> Diagnostic {
    let word = lexer.say(i);
    Diagnostic::error(codes::KEYWORD_AS_NAME, lexer.token_span(i), format!("`{word}` is a keyword, not a name"))
        .here("this word is reserved")
        .help(format!("choose another name, such as `{word}_` or a longer word"))
}

fn unexpected(lexer: &Lexer<'_>, first: usize, end: usize, found: Option<usize>, rules: &[Rule]) -> Diagnostic {
    let classes = classes(rules);
    let expected = join(&classes);
    let what = found.map_or_else(|| "the end of the item".to_owned(), |i| format!("`{}`", shorten(lexer.say(i))));
    let last = found.unwrap_or(end);
    let before = last.checked_sub(1).filter(|p| *p >= first);
    let behind = before.map_or(0, |p| lexer.token_span(p).end as usize);
    let span = found.map_or_else(|| lexer.span(behind, behind), |i| lexer.token_span(i));
    let mut diagnostic = Diagnostic::error(codes::UNEXPECTED, span, format!("expected {expected}, found {what}"))
        .here(format!("expected {expected}"));
    if let (Some(i), Some(p)) = (found, before)
        && classes.contains(&"an operator")
        && ends_operand(lexer.say(p))
        && begins_operand(lexer, i)
    {
        diagnostic = diagnostic
            .label(lexer.token_span(p), "after this")
            .help("a product is written with `*`; an argument stands in parentheses");
    }
    if found.is_none() {
        let next = lexer.tokens.get(end).map(|_| lexer.token_span(end));
        if let Some(span) = next.filter(|_| end > first) {
            diagnostic = diagnostic.label(span, "the next item begins here");
        }
    }
    if classes.contains(&"an item") {
        diagnostic = diagnostic.help("an item begins with a keyword such as `param`, `state`, `let`, or with `name'`");
    }
    diagnostic
}

/// At most three classes, the telling ones first.
fn classes(rules: &[Rule]) -> Vec<&'static str> {
    const ORDER: &[&str] = &[
        "an item",
        "an expression",
        "a name",
        "a type such as `[3]` or `positive`",
        "an operator",
        "`)`",
        "`]`",
        "`}`",
        "`,`",
        "`=`",
        "`:=`",
        "the end of the item",
        "`->`",
        "`=>`",
        "`..`",
        "`then`",
        "`else`",
        "`:`",
        "`(`",
        "`{`",
        "`'`",
        "`~`",
        "`over`",
        "a string",
    ];
    let has = |name: &str| rules.iter().any(|r| class(*r) == Some(name));
    let value = has("an expression");
    let operator = has("an operator");
    let keep = |name: &&str| match *name {
        // A closing bracket is no news where a value is missing, nor `=` where an operator may follow a name.
        "a name" | "`)`" | "`]`" | "a string" if value => false,
        "`=`" if operator => false,
        "`(`" if operator || value => false,
        other => has(other),
    };
    let mut classes: Vec<&'static str> = ORDER.iter().filter(|n| keep(n)).copied().take(3).collect();
    if classes.is_empty() {
        classes.push("something else");
    }
    classes
}

fn join(classes: &[&str]) -> String {
    match classes {
        [] => String::new(),
        [one] => (*one).to_owned(),
        [many @ .., last] => format!("{} or {last}", many.join(", ")),
    }
}

/// What a rule is called in a message.
fn class(rule: Rule) -> Option<&'static str> {
    Some(match rule {
        Rule::expr
        | Rule::chain
        | Rule::number
        | Rule::boolean
        | Rule::choice
        | Rule::group
        | Rule::list
        | Rule::prefix
        | Rule::arg
        | Rule::place
        | Rule::kw_if => "an expression",
        Rule::name | Rule::word | Rule::module | Rule::argument | Rule::reset => "a name",
        Rule::ty | Rule::shape | Rule::domain => "a type such as `[3]` or `positive`",
        Rule::infix | Rule::pipe | Rule::call | Rule::index | Rule::field => "an operator",
        Rule::doc | Rule::text => "a string",
        Rule::eq => "`=`",
        Rule::assign => "`:=`",
        Rule::colon => "`:`",
        Rule::comma => "`,`",
        Rule::tilde => "`~`",
        Rule::arrow => "`->`",
        Rule::fat_arrow => "`=>`",
        Rule::dots => "`..`",
        Rule::prime => "`'`",
        Rule::open_paren | Rule::arguments => "`(`",
        Rule::close_paren => "`)`",
        Rule::close_bracket => "`]`",
        Rule::open_brace => "`{`",
        Rule::close_brace => "`}`",
        Rule::kw_then => "`then`",
        Rule::kw_else => "`else`",
        Rule::kw_over => "`over`",
        Rule::EOI => "the end of the item",
        Rule::equation | Rule::param_item | Rule::let_item | Rule::kw_param | Rule::kw_let | Rule::item => "an item",
        // Rules that never stand for what is missing on their own.
        _ => return None,
    })
}
