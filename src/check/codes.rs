//! The codes of this stage and their one-line titles.

/// Every code that checking and lowering report, with its title; each has a page in `docs/errors/`.
pub const CODES: &[(&str, &str)] = &[
    (UNKNOWN_NAME, "a name that nothing declares"),
    (MISSING_USE, "a module that is not used yet"),
    (DUPLICATE, "a name declared twice"),
    (NO_EQUATION, "a state without an equation"),
    (NO_STATE, "an equation without a state"),
    (CYCLE, "definitions that need each other"),
    (MODULE, "a module that cannot be used"),
    (WRONG_KIND, "a name of another kind was expected"),
    (ARGUMENTS, "arguments that do not fit the signature"),
    (SHADOWS, "a built-in name is declared again"),
    (UNUSED, "a declaration without effect"),
    (RECURSION, "a function that calls itself"),
    (FIELD, "an unknown field"),
    (NOT_YET, "not yet in this version"),
    (SHAPES, "shapes that do not combine"),
    (MATMUL, "a matrix product of sizes that do not fit"),
    (OUT_OF_RANGE, "an index out of range"),
    (INDEX_COUNT, "more indices than axes"),
    (ARGUMENT_SHAPE, "an argument of another shape"),
    (NET_OUTPUT, "a net whose output has another shape"),
    (DECLARED_SHAPE, "a value of another shape than declared"),
    (NOT_SCALAR, "a scalar was expected"),
    (NOTATION, "index notation that is not clear"),
    (NO_SIZE, "a dim without a size"),
    (BAD_SIZE, "not a size"),
    (TOO_LARGE, "a tensor that is too large"),
    (CONCAT, "parts that cannot stand in one list"),
    (NOT_BOOLEAN, "a truth value was expected"),
    (NOT_CONSTANT, "a constant was expected"),
    (AXIS, "an axis that does not exist"),
    (DEEP, "expressions nested too deeply"),
    (DOMAIN, "an unknown domain"),
    (OUTSIDE, "a start value outside of its domain"),
    (DISTRIBUTION, "an unknown distribution"),
    (PRIOR_SUPPORT, "a prior for another domain"),
    (STATE_WITHOUT_TIME, "a state outside of the equations needs a time"),
    (SIGNAL_AS_STATIC, "a signal where a static value is expected"),
    (NOT_A_SIGNAL, "a time is given to what does not vary"),
    (OWN_SOLUTION, "a solution inside of its own system"),
    (WRT, "a derivative with respect to an expression"),
    (METHOD, "an unknown method"),
    (OPTION, "an unknown option"),
    (OPTION_VALUE, "an option with an unusable value"),
    (NO_SPAN, "a solve without an end"),
    (READER, "an unknown reader"),
    (DATA_ARGUMENT, "an unusable argument of a reader"),
    (STATE_DOMAIN, "a domain that states cannot have"),
    (DISCONTINUOUS, "a right-hand side with jumps"),
    (TWICE, "an item that may stand only once"),
    (INITIALISER, "an unknown initialiser"),
    (NO_DERIVATIVE, "a derivative that does not exist"),
    (TIME, "`t` outside of the equations"),
    (NOT_LIPSCHITZ, "a right-hand side that is not Lipschitz"),
    (EVENT, "an event that cannot be found or does nothing"),
];

pub(crate) const UNKNOWN_NAME: &str = "N0201";
pub(crate) const MISSING_USE: &str = "N0202";
pub(crate) const DUPLICATE: &str = "N0203";
pub(crate) const NO_EQUATION: &str = "N0204";
pub(crate) const NO_STATE: &str = "N0205";
pub(crate) const CYCLE: &str = "N0206";
pub(crate) const MODULE: &str = "N0207";
pub(crate) const WRONG_KIND: &str = "N0208";
pub(crate) const ARGUMENTS: &str = "N0209";
pub(crate) const SHADOWS: &str = "N0210";
pub(crate) const UNUSED: &str = "N0211";
pub(crate) const RECURSION: &str = "N0212";
pub(crate) const FIELD: &str = "N0213";
pub(crate) const NOT_YET: &str = "N0214";
pub(crate) const SHAPES: &str = "N0301";
pub(crate) const MATMUL: &str = "N0302";
pub(crate) const OUT_OF_RANGE: &str = "N0303";
pub(crate) const INDEX_COUNT: &str = "N0304";
pub(crate) const ARGUMENT_SHAPE: &str = "N0305";
pub(crate) const NET_OUTPUT: &str = "N0306";
pub(crate) const DECLARED_SHAPE: &str = "N0307";
pub(crate) const NOT_SCALAR: &str = "N0308";
pub(crate) const NOTATION: &str = "N0309";
pub(crate) const NO_SIZE: &str = "N0310";
pub(crate) const BAD_SIZE: &str = "N0311";
pub(crate) const TOO_LARGE: &str = "N0312";
pub(crate) const CONCAT: &str = "N0313";
pub(crate) const NOT_BOOLEAN: &str = "N0314";
pub(crate) const NOT_CONSTANT: &str = "N0315";
pub(crate) const AXIS: &str = "N0316";
pub(crate) const DEEP: &str = "N0317";
pub(crate) const DOMAIN: &str = "N0401";
pub(crate) const OUTSIDE: &str = "N0402";
pub(crate) const DISTRIBUTION: &str = "N0403";
pub(crate) const PRIOR_SUPPORT: &str = "N0404";
pub(crate) const STATE_WITHOUT_TIME: &str = "N0405";
pub(crate) const SIGNAL_AS_STATIC: &str = "N0406";
pub(crate) const NOT_A_SIGNAL: &str = "N0407";
pub(crate) const OWN_SOLUTION: &str = "N0408";
pub(crate) const WRT: &str = "N0409";
pub(crate) const METHOD: &str = "N0410";
pub(crate) const OPTION: &str = "N0411";
pub(crate) const OPTION_VALUE: &str = "N0412";
pub(crate) const NO_SPAN: &str = "N0413";
pub(crate) const READER: &str = "N0414";
pub(crate) const DATA_ARGUMENT: &str = "N0415";
pub(crate) const STATE_DOMAIN: &str = "N0416";
pub(crate) const DISCONTINUOUS: &str = "N0417";
pub(crate) const TWICE: &str = "N0418";
pub(crate) const INITIALISER: &str = "N0419";
pub(crate) const NO_DERIVATIVE: &str = "N0420";
pub(crate) const TIME: &str = "N0421";
pub(crate) const NOT_LIPSCHITZ: &str = "N0422";
pub(crate) const EVENT: &str = "N0430";
