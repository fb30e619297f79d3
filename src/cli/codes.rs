//! The codes of the command line, of loading files and of the numerics; each has a page in `docs/errors/`.

/// Every code that commands report themselves and its title.
pub const CODES: &[(&str, &str)] = &[
    (COMMAND_LINE, "a command line that cannot be read"),
    ("N0801", "a model file that cannot be read"),
    ("N0802", "not a model file"),
    ("N0803", "a model file that is not UTF-8"),
    ("N0804", "`--data` for a model without `data`"),
    (SET, "`--set` of an unknown name"),
    (OUT, "an output folder that cannot be used"),
    (NO_DATA, "inputs without data"),
    (NO_LOSS, "a model without loss"),
    (SAMPLES_FAILED, "samples that could not be solved"),
    (OUTSIDE, "a parameter outside of its domain"),
    (EXISTS, "a file that is there already"),
    (LAYOUT, "a file in another layout"),
    (NO_CODE, "an unknown error code"),
    (GRADIENT, "a gradient that finite differences contradict"),
    (NO_SAMPLE, "samples that are not there"),
    (PICTURE, "a picture that cannot be drawn"),
    (NO_SOLVE, "nothing to run"),
];

pub(super) const COMMAND_LINE: &str = "N0800";
pub(super) const SET: &str = "N0805";
pub(super) const OUT: &str = "N0806";
pub(super) const NO_DATA: &str = "N0807";
pub(super) const NO_LOSS: &str = "N0808";
pub(super) const SAMPLES_FAILED: &str = "N0809";
pub(super) const OUTSIDE: &str = "N0810";
pub(super) const EXISTS: &str = "N0811";
pub(super) const LAYOUT: &str = "N0812";
pub(super) const NO_CODE: &str = "N0813";
pub(super) const GRADIENT: &str = "N0814";
pub(super) const NO_SAMPLE: &str = "N0815";
pub(super) const PICTURE: &str = "N0816";
pub(super) const NO_SOLVE: &str = "N0817";
