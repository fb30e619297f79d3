//! The codes of the syntax stage and their one-line titles.

/// Every code this stage reports, with its title; each has a page in `docs/errors/`.
pub const CODES: &[(&str, &str)] = &[
    (UNEXPECTED, "something else was expected here"),
    (UNKNOWN_ITEM, "no item begins with this word"),
    (NO_KEYWORD, "a definition without its keyword"),
    (FOREIGN_RATE, "a time derivative written another way"),
    (FOREIGN_OPERATOR, "an operator of another language"),
    (DEFINITION_SIGN, "the wrong sign in a definition"),
    (SEMICOLON, "a semicolon"),
    (FOREIGN_COMMENT, "a comment written another way"),
    (PRIME, "a prime inside an expression"),
    (LAMBDA, "an anonymous function"),
    (ELIF, "`elif` instead of `else if`"),
    (UNCLOSED, "a bracket that is never closed"),
    (UNOPENED, "a closing bracket without its opening one"),
    (UNCLOSED_TEXT, "a string that is never closed"),
    (CHAINED, "a chained comparison"),
    (BAD_NUMBER, "a malformed number"),
    (NUMBER_RANGE, "a number too large for 64 bits"),
    (UNKNOWN_CHARACTER, "a character that means nothing here"),
    (EMPTY_FILE, "a file without items"),
    (TOO_DEEP, "nested too deeply"),
    (TOO_LARGE, "a file too large"),
    (KEYWORD_AS_NAME, "a keyword used as a name"),
    (WRONG_PLACE, "an item where it cannot stand"),
    (LAYER_CALL, "a layer without exactly one `call`"),
    (BAD_ESCAPE, "an unknown escape in a string"),
    (NO_VALUE, "a definition without its value"),
    (NO_ELSE, "an `if` without its `else`"),
    (FOREIGN_TEXT, "a string in the wrong quotes"),
];

pub(super) const UNEXPECTED: &str = "N0101";
pub(super) const UNKNOWN_ITEM: &str = "N0102";
pub(super) const NO_KEYWORD: &str = "N0103";
pub(super) const FOREIGN_RATE: &str = "N0104";
pub(super) const FOREIGN_OPERATOR: &str = "N0105";
pub(super) const DEFINITION_SIGN: &str = "N0106";
pub(super) const SEMICOLON: &str = "N0107";
pub(super) const FOREIGN_COMMENT: &str = "N0108";
pub(super) const PRIME: &str = "N0109";
pub(super) const LAMBDA: &str = "N0110";
pub(super) const ELIF: &str = "N0111";
pub(super) const UNCLOSED: &str = "N0112";
pub(super) const UNOPENED: &str = "N0113";
pub(super) const UNCLOSED_TEXT: &str = "N0114";
pub(super) const CHAINED: &str = "N0115";
pub(super) const BAD_NUMBER: &str = "N0116";
pub(super) const NUMBER_RANGE: &str = "N0117";
pub(super) const UNKNOWN_CHARACTER: &str = "N0118";
pub(super) const EMPTY_FILE: &str = "N0119";
pub(super) const TOO_DEEP: &str = "N0120";
pub(super) const TOO_LARGE: &str = "N0121";
pub(super) const KEYWORD_AS_NAME: &str = "N0122";
pub(super) const WRONG_PLACE: &str = "N0123";
pub(super) const LAYER_CALL: &str = "N0124";
pub(super) const BAD_ESCAPE: &str = "N0125";
pub(super) const NO_VALUE: &str = "N0126";
pub(super) const NO_ELSE: &str = "N0127";
pub(super) const FOREIGN_TEXT: &str = "N0128";
