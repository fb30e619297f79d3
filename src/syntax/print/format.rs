//! The formatter: one spelling of white space, over the tokens, so that nothing else can change.
//!
//! Items begin on their own line, blocks are indented by two spaces, runs of blank lines become one, products are tight
//! and sums wide. Where the author broke a line inside an item it stays broken; comments stay where they are.

use super::super::parse::lex::{Lexer, Tok, Token};
use super::super::parse::{Role, layout, parse, words};
use crate::diag::{Diagnostic, FileId};

/// The canonical layout of a file.
///
/// # Errors
/// The syntax errors of the file: only what can be understood is formatted.
pub fn format(text: &str) -> Result<String, Vec<Diagnostic>> {
    let (_, diags) = parse(FileId::default(), text);
    if !diags.is_empty() {
        return Err(diags);
    }
    let mut lexer = Lexer::run(FileId::default(), text);
    let roles = layout(&mut lexer);
    let mut writer = Writer::new(&lexer);
    let mut comments = lexer.comments.iter().peekable();
    for (i, token) in lexer.tokens.iter().enumerate() {
        let role = roles.get(i).copied().unwrap_or(Role::Inner);
        while let Some(comment) = comments.next_if(|c| c.start < token.start) {
            writer.comment(*comment, role);
        }
        writer.token(i, *token, role);
    }
    comments.for_each(|comment| writer.comment(*comment, Role::Item));
    Ok(writer.finish())
}

struct Writer<'l, 'a> {
    lexer: &'l Lexer<'a>,
    out: String,
    /// Blocks around.
    blocks: usize,
    /// Open brackets of the item; `true` for those of an index.
    brackets: Vec<bool>,
    /// The end of what was written last, in the text.
    last_end: usize,
    /// A comment ended the line.
    line_done: bool,
    /// Nothing may stand between this and what was written last.
    tight: bool,
    /// A block has just begun: no blank line.
    fresh: bool,
    /// The first word of the item.
    item: &'a str,
}

impl<'l, 'a> Writer<'l, 'a> {
    fn new(lexer: &'l Lexer<'a>) -> Self {
        Self {
            lexer,
            out: String::with_capacity(lexer.text.len() + 64),
            blocks: 0,
            brackets: Vec::new(),
            last_end: 0,
            line_done: false,
            tight: true,
            fresh: true,
            item: "",
        }
    }

    fn finish(mut self) -> String {
        if !self.out.is_empty() && !self.out.ends_with('\n') {
            self.out.push('\n');
        }
        self.out
    }

    /// New lines in the text since what was written last.
    fn breaks(&self, start: usize) -> usize {
        self.lexer.text.get(self.last_end..start).unwrap_or("").matches('\n').count()
    }

    /// Begins a line; with a blank one before it where the author left one between items.
    fn line(&mut self, indent: usize, paragraph: bool) {
        if !self.out.is_empty() {
            self.out.push('\n');
            if paragraph && !self.fresh {
                self.out.push('\n');
            }
        }
        self.out.extend(std::iter::repeat_n(' ', 2 * indent));
        self.line_done = false;
    }

    fn comment(&mut self, comment: Token, next: Role) {
        let breaks = self.breaks(comment.start);
        if breaks == 0 && !self.out.is_empty() {
            self.out.push_str("  ");
        } else {
            let between = matches!(next, Role::Item | Role::Close);
            let indent = if between { self.blocks } else { self.blocks + self.brackets.len().max(1) };
            self.line(indent, breaks > 1 && between);
        }
        self.out.push_str(self.lexer.text.get(comment.start..comment.end).unwrap_or("").trim_end());
        self.last_end = comment.end;
        self.line_done = true;
        self.fresh = false;
    }

    fn token(&mut self, i: usize, token: Token, role: Role) {
        let said = self.lexer.say(i);
        let breaks = self.breaks(token.start);
        match role {
            Role::Item => {
                self.line(self.blocks, breaks > 1);
                self.brackets.clear();
                self.item = said;
            }
            Role::Open => self.before_inner(i, said, 0),
            Role::Close => {
                self.blocks = self.blocks.saturating_sub(1);
                self.line(self.blocks, false);
            }
            Role::Inner => self.before_inner(i, said, breaks),
        }
        self.out.push_str(said);
        self.fresh = role == Role::Open;
        if role == Role::Open {
            self.blocks += 1;
        }
        if role == Role::Inner {
            self.brackets_after(i, token, said);
        }
        self.tight = self.nothing_after(i, token, said);
        self.last_end = token.end;
    }

    /// White space before a token inside an item.
    fn before_inner(&mut self, i: usize, said: &str, breaks: usize) {
        if breaks > 0 || self.line_done {
            let closes = matches!(said, ")" | "]" | "}");
            let depth = self.brackets.len();
            self.line(self.blocks + if closes { depth.saturating_sub(1) } else { depth.max(1) }, false);
        } else if !self.tight && !self.nothing_before(i, said) {
            self.out.push(' ');
        }
    }

    fn brackets_after(&mut self, i: usize, token: Token, said: &str) {
        match said {
            _ if token.tok != Tok::Punct => {}
            "(" | "{" => self.brackets.push(false),
            "[" => self.brackets.push(self.after_operand(i)),
            ")" | "]" | "}" => {
                self.brackets.pop();
            }
            _ => {}
        }
    }

    fn in_index(&self) -> bool {
        self.brackets.last() == Some(&true)
    }

    fn nothing_before(&self, i: usize, said: &str) -> bool {
        if self.lexer.tokens.get(i).is_none_or(|t| t.tok != Tok::Punct) {
            return false;
        }
        let before = i.checked_sub(1).map_or("", |p| self.lexer.say(p));
        match said {
            ")" | "]" | "," | "'" | "*" | "/" | "^" => true,
            // `2 .T` would become another number.
            "." => self.lexer.tokens.get(i.wrapping_sub(1)).is_none_or(|t| t.tok != Tok::Number),
            ":" => before != "," || !self.in_index(),
            "(" | "[" => self.after_operand(i),
            _ => false,
        }
    }

    fn nothing_after(&self, i: usize, token: Token, said: &str) -> bool {
        match said {
            _ if token.tok != Tok::Punct => false,
            "(" | "[" | "." | "*" | "/" | "^" => true,
            ":" => self.in_index(),
            "-" => !self.after_operand(i),
            _ => false,
        }
    }

    /// Whether an operand ends before token `i`, so that `(` calls, `[` indexes and `-` subtracts.
    fn after_operand(&self, i: usize) -> bool {
        let Some(before) = i.checked_sub(1).and_then(|p| self.lexer.tokens.get(p)) else { return false };
        let said = self.lexer.say(i - 1);
        match before.tok {
            Tok::Number | Tok::Text => true,
            Tok::Punct => matches!(said, ")" | "]"),
            Tok::Word => {
                let field = i >= 2 && self.lexer.say(i - 2) == ".";
                let bound = said == "over" && self.item == "ode" && self.brackets.is_empty();
                field || matches!(said, "true" | "false" | "call") || !(words::is_reserved(said) || bound)
            }
            Tok::Comment => false,
        }
    }
}
