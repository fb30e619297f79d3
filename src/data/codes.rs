//! The codes of data problems; each has a page in `docs/errors/`.

/// Every code of this module and its title.
pub const CODES: &[(&str, &str)] = &[
    (NOT_FOUND, "data file not found"),
    (UNREADABLE, "file cannot be read"),
    (NOT_UTF8, "table is not UTF-8 text"),
    (EMPTY, "file is empty"),
    (NO_HEADER, "table has no header"),
    (NO_COLUMN, "no such column"),
    (NOT_A_NUMBER, "text in a numeric column"),
    (NOT_FINITE, "missing or infinite value"),
    (ROW_LENGTH, "row with a different number of cells"),
    (SIZE, "size contradicts the data"),
    (NO_ARRAY, "no such array"),
    (RANK, "data does not fit the shape of the input"),
    (SAMPLES, "different numbers of samples"),
    (RAGGED, "length varies where it must be fixed"),
    (DAMAGED, "file is truncated or damaged"),
    (NOT_CONSTANT, "value varies inside a trajectory"),
    (LABEL, "bad class label"),
    (NO_SAMPLES, "no samples"),
    (WINDOW, "window does not fit"),
    (TOO_LARGE, "data is too large"),
    (DTYPE, "unknown number type"),
    (NO_BY, "no such `by` column"),
    (WRITE, "file cannot be written"),
    (OPTION, "option does not apply to this reader"),
];

pub(super) const NOT_FOUND: &str = "N0501";
pub(super) const UNREADABLE: &str = "N0502";
pub(super) const NOT_UTF8: &str = "N0503";
pub(super) const EMPTY: &str = "N0504";
pub(super) const NO_HEADER: &str = "N0505";
pub(super) const NO_COLUMN: &str = "N0506";
pub(super) const NOT_A_NUMBER: &str = "N0507";
pub(super) const NOT_FINITE: &str = "N0508";
pub(super) const ROW_LENGTH: &str = "N0509";
pub(super) const SIZE: &str = "N0510";
pub(super) const NO_ARRAY: &str = "N0511";
pub(super) const RANK: &str = "N0512";
pub(super) const SAMPLES: &str = "N0513";
pub(super) const RAGGED: &str = "N0514";
pub(super) const DAMAGED: &str = "N0515";
pub(super) const NOT_CONSTANT: &str = "N0516";
pub(super) const LABEL: &str = "N0517";
pub(super) const NO_SAMPLES: &str = "N0518";
pub(super) const WINDOW: &str = "N0519";
pub(super) const TOO_LARGE: &str = "N0520";
pub(super) const DTYPE: &str = "N0521";
pub(super) const NO_BY: &str = "N0522";
pub(super) const WRITE: &str = "N0523";
pub(super) const OPTION: &str = "N0524";
