//! Text → tokens, and the same text with everything that is not of the language painted over.
//!
//! The painted text has the length of the original, so every place found in it is a place of the original. What was
//! painted over has been reported; the grammar then sees a clean text and the item is still understood.

use super::super::codes;
use super::lex_foreign;
use crate::diag::{Diagnostic, FileId, Span};

/// More problems than this in one file help nobody.
const MAX_DIAGNOSTICS: usize = 100;

/// What a token is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(in crate::syntax) enum Tok {
    /// A name or a keyword.
    Word,
    /// A number.
    Number,
    /// A string, with its quotes.
    Text,
    /// Punctuation.
    Punct,
    /// A comment, to the end of its line.
    Comment,
}

/// A piece of text: bytes `start..end`.
#[derive(Clone, Copy, Debug)]
pub(in crate::syntax) struct Token {
    /// What it is.
    pub tok: Tok,
    /// First byte.
    pub start: usize,
    /// One past the last byte.
    pub end: usize,
    /// Whether it is the first of its line.
    pub first: bool,
}

/// The state of the lexer, and its result.
pub(in crate::syntax) struct Lexer<'a> {
    pub file: FileId,
    pub text: &'a str,
    /// Tokens in order, without comments.
    pub tokens: Vec<Token>,
    /// Comments in order.
    pub comments: Vec<Token>,
    /// The text the grammar sees.
    pub painted: Vec<u8>,
    /// What was found wrong.
    pub diags: Vec<Diagnostic>,
    /// Byte the lexer is at.
    pub at: usize,
    first: bool,
}

/// Longest first.
const PUNCTUATION: &[&str] = &[
    "|>", "->", "=>", ":=", "==", "!=", "<=", ">=", "..", "&&", "||", "**", "+", "-", "*", "/", "^", "@", "=", "~",
    ":", ",", ".", "(", ")", "[", "]", "{", "}", "<", ">", "'", "!", ";",
];

impl<'a> Lexer<'a> {
    /// Splits a text into tokens.
    pub fn run(file: FileId, text: &'a str) -> Self {
        let mut lexer = Self {
            file,
            text,
            tokens: Vec::new(),
            comments: Vec::new(),
            painted: text.as_bytes().to_vec(),
            diags: Vec::new(),
            at: 0,
            first: true,
        };
        while let Some(c) = lexer.rest().chars().next() {
            lexer.step(c);
        }
        lexer
    }

    /// What is left to read.
    pub fn rest(&self) -> &'a str {
        self.text.get(self.at..).unwrap_or("")
    }

    /// What a token says.
    pub fn say(&self, index: usize) -> &'a str {
        self.tokens.get(index).map_or("", |t| self.text.get(t.start..t.end).unwrap_or(""))
    }

    /// The token at `index`, when it is a word.
    pub fn word(&self, index: usize) -> Option<&'a str> {
        self.tokens.get(index).filter(|t| t.tok == Tok::Word).map(|_| self.say(index))
    }

    /// Whether the token at `index` is the first of its line (or there is none).
    pub fn is_first(&self, index: usize) -> bool {
        self.tokens.get(index).is_none_or(|t| t.first)
    }

    /// A span of this file.
    pub fn span(&self, start: usize, end: usize) -> Span {
        Span::new(self.file, start, end)
    }

    /// The span of a token (of the end of the text, past the last one).
    pub fn token_span(&self, index: usize) -> Span {
        self.tokens
            .get(index)
            .map_or_else(|| self.span(self.text.len(), self.text.len()), |t| self.span(t.start, t.end))
    }

    /// Notes a problem.
    pub fn report(&mut self, diagnostic: Diagnostic) {
        if self.diags.len() < MAX_DIAGNOSTICS {
            self.diags.push(diagnostic);
        }
    }

    /// Replaces bytes of the painted text: `with`, then spaces.
    pub fn paint(&mut self, start: usize, end: usize, with: &str) {
        let mut fill = with.bytes().chain(std::iter::repeat(b' '));
        for byte in self.painted.iter_mut().take(end).skip(start) {
            if *byte != b'\n' {
                *byte = fill.next().unwrap_or(b' ');
            }
        }
    }

    /// Adds the token from the current place to `end` and moves behind it.
    pub fn push(&mut self, tok: Tok, end: usize) {
        let token = Token { tok, start: self.at, end, first: self.first };
        match tok {
            Tok::Comment => self.comments.push(token),
            Tok::Word | Tok::Number | Tok::Text | Tok::Punct => {
                self.tokens.push(token);
                self.first = false;
            }
        }
        self.at = end;
    }

    fn step(&mut self, c: char) {
        let rest = self.rest();
        match c {
            '\n' => {
                self.first = true;
                self.at += 1;
            }
            ' ' | '\t' | '\r' | '\u{feff}' => self.at += c.len_utf8(),
            '#' => self.push(Tok::Comment, self.at + line_length(rest)),
            '"' => self.string(rest),
            '0'..='9' => self.number(rest),
            '.' if rest.as_bytes().get(1).is_some_and(u8::is_ascii_digit) && !self.after_dot() => self.number(rest),
            '/' if rest.starts_with("//") || rest.starts_with("/*") => lex_foreign::comment(self, rest),
            _ if c.is_alphabetic() || c == '_' => self.identifier(rest),
            _ => self.punctuation(rest, c),
        }
    }

    /// In `0...5` the third dot is no decimal point; a mess, but `0 .. .5` is none.
    fn after_dot(&self) -> bool {
        self.tokens.last().is_some_and(|t| t.end == self.at && self.text.get(t.start..t.end) == Some("."))
    }

    fn identifier(&mut self, rest: &str) {
        let length = rest.find(|c: char| !(c.is_alphanumeric() || c == '_')).unwrap_or(rest.len());
        let word = rest.get(..length).unwrap_or("");
        if !word.is_ascii() {
            lex_foreign::letters(self, word);
        }
        self.push(Tok::Word, self.at + length);
    }

    fn punctuation(&mut self, rest: &str, c: char) {
        let Some(found) = PUNCTUATION.iter().find(|p| rest.starts_with(**p)) else {
            return lex_foreign::character(self, c);
        };
        let start = self.at;
        if *found == "'"
            && self.tokens.last().is_none_or(|t| t.end != start || !ends_operand(self.say(self.tokens.len() - 1)))
        {
            return lex_foreign::quote(self, rest);
        }
        if *found == ";" {
            return lex_foreign::semicolon(self);
        }
        self.push(Tok::Punct, start + found.len());
    }

    fn string(&mut self, rest: &str) {
        let line = rest.get(..line_length(rest)).unwrap_or(rest);
        let mut chars = line.char_indices().skip(1);
        while let Some((i, c)) = chars.next() {
            match c {
                '"' => return self.push(Tok::Text, self.at + i + 1),
                '\\' => match chars.next() {
                    Some((_, '"' | '\\')) | None => {}
                    Some((j, other)) => lex_foreign::escape(self, self.at + i, self.at + j + other.len_utf8()),
                },
                _ => {}
            }
        }
        let (start, end) = (self.at, self.at + line.trim_end().len());
        self.report(
            Diagnostic::error(codes::UNCLOSED_TEXT, self.span(start, end), "this string is never closed")
                .here("it begins here and must end on the same line")
                .help("close it with `\"`; inside a string write `\\\"` for a quote"),
        );
        self.paint(start, end, "");
        self.at = end.max(start + 1);
    }

    fn number(&mut self, rest: &str) {
        let length = number_length(rest.as_bytes());
        let word = rest.get(..length).unwrap_or("");
        if !is_number(word) {
            lex_foreign::number(self, word);
        } else if word.parse::<f64>().is_ok_and(f64::is_infinite) {
            let span = self.span(self.at, self.at + length);
            self.report(
                Diagnostic::error(codes::NUMBER_RANGE, span, format!("`{}` is too large a number", shorten(word)))
                    .here("beyond the largest 64-bit number, about 1.8e308")
                    .help("change the units, or write the logarithm"),
            );
            self.paint(self.at, self.at + length, "1");
        }
        self.push(Tok::Number, self.at + length);
    }
}

/// Whether something that can be multiplied ends with this token.
pub(super) fn ends_operand(token: &str) -> bool {
    token.ends_with(|c: char| c.is_alphanumeric() || matches!(c, '_' | ')' | ']' | '"' | '\''))
}

/// Bytes up to the end of the line, without the carriage return.
pub(super) fn line_length(rest: &str) -> usize {
    let line = rest.find('\n').unwrap_or(rest.len());
    rest.get(..line).map_or(line, |l| l.trim_end_matches('\r').len())
}

/// The first characters of a text that may be long.
pub(super) fn shorten(text: &str) -> String {
    if text.chars().count() <= 24 { text.to_owned() } else { text.chars().take(20).chain("…".chars()).collect() }
}

/// How many bytes look like one number, well-formed or not.
fn number_length(bytes: &[u8]) -> usize {
    let mut i = 0;
    while let Some(&b) = bytes.get(i) {
        let next = bytes.get(i + 1).copied().unwrap_or(0);
        let exponent = i > 0 && matches!(bytes.get(i - 1), Some(b'e' | b'E')) && next.is_ascii_digit();
        match b {
            b'0'..=b'9' | b'a'..=b'z' | b'A'..=b'Z' | b'_' => {}
            b'.' if next != b'.' => {}
            b'+' | b'-' if exponent && bytes.iter().take(i - 1).all(|c| c.is_ascii_digit() || *c == b'.') => {}
            _ => break,
        }
        i += 1;
    }
    i
}

/// `12`, `1.`, `.5`, `1.5e-3`.
fn is_number(word: &str) -> bool {
    let (mantissa, exponent) = word.split_once(['e', 'E']).map_or((word, None), |(m, e)| (m, Some(e)));
    let digits = |s: &str| s.bytes().all(|b| b.is_ascii_digit());
    let (whole, part) = mantissa.split_once('.').unwrap_or((mantissa, ""));
    let exponent = exponent.is_none_or(|e| {
        let e = e.strip_prefix(['+', '-']).unwrap_or(e);
        !e.is_empty() && digits(e)
    });
    exponent && digits(whole) && digits(part) && !(whole.is_empty() && part.is_empty())
}
