//! Conditions that hold for a moment only, between two points at which they do not.

/// Distance of a probe from the end of an interval, in parts of it.
const PROBE: f64 = 1e-3;
/// Intervals by which an event function may at most climb beyond what it changes between neighbouring points.
const REACH: f64 = 4.0;
/// Golden sections: the maximum is known to 1e-5 of the interval, the height to its square.
const SECTIONS: u32 = 24;
const GOLDEN: f64 = 0.381_966_011_250_105_1;

/// Whether a function that is below zero at both ends may rise above between them; `change`: by how much it changes
/// between neighbouring points at most.
pub(super) fn within_reach(from: f64, to: f64, change: f64) -> bool {
    from < 0.0 && to < 0.0 && from.max(to) > -REACH * change
}

/// The search for a point of [from, to] where a function that is below zero at both ends, and has one maximum between
/// them, is above.
pub(super) fn find(from: f64, to: f64, ends: [f64; 2], mut f: impl FnMut(f64) -> f64) -> Option<f64> {
    let width = to - from;
    let (first, last) = (from + PROBE * width, to - PROBE * width);
    if f(first) <= ends[0] || f(last) <= ends[1] {
        return None;
    }
    let (mut a, mut b) = (from, to);
    let mut x = [a + GOLDEN * width, b - GOLDEN * width];
    let mut values = x.map(&mut f);
    for _ in 0..SECTIONS {
        if let Some(k) = (0..2).find(|&k| values[k] > 0.0) {
            return Some(x[k]);
        }
        if values[0] > values[1] {
            b = x[1];
            x = [a + GOLDEN * (b - a), x[0]];
            values = [f(x[0]), values[0]];
        } else {
            a = x[0];
            x = [x[1], b - GOLDEN * (b - a)];
            values = [values[1], f(x[1])];
        }
    }
    None
}

#[cfg(test)]
mod tests {
    use super::find;

    #[test]
    fn a_narrow_maximum_is_found_and_one_below_zero_is_not() {
        for centre in [0.26, 0.3, 0.49] {
            let f = |height: f64| move |x: f64| height - (x - centre) * (x - centre);
            let ends = |height: f64| [0.25, 0.5].map(f(height));
            let found = find(0.25, 0.5, ends(1e-8), f(1e-8)).expect("above zero");
            assert!((found - centre).abs() <= 1e-4, "{found} for {centre}");
            assert_eq!(find(0.25, 0.5, ends(-1e-8), f(-1e-8)), None);
        }
        assert_eq!(find(0.0, 1.0, [-2.0, -1.0], |x| x - 2.0), None);
    }
}
