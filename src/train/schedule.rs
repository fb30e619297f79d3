//! Learning-rate schedules and gradient clipping.

/// How the learning rate changes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum ScheduleKind {
    /// η.
    Constant,
    /// From η to `lr_min` along half a cosine (Loshchilov and Hutter, ICLR 2017, equation 5, without restarts).
    Cosine,
    /// η·γ^(t / `every`).
    Exponential,
    /// η·γ^⌊t / `every`⌋.
    Step,
    /// From η/25 up to η over the first 30 %, then down to η/250000, along half cosines (Smith and Topin 2017, with
    /// `PyTorch`'s constants).
    OneCycle,
}

impl ScheduleKind {
    /// Every schedule.
    pub const ALL: [Self; 5] = [Self::Constant, Self::Cosine, Self::Exponential, Self::Step, Self::OneCycle];

    /// Its name in a model.
    pub fn name(self) -> &'static str {
        match self {
            Self::Constant => "constant",
            Self::Cosine => "cosine",
            Self::Exponential => "exponential",
            Self::Step => "step",
            Self::OneCycle => "one_cycle",
        }
    }

    /// The options it takes.
    pub fn options(self) -> &'static [&'static str] {
        match self {
            Self::Constant => &["warmup"],
            Self::Cosine => &["warmup", "lr_min"],
            Self::Exponential | Self::Step => &["warmup", "gamma", "every"],
            Self::OneCycle => &[],
        }
    }

    /// Whether the rate at a step depends on how many steps there will be (given the other options).
    fn needs_total(self, every: Option<u64>) -> bool {
        match self {
            Self::Constant => false,
            Self::Cosine | Self::OneCycle => true,
            Self::Exponential | Self::Step => every.is_none(),
        }
    }
}

/// A schedule. Durations are in the unit of the run's length: epochs where `epochs` is given, else steps.
#[derive(Clone, Debug, PartialEq)]
pub struct Schedule {
    /// Which one.
    pub kind: ScheduleKind,
    /// The rate first rises linearly to η for so long.
    pub warmup: u64,
    /// Where `cosine` ends.
    pub lr_min: f64,
    /// γ.
    pub gamma: f64,
    /// Duration of a decay by γ; by default the whole run (`exponential`) or a third of it (`step`).
    pub every: Option<u64>,
}

impl Default for Schedule {
    fn default() -> Self {
        Self { kind: ScheduleKind::Constant, warmup: 0, lr_min: 0.0, gamma: 0.1, every: None }
    }
}

impl Schedule {
    /// Whether a longer run would have other rates at the same steps.
    pub fn needs_total(&self) -> bool {
        self.kind.needs_total(self.every)
    }

    /// The rate at `step` (from 0) of `total`, where a unit of duration is `unit` steps and `peak` is η.
    #[allow(clippy::cast_precision_loss, reason = "2^53 steps are out of reach")]
    pub fn rate(&self, peak: f64, step: u64, total: u64, unit: u64) -> f64 {
        let warmup = self.warmup.saturating_mul(unit);
        if step < warmup {
            return peak * (step + 1) as f64 / warmup as f64;
        }
        let t = (step - warmup) as f64;
        let total = total.saturating_sub(warmup).max(1) as f64;
        let every = self.every.map(|e| e.saturating_mul(unit) as f64);
        match self.kind {
            ScheduleKind::Constant => peak,
            ScheduleKind::Cosine => half_cosine(peak, self.lr_min, t / total),
            ScheduleKind::Exponential => peak * libm::pow(self.gamma, t / every.unwrap_or(total)),
            ScheduleKind::Step => peak * libm::pow(self.gamma, (t / every.unwrap_or((total / 3.0).ceil())).floor()),
            ScheduleKind::OneCycle => one_cycle(peak, t, total),
        }
    }
}

/// From `from` at 0 to `to` at 1 along half a cosine.
fn half_cosine(from: f64, to: f64, share: f64) -> f64 {
    to + 0.5 * (from - to) * (1.0 + libm::cos(std::f64::consts::PI * share.min(1.0)))
}

/// `PyTorch`'s `OneCycleLR` with its default constants: the last step has the lowest rate.
fn one_cycle(peak: f64, t: f64, total: f64) -> f64 {
    let (start, top) = (peak / 25.0, 0.3 * total - 1.0);
    if t <= top {
        return half_cosine(start, peak, t / top);
    }
    let top = top.max(0.0);
    half_cosine(peak, start / 1e4, (t - top) / (total - 1.0 - top).max(1.0))
}

/// Euclidean norm, scaled so that squares neither overflow nor vanish; not finite where an entry is not.
pub fn norm(v: &[f64]) -> f64 {
    let largest = v.iter().fold(0.0_f64, |m, x| m.max(x.abs()));
    if largest == 0.0 || !largest.is_finite() {
        // `max` passes over NaN, a sum does not.
        return v.iter().map(|x| x.abs()).sum();
    }
    largest * v.iter().map(|x| (x / largest) * (x / largest)).sum::<f64>().sqrt()
}

/// Scales the gradient so that its norm is at most `limit`; gives the norm it had (Pascanu et al., ICML 2013).
pub fn clip(gradient: &mut [f64], limit: Option<f64>) -> f64 {
    let norm = norm(gradient);
    if let Some(limit) = limit.filter(|l| norm > *l) {
        for g in gradient {
            *g *= limit / norm;
        }
    }
    norm
}
