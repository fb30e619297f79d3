//! text → [`ast`], and back: the parser, the printer and the formatter of `.node`.
//!
//! The grammar is `grammar/node.pest`. Errors are diagnostics `N01xx`, listed in [`CODES`].

pub mod ast;
mod codes;
mod parse;
mod print;

pub use codes::CODES;
pub use parse::{parse, parse_expr};
pub use print::{format, print_expr, print_item};
