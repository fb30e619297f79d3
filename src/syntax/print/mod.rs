//! [`ast`](super::ast) → text, with as few parentheses as possible; and text → text, the formatter.

mod expr;
mod format;
mod item;

pub use expr::print_expr;
pub use format::format;
pub use item::print_item;
