//! Error of a step → length of the next one.

use super::options::Options;

/// The power law from errors to the factor of the step length; k is the power of the step length that the error follows.
#[derive(Debug, Clone, Copy, PartialEq)]
pub enum Law {
    /// err^−(1/k − 0.75β) · `err_before`^β with the exponent β of the previous error; β = 0 is the elementary controller.
    Previous(f64),
    /// err^(−a/k) · `err_before`^(b/k) · `err_before_that`^(−c/k).
    Filter([f64; 3]),
}

/// How the step size follows the error.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Controller {
    /// The law.
    pub law: Law,
    /// Factor on the length that the error would allow.
    pub safety: f64,
    /// Strongest reduction.
    pub min_factor: f64,
    /// Strongest growth.
    pub max_factor: f64,
}

impl Controller {
    /// Proportional-integral controller with the constants of Hairer, Nørsett, Wanner, section IV.2.
    pub const PI: Self = Self { law: Law::Previous(0.04), safety: 0.9, min_factor: 0.2, max_factor: 10.0 };
    /// Elementary controller.
    pub const I: Self = Self { law: Law::Previous(0.0), ..Self::PI };
    /// Proportional-integral-derivative controller with the constants of Kennedy and Carpenter, Additive Runge–Kutta
    /// schemes for convection–diffusion–reaction equations, Appl. Numer. Math. 44 (2003) 139–181.
    pub const PID: Self = Self { law: Law::Filter([0.49, 0.34, 0.10]), ..Self::PI };

    /// Factor for the length of the next step, after an accepted one, from the logarithms (to base 2) of its scaled error
    /// and of the two before, the last one first. After the very first step every law is the elementary one.
    fn accepted(&self, log_error: f64, previous: Option<[f64; 2]>, order: f64) -> f64 {
        let exponent = match (self.law, previous) {
            (_, None) => -log_error / order,
            (Law::Previous(beta), Some([before, _])) => beta * before - (1.0 / order - 0.75 * beta) * log_error,
            (Law::Filter([a, b, c]), Some([one, two])) => (b * one - a * log_error - c * two) / order,
        };
        let growth = self.safety * exp2(exponent);
        growth.clamp(self.min_factor, self.max_factor)
    }

    /// Factor for another attempt, after a rejected one, from the logarithm (to base 2) of its error; an infinite one gives the
    /// strongest reduction.
    fn rejected(&self, log_error: f64, order: f64) -> f64 {
        (self.safety * exp2(-log_error / order)).max(self.min_factor)
    }
}

/// log₂ 1e-4: the controller remembers no error below 1e-4.
const SMALLEST_LOG_ERROR: f64 = -13.287_712_379_549_449;

/// log₂ x to 1e-7, for x ≥ 0; below 1e-300 as there. A step length does not notice the difference, and the next step
/// waits for it half as long. A polynomial (Chebyshev nodes) of x/2ᵉ − 1 on [√½ − 1, √2 − 1].
fn log2(x: f64) -> f64 {
    const HALF_ROOT: u64 = 0x3fe6_a09e_667f_3bcd;
    let bits = x.max(1e-300).to_bits();
    let exponent = bits.wrapping_sub(HALF_ROOT).cast_signed() >> 52;
    let u = f64::from_bits(bits.wrapping_sub((exponent << 52).cast_unsigned())) - 1.0;
    let (u2, u4) = (u * u, (u * u) * (u * u));
    let low = (1.442_694_957_995_561 - 0.721_352_758_765_288 * u)
        + (0.480_924_038_577_460_1 - 0.360_241_985_906_728_8 * u) * u2;
    let high = (0.287_075_611_158_975 - 0.248_821_805_636_171_1 * u)
        + (0.234_209_851_161_122_94 - 0.146_203_534_188_211_4 * u) * u2;
    exponent as f64 + u * (low + high * u4)
}

/// 2ˣ to 1e-8, of x within ±1000: the exponent, and a polynomial (Chebyshev nodes) on [−½, ½].
fn exp2(x: f64) -> f64 {
    const SHIFT: f64 = 6_755_399_441_055_744.0;
    let x = x.clamp(-1000.0, 1000.0);
    // The lowest bits of the sum are those of the nearest integer.
    let shifted = x + SHIFT;
    let t = x - (shifted - SHIFT);
    let (t2, t4) = (t * t, (t * t) * (t * t));
    let low = (0.999_999_999_959_548_2 + 0.693_147_206_710_619_8 * t)
        + (0.240_226_512_135_965_63 + 0.055_503_272_142_099_15 * t) * t2;
    let high = (0.009_618_025_602_807_178 + 0.001_340_043_216_510_082_8 * t) + 0.000_154_697_320_203_238_5 * t2;
    let value = low + high * t4;
    f64::from_bits(value.to_bits().wrapping_add(shifted.to_bits() << 52))
}

/// Where a group of lanes that share a step size stands, in fractions of its span, so s runs from 0 to 1 whatever the
/// direction of time.
#[derive(Debug, Clone)]
pub(super) struct Clock {
    /// Position of the last accepted state.
    pub(super) s: f64,
    /// Position of the end of the attempt under way.
    pub(super) s_next: f64,
    /// Length to try next.
    pub(super) ds: f64,
    /// Longest step.
    pub(super) longest: f64,
    /// Steps, rejected ones included.
    pub(super) attempts: usize,
    /// Steps of fixed length since s = 0.
    fixed_steps: usize,
    /// Logarithms to base 2 of the last two accepted errors, the last one first, not below [`SMALLEST_LOG_ERROR`].
    previous: Option<[f64; 2]>,
    after_rejection: bool,
    /// The last attempt gave no finite number.
    pub(super) not_finite: bool,
}

impl Clock {
    pub(super) fn new() -> Self {
        Self {
            s: 0.0,
            s_next: 0.0,
            ds: 1.0,
            longest: f64::INFINITY,
            attempts: 0,
            fixed_steps: 0,
            previous: None,
            after_rejection: false,
            not_finite: false,
        }
    }

    /// Starts another span at its beginning, with first step `ds` there.
    pub(super) fn restart(&mut self, ds: f64) {
        self.s = 0.0;
        self.ds = ds;
        self.fixed_steps = 0;
    }

    /// Chooses the end of the next attempt; the last step lands on 1 exactly, and is stretched by up to one per cent
    /// rather than followed by a tiny one.
    pub(super) fn propose(&mut self, fixed: bool) {
        self.s_next = if fixed {
            let next = (self.fixed_steps + 1) as f64 * self.ds;
            if next >= 1.0 - 1e-9 * self.ds { 1.0 } else { next }
        } else {
            let ds = self.ds.min(self.longest);
            if self.s + 1.01 * ds >= 1.0 { 1.0 } else { self.s + ds }
        };
    }

    /// Takes note of the scaled error of the attempt; true: accepted, and s has moved.
    pub(super) fn judge(&mut self, error: f64, order: f64, options: &Options) -> bool {
        self.judge_log(error, || log2(error), order, options)
    }

    /// The same from the square of the error, whose root nobody has to wait for.
    pub(super) fn judge_square(&mut self, square: f64, order: f64, options: &Options) -> bool {
        self.judge_log(square, || 0.5 * log2(square), order, options)
    }

    /// The same from a power of the error and the error's logarithm to base 2.
    fn judge_log(&mut self, power: f64, log_error: impl Fn() -> f64, order: f64, options: &Options) -> bool {
        self.attempts += 1;
        self.not_finite = !power.is_finite();
        if options.fixed_step.is_some() {
            self.fixed_steps += 1;
            self.s = if self.not_finite { self.s } else { self.s_next };
            return !self.not_finite;
        }
        let length = self.s_next - self.s;
        if power <= 1.0 {
            let log_error = log_error();
            let mut factor = options.controller.accepted(log_error, self.previous, order);
            if self.after_rejection {
                factor = factor.min(1.0);
            }
            self.after_rejection = false;
            let last = log_error.max(SMALLEST_LOG_ERROR);
            self.previous = Some([last, self.previous.map_or(last, |previous| previous[0])]);
            self.s = self.s_next;
            self.ds = length * factor;
            true
        } else {
            self.after_rejection = true;
            let log_error = if self.not_finite { f64::INFINITY } else { log_error() };
            self.ds = length * options.controller.rejected(log_error, order);
            false
        }
    }
}

/// First step from the scaled norms of z0, f0 and (f1 − f0)/h0 (Hairer, Nørsett, Wanner, section II.4); this is h0.
pub(super) fn trial_step(d0: f64, d1: f64) -> f64 {
    if d0 < 1e-5 || d1 < 1e-5 { 1e-6 } else { 0.01 * d0 / d1 }
}

/// First step, given h0 and the norms; `order` is that of the error estimate plus one.
pub(super) fn first_step(h0: f64, d1: f64, d2: f64, order: f64) -> f64 {
    if !d2.is_finite() {
        return h0 * 1e-3;
    }
    let largest = d1.max(d2);
    let h1 = if largest <= 1e-15 { (h0 * 1e-3).max(1e-6) } else { (0.01 / largest).powf(1.0 / order) };
    h1.min(100.0 * h0)
}

#[cfg(test)]
mod tests {
    use super::{exp2, log2};

    #[test]
    fn logarithm_and_power() {
        for k in -6000..6000 {
            let x = f64::from(k) / 37.0;
            let power = exp2(x);
            assert!((power / x.exp2() - 1.0).abs() < 1e-8, "2^{x}: {power}");
            assert!((log2(x.exp2()) - x).abs() < 1e-7, "log2 2^{x}");
        }
        assert!((log2(0.0) + 996.578).abs() < 1e-3);
        assert!(exp2(1e9).is_finite() && exp2(-1e9) > 0.0 && exp2(f64::NEG_INFINITY) > 0.0);
    }
}
