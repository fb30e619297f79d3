use crate::train::{Length, Optimizer, OptionValue, ScheduleKind, SpecError, TrainSpec};

fn read(name: &str, options: &[(&str, OptionValue)]) -> Result<TrainSpec, SpecError> {
    let options: Vec<_> = options.iter().map(|(n, v)| ((*n).to_owned(), v.clone())).collect();
    TrainSpec::from_options(name, &options)
}

fn number(n: f64) -> OptionValue {
    OptionValue::Number(n)
}

fn word(w: &str) -> OptionValue {
    OptionValue::Word(w.to_owned())
}

#[test]
fn options_are_read() {
    let options =
        [("lr", number(1e-2)), ("epochs", number(400.0)), ("batch", number(512.0)), ("schedule", word("cosine"))];
    let spec = read("adam", &options).unwrap();
    assert_eq!((spec.length, spec.batch, spec.schedule.kind), (Length::Epochs(400), Some(512), ScheduleKind::Cosine));
    assert_eq!(spec.optimizer.options.lr.to_bits(), 1e-2_f64.to_bits());
    assert_eq!(read("lbfgs", &[]).unwrap().length, Length::Steps(200));
    assert_eq!(read("lbfgs", &[("iterations", number(7.0))]).unwrap().length, Length::Steps(7));
    assert_eq!(read("sgd", &[]).unwrap().length, Length::Steps(1000));
}

/// Every listed option is understood: none falls through to the message for unknown ones.
#[test]
fn every_listed_option_is_read() {
    for kind in Optimizer::ALL {
        for option in kind.options() {
            for value in [number(0.5), number(1.0), word("step")] {
                if let Err(e) = read(kind.name(), &[(option, value)]) {
                    assert!(!e.message.starts_with(&format!("{} has no option", kind.name())), "{}", e.message);
                }
            }
        }
    }
}

#[test]
fn mistakes_are_explained() {
    let e = read("adm", &[]).unwrap_err();
    assert_eq!((e.option, e.did_you_mean.as_deref()), (None, Some("adam")));
    let e = read("adam", &[("memory", number(3.0))]).unwrap_err();
    assert_eq!(e.message, "adam has no option `memory`");
    assert!(e.help.unwrap().starts_with("adam has `lr`, `beta1`"));
    let e = read("adam", &[("bach", number(3.0))]).unwrap_err();
    assert_eq!((e.option.as_deref(), e.did_you_mean.as_deref()), (Some("bach"), Some("batch")));
    for (option, value) in [
        ("lr", number(0.0)),
        ("lr", number(f64::NAN)),
        ("lr", word("big")),
        ("beta1", number(1.0)),
        ("batch", number(1.5)),
        ("batch", number(-1.0)),
        ("steps", number(1e300)),
        ("schedule", word("cosin")),
        ("schedule", number(1.0)),
        ("gamma", number(0.5)),
        ("lr_min", number(0.5)),
    ] {
        let e = read("adam", &[(option, value)]).unwrap_err();
        assert_eq!(e.option.as_deref(), Some(option));
    }
    assert!(read("adam", &[("lr", number(1.0)), ("lr", number(1.0))]).is_err());
    assert!(read("adam", &[("steps", number(1.0)), ("epochs", number(1.0))]).is_err());
}
