//! The words of the language, for the passes that work on tokens.

/// Words that begin an item.
pub(super) const ITEM_KEYWORDS: &[&str] = &[
    "model", "use", "dim", "param", "net", "layer", "call", "fn", "input", "data", "test", "noise", "state", "let",
    "loss", "metric", "output", "solve", "train", "event", "ode",
];

/// Words inside expressions and headers that are no names, or only rarely.
const JOINING: &[&str] = &["if", "then", "else", "elif", "and", "or", "not", "as", "over"];

/// Items that stand only at the top level: at the left margin, inside `{`, they mean that a `}` is missing.
pub(super) const TOP_ONLY: &[&str] = &[
    "model", "use", "dim", "net", "layer", "fn", "input", "data", "test", "noise", "loss", "metric", "output", "train",
    "ode",
];

/// Domains, which may begin a line in the middle of a type.
pub(super) const DOMAINS: &[&str] = &["real", "positive", "negative", "unit", "interval", "simplex", "class"];

/// What other languages call our items.
pub(super) const ALIASES: &[(&str, &str)] = &[
    ("const", "param"),
    ("constant", "param"),
    ("parameter", "param"),
    ("parameters", "param"),
    ("var", "param"),
    ("variable", "state"),
    ("real", "param"),
    ("Real", "param"),
    ("def", "fn"),
    ("func", "fn"),
    ("function", "fn"),
    ("import", "use"),
    ("include", "use"),
    ("val", "let"),
    ("observe", "output"),
    ("dataset", "data"),
    ("minimize", "loss"),
    ("optimizer", "train"),
    ("system", "ode"),
];

/// Whether an item may begin with this word.
pub(super) fn is_item_keyword(word: &str) -> bool {
    ITEM_KEYWORDS.contains(&word)
}

/// Whether the word joins parts of an item.
pub(super) fn is_joining(word: &str) -> bool {
    JOINING.contains(&word)
}

/// Whether a name may not be spelled so.
pub(in crate::syntax) fn is_reserved(word: &str) -> bool {
    is_item_keyword(word) || matches!(word, "if" | "then" | "else" | "elif" | "and" | "or" | "not" | "true" | "false")
}
