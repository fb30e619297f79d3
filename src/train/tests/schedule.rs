use crate::train::schedule::{Schedule, ScheduleKind, clip, norm};

fn schedule(kind: ScheduleKind) -> Schedule {
    Schedule { kind, ..Schedule::default() }
}

fn close(a: f64, b: f64) {
    assert!((a - b).abs() <= 1e-14 * b.abs().max(1e-3), "{a} is not {b}");
}

#[test]
fn rates_are_those_of_the_formulas() {
    close(schedule(ScheduleKind::Constant).rate(0.1, 99, 100, 1), 0.1);
    let cosine = Schedule { lr_min: 0.02, ..schedule(ScheduleKind::Cosine) };
    close(cosine.rate(0.1, 0, 100, 1), 0.1);
    close(cosine.rate(0.1, 50, 100, 1), 0.06);
    close(cosine.rate(0.1, 100, 100, 1), 0.02);
    let exponential = Schedule { gamma: 0.5, every: Some(10), ..schedule(ScheduleKind::Exponential) };
    close(exponential.rate(1.0, 5, 100, 1), 0.5_f64.sqrt());
    close(exponential.rate(1.0, 20, 100, 1), 0.25);
    let step = Schedule { gamma: 0.5, every: Some(10), ..schedule(ScheduleKind::Step) };
    close(step.rate(1.0, 9, 100, 1), 1.0);
    close(step.rate(1.0, 10, 100, 1), 0.5);
    // In epochs of 3 steps.
    close(step.rate(1.0, 29, 100, 3), 1.0);
    close(step.rate(1.0, 30, 100, 3), 0.5);
}

#[test]
fn one_cycle_rises_and_falls() {
    let s = schedule(ScheduleKind::OneCycle);
    close(s.rate(1.0, 0, 100, 1), 0.04);
    close(s.rate(1.0, 29, 100, 1), 1.0);
    close(s.rate(1.0, 99, 100, 1), 0.04 / 1e4);
    for total in 1..12 {
        assert!((0..total).all(|t| s.rate(1.0, t, total, 1) > 0.0), "{total}");
    }
}

#[test]
fn warmup_is_linear_and_comes_first() {
    let s = Schedule { warmup: 4, ..schedule(ScheduleKind::Cosine) };
    for (step, rate) in [(0, 0.25), (1, 0.5), (3, 1.0), (4, 1.0), (8, 0.5)] {
        close(s.rate(1.0, step, 12, 1), rate);
    }
}

#[test]
fn clipping_keeps_the_direction() {
    let mut g = [3.0, 4.0];
    close(clip(&mut g, Some(1.0)), 5.0);
    close(g[0], 0.6);
    close(g[1], 0.8);
    let mut small = [0.3, 0.4];
    clip(&mut small, Some(1.0));
    assert_eq!(small.map(f64::to_bits), [0.3_f64, 0.4].map(f64::to_bits));
    close(norm(&[3e200, 4e200]), 5e200);
    close(norm(&[3e-200, 4e-200]) * 1e200, 5.0);
    assert!(norm(&[f64::NAN, 1.0]).is_nan());
}
