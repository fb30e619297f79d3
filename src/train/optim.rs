//! First-order optimisers as rows of one table, and the names of all optimisers.
//!
//! Sources: momentum as in Sutskever et al., "On the importance of initialization and momentum" (ICML 2013), in the
//! form v ← μv + g; `RMSprop` of Hinton's lecture 6e (2012), ε outside the root as in `PyTorch`; Adam of Kingma and Ba
//! (ICLR 2015), algorithm 1; `AdamW` of Loshchilov and Hutter (ICLR 2019), algorithm 2.

/// The optimisers.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Optimizer {
    /// x ← x − ηg.
    Sgd,
    /// Heavy ball.
    Momentum,
    /// Steps scaled by a running root mean square.
    RmsProp,
    /// Bias-corrected first and second moments.
    Adam,
    /// Adam with decoupled weight decay.
    AdamW,
    /// Limited-memory BFGS with a strong-Wolfe line search, on the whole data set.
    Lbfgs,
}

impl Optimizer {
    /// Every optimiser.
    pub const ALL: [Self; 6] = [Self::Sgd, Self::Momentum, Self::RmsProp, Self::Adam, Self::AdamW, Self::Lbfgs];

    /// Its name in a model.
    pub fn name(self) -> &'static str {
        match self {
            Self::Sgd => "sgd",
            Self::Momentum => "momentum",
            Self::RmsProp => "rmsprop",
            Self::Adam => "adam",
            Self::AdamW => "adamw",
            Self::Lbfgs => "lbfgs",
        }
    }

    /// The options that only this optimiser and its like take (those of every `train` are in `spec`).
    pub(super) fn own_options(self) -> &'static [&'static str] {
        match self {
            Self::Sgd => &["lr", "weight_decay"],
            Self::Momentum => &["lr", "momentum", "weight_decay"],
            Self::RmsProp => &["lr", "decay", "eps", "weight_decay"],
            Self::Adam | Self::AdamW => &["lr", "beta1", "beta2", "eps", "weight_decay"],
            Self::Lbfgs => &["lr", "memory", "tolerance"],
        }
    }

    /// How many vectors of the parameters' length its state holds (`lbfgs` keeps its own).
    fn slots(self) -> usize {
        match self {
            Self::Sgd | Self::Lbfgs => 0,
            Self::Momentum | Self::RmsProp => 1,
            Self::Adam | Self::AdamW => 2,
        }
    }
}

/// The numbers of an optimiser. Each uses those that `Optimizer::own_options` names.
#[derive(Clone, Debug, PartialEq)]
pub struct OptimizerOptions {
    /// Learning rate η; for `lbfgs` the factor of the first trial step.
    pub lr: f64,
    /// Decay of the first moment.
    pub beta1: f64,
    /// Decay of the second moment.
    pub beta2: f64,
    /// Added to the root of the second moment.
    pub eps: f64,
    /// Decay of the mean square of `rmsprop`.
    pub decay: f64,
    /// λ: added to the gradient as λx, or by `adamw` subtracted from the parameters as ηλx.
    pub weight_decay: f64,
    /// μ of `momentum`.
    pub momentum: f64,
    /// Pairs that `lbfgs` remembers.
    pub memory: usize,
    /// `lbfgs` has converged when no entry of the gradient is larger.
    pub tolerance: f64,
}

/// An optimiser and its numbers.
#[derive(Clone, Debug, PartialEq)]
pub struct OptimizerSpec {
    /// Which one.
    pub kind: Optimizer,
    /// Its numbers.
    pub options: OptimizerOptions,
}

impl OptimizerSpec {
    /// The optimiser with its default numbers, those of `PyTorch` except `momentum`'s μ (0 there).
    pub fn new(kind: Optimizer) -> Self {
        let lr = match kind {
            Optimizer::Sgd | Optimizer::Momentum | Optimizer::RmsProp => 1e-2,
            Optimizer::Adam | Optimizer::AdamW => 1e-3,
            Optimizer::Lbfgs => 1.0,
        };
        let weight_decay = if kind == Optimizer::AdamW { 1e-2 } else { 0.0 };
        let options = OptimizerOptions {
            lr,
            beta1: 0.9,
            beta2: 0.999,
            eps: 1e-8,
            decay: 0.99,
            weight_decay,
            momentum: 0.9,
            memory: 10,
            tolerance: 1e-9,
        };
        Self { kind, options }
    }
}

/// The running averages of a first-order optimiser.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Moments {
    /// Updates made.
    pub updates: u64,
    /// Vectors of the parameters' length.
    pub slots: Vec<Vec<f64>>,
}

impl Moments {
    /// The state before the first update of `len` parameters.
    pub fn new(kind: Optimizer, len: usize) -> Self {
        Self { updates: 0, slots: vec![vec![0.0; len]; kind.slots()] }
    }

    /// One update of `x` along the gradient `g` with learning rate `lr`.
    #[allow(clippy::many_single_char_names, reason = "the letters of the papers")]
    pub fn update(&mut self, spec: &OptimizerSpec, lr: f64, x: &mut [f64], g: &[f64]) {
        self.updates += 1;
        let o = &spec.options;
        let row = Row { o, lr, unbias1: unbias(o.beta1, self.updates), unbias2: unbias(o.beta2, self.updates) };
        let xs = x.iter_mut().zip(g);
        match (spec.kind, self.slots.as_mut_slice()) {
            (Optimizer::Sgd, _) => xs.for_each(|(x, g)| *x -= lr * row.decayed(*x, *g)),
            (Optimizer::Momentum, [v]) => xs.zip(v).for_each(|((x, g), v)| row.momentum(x, *g, v)),
            (Optimizer::RmsProp, [v]) => xs.zip(v).for_each(|((x, g), v)| row.rmsprop(x, *g, v)),
            (Optimizer::Adam, [m, v]) => xs.zip(m).zip(v).for_each(|(((x, g), m), v)| {
                let g = row.decayed(*x, *g);
                row.adam(x, g, m, v);
            }),
            (Optimizer::AdamW, [m, v]) => xs.zip(m).zip(v).for_each(|(((x, g), m), v)| {
                *x -= lr * o.weight_decay * *x;
                row.adam(x, *g, m, v);
            }),
            // Unreachable by construction: `lbfgs` has its own state, and `new` and the checkpoint give the slots.
            (Optimizer::Momentum | Optimizer::RmsProp | Optimizer::Adam | Optimizer::AdamW | Optimizer::Lbfgs, _) => {
                debug_assert!(false, "the state of another optimiser");
            }
        }
    }

    /// Whether the state is one of `kind` for `len` parameters.
    pub fn fits(&self, kind: Optimizer, len: usize) -> bool {
        self.slots.len() == kind.slots() && self.slots.iter().all(|s| s.len() == len)
    }
}

/// 1 − βᵗ.
#[allow(clippy::cast_precision_loss, reason = "2^53 updates are out of reach")]
fn unbias(beta: f64, updates: u64) -> f64 {
    1.0 - libm::pow(beta, updates as f64)
}

/// What an elementwise update needs.
struct Row<'a> {
    o: &'a OptimizerOptions,
    lr: f64,
    unbias1: f64,
    unbias2: f64,
}

impl Row<'_> {
    /// The gradient of the loss with the penalty λx²/2.
    fn decayed(&self, x: f64, g: f64) -> f64 {
        g + self.o.weight_decay * x
    }

    fn momentum(&self, x: &mut f64, g: f64, v: &mut f64) {
        *v = self.o.momentum * *v + self.decayed(*x, g);
        *x -= self.lr * *v;
    }

    fn rmsprop(&self, x: &mut f64, g: f64, v: &mut f64) {
        let g = self.decayed(*x, g);
        *v = self.o.decay * *v + (1.0 - self.o.decay) * g * g;
        *x -= self.lr * g / (v.sqrt() + self.o.eps);
    }

    fn adam(&self, x: &mut f64, g: f64, m: &mut f64, v: &mut f64) {
        *m = self.o.beta1 * *m + (1.0 - self.o.beta1) * g;
        *v = self.o.beta2 * *v + (1.0 - self.o.beta2) * g * g;
        *x -= self.lr * (*m / self.unbias1) / ((*v / self.unbias2).sqrt() + self.o.eps);
    }
}
