//! The pest parser. `Rule` is seen only inside `parse`.

use pest::Parser;
use pest::error::{Error, ErrorVariant, InputLocation};
use pest::iterators::Pairs;

/// Generated from `grammar/node.pest`.
#[derive(pest_derive::Parser)]
#[grammar = "grammar/node.pest"]
struct NodeParser;

/// Where a rule could not go on, and what it could have gone on with.
pub(super) struct Failure {
    /// Byte of the matched text.
    pub at: usize,
    /// What would have been accepted.
    pub expected: Vec<Rule>,
}

/// Matches a text, whole, with one of the entry rules.
pub(super) fn matches(rule: Rule, text: &str) -> Result<Pairs<'_, Rule>, Failure> {
    NodeParser::parse(rule, text).map_err(|error| furthest(&error))
}

fn furthest(error: &Error<Rule>) -> Failure {
    let at = match error.location {
        InputLocation::Pos(at) | InputLocation::Span((at, _)) => at,
    };
    let expected = match &error.variant {
        ErrorVariant::ParsingError { positives, .. } => positives.clone(),
        ErrorVariant::CustomError { .. } => Vec::new(),
    };
    Failure { at, expected }
}

#[cfg(test)]
mod tests {
    use super::{Rule, matches};

    /// The grammar alone, without the outline, describes whole files.
    #[test]
    fn a_whole_file_is_one_rule() {
        let text =
            "model A \"b\" # c\nstate x = 1 state y: [2] positive = [x, 1..T]\nx' = -x\n  -2*x y' = y\nsolve 0..1";
        assert!(matches(Rule::file, text).is_err(), "a range is no list entry");
        let text = text.replace("1..T", "1.5");
        assert_eq!(matches(Rule::file, &text).map_or(0, Iterator::count), 7);
    }
}
