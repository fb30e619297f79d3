//! Where an axis has ticks and what they say.

/// Beyond this a value is a gap: its differences would overflow.
const LARGEST: f64 = 1e300;

/// An axis: which values it spans and how.
#[derive(Clone, Debug, PartialEq)]
pub(super) struct Scale {
    /// Ends, as logarithms to base 10 if `log`.
    pub low: f64,
    pub high: f64,
    pub log: bool,
}

impl Scale {
    /// An axis around values, with some air; 0 to 1 without any.
    pub fn around(values: impl Iterator<Item = f64>, log: bool) -> Self {
        let (low, high) = extent(values.filter_map(|v| place(v, log)));
        let air = if log { 0.06 } else { 0.04 };
        let (low, high) = if log { widen(low, high, 0.3) } else { widen(low, high, 0.0) };
        let margin = air * (high - low);
        Self { low: low - margin, high: high + margin, log }
    }

    /// An axis with these ends.
    pub fn between([low, high]: [f64; 2]) -> Self {
        let (low, high) = extent([low, high].into_iter().filter_map(|v| place(v, false)));
        let (low, high) = widen(low, high, 0.0);
        Self { low, high, log: false }
    }

    /// From 0 at the low end to 1 at the high end; none for a gap.
    pub fn part(&self, value: f64) -> Option<f64> {
        place(value, self.log).map(|v| (v - self.low) / (self.high - self.low))
    }

    /// Ticks (from 0 to 1, label), at most about `most`, and the power of ten that all labels leave out.
    pub fn ticks(&self, most: usize) -> (Vec<(f64, String)>, Option<i32>) {
        if self.log && self.high - self.low > 1.0 {
            return (self.decades(most), None);
        }
        if self.log {
            return (self.inside_a_decade(), None);
        }
        let step = nice_step(self.high - self.low, most);
        let (power, factor) = common_power(self.low, self.high);
        let decimals = decimals(step / factor);
        let label = |value: f64| format_fixed(value / factor, decimals);
        (steps(self.low, self.high, step).map(|v| ((v - self.low) / (self.high - self.low), label(v))).collect(), power)
    }

    fn decades(&self, most: usize) -> Vec<(f64, String)> {
        let step = nice_step(self.high - self.low, most).max(1.0).round();
        let plain = self.low >= -3.0 && self.high <= 4.5;
        let label = |exponent: f64| {
            #[allow(clippy::cast_possible_truncation, reason = "exponents of doubles are within 400")]
            let exponent = exponent as i32;
            if plain { format_plain(exponent) } else { format!("10{}", superscript(exponent)) }
        };
        steps(self.low, self.high, step).map(|e| ((e - self.low) / (self.high - self.low), label(e))).collect()
    }

    /// Ticks of an axis that spans less than a decade or a little more: 1, 2, 5 of each.
    fn inside_a_decade(&self) -> Vec<(f64, String)> {
        let span = self.high - self.low;
        let (low, high) = (10_f64.powf(self.low), 10_f64.powf(self.high));
        let step = nice_step(high - low, 5);
        let decimals = decimals(step);
        let label = |v: f64| if (1e-4..1e6).contains(&v) { format_fixed(v, decimals) } else { format!("{v:.1e}") };
        steps(low, high, step).filter(|v| *v > 0.0).map(|v| ((v.log10() - self.low) / span, label(v))).collect()
    }
}

/// A value on its axis; none if it has no place there.
fn place(value: f64, log: bool) -> Option<f64> {
    let value = if log && value > 0.0 {
        value.log10()
    } else if log {
        f64::NAN
    } else {
        value
    };
    (value.abs() < LARGEST).then_some(value)
}

fn extent(values: impl Iterator<Item = f64>) -> (f64, f64) {
    let (low, high) = values.fold((f64::INFINITY, f64::NEG_INFINITY), |(l, h), v| (l.min(v), h.max(v)));
    if low <= high { (low, high) } else { (0.0, 1.0) }
}

/// Gives values that are all the same, up to rounding, room on both sides.
fn widen(low: f64, high: f64, at_least: f64) -> (f64, f64) {
    let size = low.abs().max(high.abs());
    if high - low > (1e-9 * size).max(1e-280) && high - low >= at_least {
        return (low, high);
    }
    let room = if at_least > 0.0 {
        at_least
    } else if size > 1e-280 {
        0.1 * size
    } else {
        1.0
    };
    (low - room, high + room)
}

/// The smallest of 1, 2, 5 times a power of ten that gives at most `most` steps.
fn nice_step(span: f64, most: usize) -> f64 {
    #[allow(clippy::cast_precision_loss, reason = "a dozen ticks")]
    let rough = span / most.max(1) as f64;
    let unit = 10_f64.powf(rough.log10().floor());
    [1.0, 2.0, 5.0].into_iter().map(|m| m * unit).find(|s| *s >= rough * 0.999_999).unwrap_or(10.0 * unit)
}

/// Multiples of `step` from `low` to `high`.
fn steps(low: f64, high: f64, step: f64) -> impl Iterator<Item = f64> {
    let first = (low / step - 1e-6).ceil();
    (0..64).map(move |i| (first + f64::from(i)) * step).take_while(move |v| *v <= high + 1e-6 * step)
}

/// For very large or very small axes: the power of ten that labels leave out, and its value.
fn common_power(low: f64, high: f64) -> (Option<i32>, f64) {
    let size = low.abs().max(high.abs());
    #[allow(clippy::cast_possible_truncation, reason = "exponents of doubles are within 400")]
    let exponent = size.log10().floor() as i32;
    if (-3..=4).contains(&exponent) { (None, 1.0) } else { (Some(exponent), 10_f64.powi(exponent)) }
}

fn decimals(step: f64) -> usize {
    let digits = -(step.log10() + 1e-9).floor();
    #[allow(clippy::cast_possible_truncation, clippy::cast_sign_loss, reason = "from 0 to 15")]
    let digits = digits.clamp(0.0, 15.0) as usize;
    digits
}

/// With a true minus sign, and no minus before a zero.
fn format_fixed(value: f64, decimals: usize) -> String {
    let text = format!("{:.decimals$}", value.abs());
    let zero = text.bytes().all(|b| b == b'0' || b == b'.');
    if value < 0.0 && !zero { format!("−{text}") } else { text }
}

fn format_plain(exponent: i32) -> String {
    let decimals = usize::try_from(-exponent).unwrap_or(0);
    format!("{:.decimals$}", 10_f64.powi(exponent))
}

/// An exponent in raised digits.
pub(super) fn superscript(n: i32) -> String {
    let raise = |c: char| match c {
        '-' => '⁻',
        '1' => '¹',
        '2' => '²',
        '3' => '³',
        digit => char::from_u32(0x2070 + digit.to_digit(10).unwrap_or(0)).unwrap_or(digit),
    };
    n.to_string().chars().map(raise).collect()
}
