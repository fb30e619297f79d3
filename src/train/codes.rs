//! The codes of checkpoints (`N060x`), parameter files (`N061x`), histories (`N062x`) and runs (`N063x`, `N0640`);
//! each has a page in `docs/errors/`.

/// Every code that training reports and its title.
pub const CODES: &[(&str, &str)] = &[
    ("N0601", "not a checkpoint"),
    ("N0602", "truncated checkpoint"),
    ("N0603", "checkpoint of another version"),
    ("N0604", "corrupt checkpoint"),
    ("N0605", "checkpoint of another model"),
    ("N0606", "checkpoint of other options"),
    ("N0607", "checkpoint cannot be written"),
    ("N0608", "checkpoint cannot be read"),
    ("N0610", "parameters cannot be read"),
    ("N0611", "truncated parameters"),
    ("N0612", "not a safetensors file"),
    ("N0613", "missing parameter"),
    ("N0614", "unknown parameter"),
    ("N0615", "wrong shape"),
    ("N0616", "number that is not finite"),
    ("N0617", "type of numbers that is not read"),
    ("N0618", "shape and values do not agree"),
    ("N0619", "parameters cannot be written"),
    ("N0620", "history cannot be written"),
    ("N0621", "not a training history"),
    ("N0630", "epochs without a data set"),
    ("N0631", "batch with lbfgs"),
    ("N0632", "nothing to train"),
    ("N0633", "no training samples"),
    ("N0634", "start values of the wrong number"),
    ("N0640", "training failed"),
];
