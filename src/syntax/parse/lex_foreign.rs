//! What other languages write with other characters: comments, quotes, semicolons, letters. Each is reported with its
//! mend and painted over, so that the item around it is still understood.

use super::super::codes;
use super::lex::{Lexer, Tok, line_length, shorten};
use crate::diag::Diagnostic;

/// `// …` or `/* … */`.
pub(super) fn comment(lexer: &mut Lexer<'_>, rest: &str) {
    let start = lexer.at;
    let block = rest.starts_with("/*");
    let closed = rest.find("*/").map(|i| i + 2);
    let length = if block { closed.unwrap_or(rest.len()) } else { line_length(rest) };
    let end = start + length;
    let body = rest.get(2..length).unwrap_or("");
    let body = if block { body.strip_suffix("*/").unwrap_or(body) } else { body };
    let opening = lexer.span(start, start + 2);
    let mut diagnostic = if block && closed.is_none() {
        Diagnostic::error(codes::FOREIGN_COMMENT, opening, "this comment is never closed")
    } else {
        Diagnostic::error(codes::FOREIGN_COMMENT, opening, "comments begin with `#`")
    };
    let behind = rest.get(length..).unwrap_or("");
    let alone = behind.get(..line_length(behind)).is_none_or(|line| line.trim().is_empty());
    diagnostic = diagnostic.here(if block { "a block comment of C" } else { "a line comment of C" });
    if !block {
        diagnostic = diagnostic.fix(opening, "#", "write `#`");
    } else if alone && closed.is_some() {
        let lines: Vec<String> =
            body.lines().map(|l| format!("# {}", l.trim().trim_start_matches('*').trim())).collect();
        diagnostic = diagnostic.fix(lexer.span(start, end), lines.join("\n"), "write `#` in every line");
    } else {
        diagnostic = diagnostic.help("a comment runs from `#` to the end of the line; there is none inside a line");
    }
    lexer.report(diagnostic);
    lexer.paint(start, end, "");
    lexer.at = end;
}

/// `;` separates nothing here.
pub(super) fn semicolon(lexer: &mut Lexer<'_>) {
    let span = lexer.span(lexer.at, lexer.at + 1);
    lexer.report(
        Diagnostic::error(codes::SEMICOLON, span, "items are not separated by `;`")
            .here("an item ends where the next one begins")
            .fix(span, "", "remove it"),
    );
    lexer.paint(lexer.at, lexer.at + 1, "");
    lexer.at += 1;
}

/// A `'` that follows no operand: a string in the wrong quotes, or a stray one.
pub(super) fn quote(lexer: &mut Lexer<'_>, rest: &str) {
    let start = lexer.at;
    let line = rest.get(1..line_length(rest)).unwrap_or("");
    let Some(length) = line.find('\'') else { return character(lexer, '\'') };
    let inner = line.get(..length).unwrap_or("");
    let end = start + length + 2;
    let span = lexer.span(start, end);
    let quoted = format!("\"{}\"", inner.replace('\\', "\\\\").replace('"', "\\\""));
    lexer.report(
        Diagnostic::error(codes::FOREIGN_TEXT, span, "strings stand in double quotes")
            .here("`'` after a name means the time derivative")
            .fix(span, quoted, "use double quotes"),
    );
    let clean = !inner.contains(['"', '\\']);
    lexer.paint(start, end, if clean { "" } else { "\"\"" });
    if clean {
        lexer.paint(start, end, &format!("\"{inner}\""));
    }
    lexer.push(Tok::Text, end);
}

/// `\n` in a string.
pub(super) fn escape(lexer: &mut Lexer<'_>, start: usize, end: usize) {
    let span = lexer.span(start, end);
    let other = lexer.text.get(start + 1..end).unwrap_or("");
    lexer.report(
        Diagnostic::error(codes::BAD_ESCAPE, span, format!("`\\{}` is no escape", other.escape_default()))
            .here("a string knows only `\\\"` and `\\\\`")
            .fix(span, format!("\\\\{other}"), "write the backslash twice")
            .help("paths may use `/` on every system"),
    );
}

/// `1.2.3`, `3x`, `1_000`.
pub(super) fn number(lexer: &mut Lexer<'_>, word: &str) {
    let (start, end) = (lexer.at, lexer.at + word.len());
    let span = lexer.span(start, end);
    let message = format!("`{}` is not a number", shorten(word));
    let mut diagnostic = Diagnostic::error(codes::BAD_NUMBER, span, message);
    let digits = word.find(|c: char| !(c.is_ascii_digit() || c == '.')).unwrap_or(word.len());
    let (head, tail) = word.split_at(digits);
    let plain = word.replace('_', "");
    if plain != word && plain.bytes().all(|b| b.is_ascii_digit() || b == b'.') {
        diagnostic = diagnostic.fix(span, plain, "leave out the `_`");
    } else if head.matches('.').count() > 1 {
        diagnostic = diagnostic.here("more than one decimal point").help("a range is written with `..`: `0 .. 10`");
    } else if tail.starts_with(['e', 'E']) && !tail.get(1..).unwrap_or("").contains(|c: char| c.is_ascii_alphabetic()) {
        diagnostic = diagnostic.here("an exponent is a whole number, as in `1e-3`");
    } else if head == "0" && tail.starts_with(['x', 'X', 'b', 'o']) {
        diagnostic = diagnostic.here("numbers are decimal");
    } else if !tail.is_empty() {
        let product = format!("{head}*{tail}");
        diagnostic =
            diagnostic.here("a product needs its `*`").fix(span, product.clone(), format!("write `{product}`"));
    }
    lexer.report(diagnostic);
    lexer.paint(start, end, "1");
}

/// Letters other than ASCII in a name.
pub(super) fn letters(lexer: &mut Lexer<'_>, word: &str) {
    let (start, end) = (lexer.at, lexer.at + word.len());
    let span = lexer.span(start, end);
    let spelled: Option<Vec<String>> =
        word.chars().map(|c| if c.is_ascii() { Some(c.to_string()) } else { greek(c).map(str::to_owned) }).collect();
    let message = format!("`{}` is not a name", shorten(word));
    let mut diagnostic = Diagnostic::error(codes::UNKNOWN_CHARACTER, span, message)
        .here("names are made of the letters a to z, A to Z, digits and `_`");
    if let Some(parts) = spelled {
        let name = parts.concat();
        diagnostic = diagnostic.fix(span, name.clone(), format!("write `{name}`"));
    }
    lexer.report(diagnostic);
    let clean: String = word.bytes().map(|b| if b.is_ascii() { char::from(b) } else { '_' }).collect();
    lexer.paint(start, end, &clean);
}

/// Anything else.
pub(super) fn character(lexer: &mut Lexer<'_>, c: char) {
    let (start, end) = (lexer.at, lexer.at + c.len_utf8());
    let span = lexer.span(start, end);
    let shown = if c.is_control() { c.escape_default().to_string() } else { c.to_string() };
    let message = format!("`{shown}` means nothing here");
    let mut diagnostic = Diagnostic::error(codes::UNKNOWN_CHARACTER, span, message);
    let like = ascii_like(c);
    match like {
        Some(" ") => diagnostic = diagnostic.fix(span, " ", "write an ordinary space"),
        Some(text) => diagnostic = diagnostic.fix(span, text, format!("write `{text}`")),
        None if c.is_control() => diagnostic = diagnostic.help("is this really a text file?"),
        None => diagnostic = diagnostic.help("remove it"),
    }
    lexer.report(diagnostic);
    if let Some(text) = like.filter(|text| text.len() <= c.len_utf8() && !matches!(*text, "\"" | " ")) {
        lexer.paint(start, end, text);
        lexer.push(Tok::Punct, end);
    } else {
        lexer.paint(start, end, "");
        lexer.at = end;
    }
}

/// The ASCII spelling of a typographic character.
fn ascii_like(c: char) -> Option<&'static str> {
    Some(match c {
        '×' | '·' | '⋅' | '∗' => "*",
        '−' | '–' | '—' => "-",
        '÷' => "/",
        '≤' => "<=",
        '≥' => ">=",
        '≠' => "!=",
        '→' => "->",
        '∼' => "~",
        '′' | '’' => "'",
        '“' | '”' => "\"",
        '¬' => "not",
        '\u{a0}' | '\u{2009}' | '\u{202f}' | '\u{200b}' | '\u{3000}' => " ",
        _ => return None,
    })
}

/// The name of a Greek letter.
fn greek(c: char) -> Option<&'static str> {
    const SMALL: [&str; 25] = [
        "alpha", "beta", "gamma", "delta", "epsilon", "zeta", "eta", "theta", "iota", "kappa", "lambda", "mu", "nu",
        "xi", "omicron", "pi", "rho", "sigma", "sigma", "tau", "upsilon", "phi", "chi", "psi", "omega",
    ];
    const CAPITAL: [(char, &str); 11] = [
        ('Γ', "Gamma"),
        ('Δ', "Delta"),
        ('Θ', "Theta"),
        ('Λ', "Lambda"),
        ('Ξ', "Xi"),
        ('Π', "Pi"),
        ('Σ', "Sigma"),
        ('Υ', "Upsilon"),
        ('Φ', "Phi"),
        ('Ψ', "Psi"),
        ('Ω', "Omega"),
    ];
    let small = u32::from(c).checked_sub(u32::from('α')).and_then(|i| SMALL.get(i as usize)).copied();
    small.or_else(|| CAPITAL.iter().find(|(letter, _)| *letter == c).map(|(_, name)| *name)).or(match c {
        'ϵ' => Some("epsilon"),
        'ϕ' => Some("phi"),
        _ => None,
    })
}
