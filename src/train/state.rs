//! Everything a run needs in order to continue bit for bit, as bytes.

use super::lbfgs::{Current, Memory, Pair};
use super::optim::{Moments, Optimizer};

/// The lowest monitored loss so far.
#[derive(Clone, Debug, PartialEq)]
pub struct Best {
    /// Validation loss, or training loss where there is no validation set.
    pub loss: f64,
    /// When.
    pub step: u64,
    /// Where.
    pub params: Vec<f64>,
}

/// The optimiser's own state.
#[derive(Clone, Debug, PartialEq)]
pub enum OptimizerState {
    /// Of a first-order optimiser.
    Moments(Moments),
    /// Of `lbfgs`.
    Memory(Memory),
}

/// The state between two steps. The generator has none: draws are keyed by seed and step.
#[derive(Clone, Debug, PartialEq)]
pub struct State {
    /// Parameters.
    pub params: Vec<f64>,
    /// The last parameters with a finite loss and gradient.
    pub good: Vec<f64>,
    /// Optimiser.
    pub optimizer: OptimizerState,
    /// Steps made, failed ones included.
    pub step: u64,
    /// Best parameters, once something was monitored.
    pub best: Option<Best>,
    /// Validations since the best.
    pub stale: u64,
    /// Sum and number of training losses since the last validation.
    pub window: (f64, u64),
    /// Failed steps in a row.
    pub failures: u64,
    /// The parameters were restored after a failure and have not moved since.
    pub restored: bool,
    /// Samples dropped so far.
    pub dropped: u64,
    /// Evaluations of the right-hand side so far.
    pub rhs: u64,
    /// Seconds spent so far.
    pub seconds: f64,
}

impl State {
    /// The state before the first step.
    pub fn new(kind: Optimizer, params: &[f64]) -> Self {
        let optimizer = match kind {
            Optimizer::Lbfgs => OptimizerState::Memory(Memory::default()),
            Optimizer::Sgd | Optimizer::Momentum | Optimizer::RmsProp | Optimizer::Adam | Optimizer::AdamW => {
                OptimizerState::Moments(Moments::new(kind, params.len()))
            }
        };
        Self {
            params: params.to_vec(),
            good: params.to_vec(),
            optimizer,
            step: 0,
            best: None,
            stale: 0,
            window: (0.0, 0),
            failures: 0,
            restored: false,
            dropped: 0,
            rhs: 0,
            seconds: 0.0,
        }
    }

    /// The parameters, or the last good ones where the last update has overflowed.
    pub fn usable(&self) -> &[f64] {
        if self.params.iter().all(|x| x.is_finite()) { &self.params } else { &self.good }
    }

    /// Whether it is a state of this optimiser with so many parameters.
    pub fn fits(&self, kind: Optimizer, len: usize) -> bool {
        let optimizer = match &self.optimizer {
            OptimizerState::Moments(m) => kind != Optimizer::Lbfgs && m.fits(kind, len),
            OptimizerState::Memory(m) => {
                let current = m.current.as_ref().is_none_or(|c| c.gradient.len() == len);
                kind == Optimizer::Lbfgs && current && m.pairs.iter().all(|p| p.s.len() == len && p.y.len() == len)
            }
        };
        let best = self.best.as_ref().is_none_or(|b| b.params.len() == len);
        optimizer && best && self.params.len() == len && self.good.len() == len
    }

    pub(super) fn encode(&self, out: &mut Vec<u8>) {
        put_vector(out, &self.params);
        put_vector(out, &self.good);
        match &self.optimizer {
            OptimizerState::Moments(m) => {
                put(out, 0);
                put(out, m.updates);
                put(out, m.slots.len() as u64);
                m.slots.iter().for_each(|s| put_vector(out, s));
            }
            OptimizerState::Memory(m) => {
                put(out, 1);
                put(out, u64::from(m.current.is_some()));
                if let Some(current) = &m.current {
                    put(out, current.loss.to_bits());
                    put_vector(out, &current.gradient);
                    put(out, current.dropped);
                }
                put(out, m.pairs.len() as u64);
                for pair in &m.pairs {
                    put_vector(out, &pair.s);
                    put_vector(out, &pair.y);
                }
            }
        }
        put(out, u64::from(self.best.is_some()));
        if let Some(best) = &self.best {
            put(out, best.loss.to_bits());
            put(out, best.step);
            put_vector(out, &best.params);
        }
        let (sum, number) = self.window;
        let restored = u64::from(self.restored);
        let numbers = [self.step, self.stale, sum.to_bits(), number, self.failures, restored, self.dropped, self.rhs];
        numbers.into_iter().chain([self.seconds.to_bits()]).for_each(|n| put(out, n));
    }

    pub(super) fn decode(bytes: &mut Bytes<'_>) -> Option<Self> {
        let (params, good) = (bytes.vector()?, bytes.vector()?);
        let optimizer = match bytes.word()? {
            0 => {
                let updates = bytes.word()?;
                OptimizerState::Moments(Moments { updates, slots: bytes.list(Bytes::vector)? })
            }
            1 => {
                let current =
                    bytes.option(|b| Some(Current { loss: b.number()?, gradient: b.vector()?, dropped: b.word()? }))?;
                let pairs = bytes.list(|b| Some(Pair { s: b.vector()?, y: b.vector()? }))?.into();
                OptimizerState::Memory(Memory { current, pairs })
            }
            _ => return None,
        };
        let best = bytes.option(|b| Some(Best { loss: b.number()?, step: b.word()?, params: b.vector()? }))?;
        let (step, stale, window) = (bytes.word()?, bytes.word()?, (bytes.number()?, bytes.word()?));
        let (failures, restored, dropped) = (bytes.word()?, bytes.word()? == 1, bytes.word()?);
        let (rhs, seconds) = (bytes.word()?, bytes.number()?);
        Some(Self { params, good, optimizer, step, best, stale, window, failures, restored, dropped, rhs, seconds })
    }
}

pub(super) fn put(out: &mut Vec<u8>, word: u64) {
    out.extend(word.to_le_bytes());
}

fn put_vector(out: &mut Vec<u8>, v: &[f64]) {
    put(out, v.len() as u64);
    for x in v {
        put(out, x.to_bits());
    }
}

pub(super) fn put_text(out: &mut Vec<u8>, text: &str) {
    put(out, text.len() as u64);
    out.extend(text.as_bytes());
}

/// Reads what the functions above put. `None` at the end of the bytes; never allocates more than they hold.
pub(super) struct Bytes<'a>(pub &'a [u8]);

impl Bytes<'_> {
    pub fn word(&mut self) -> Option<u64> {
        let (word, rest) = self.0.split_first_chunk::<8>()?;
        self.0 = rest;
        Some(u64::from_le_bytes(*word))
    }

    fn number(&mut self) -> Option<f64> {
        self.word().map(f64::from_bits)
    }

    /// A length whose elements take at least `size` bytes each.
    fn length(&mut self, size: usize) -> Option<usize> {
        let n = usize::try_from(self.word()?).ok()?;
        (n <= self.0.len() / size).then_some(n)
    }

    fn vector(&mut self) -> Option<Vec<f64>> {
        let n = self.length(8)?;
        (0..n).map(|_| self.number()).collect()
    }

    pub fn list<T>(&mut self, mut element: impl FnMut(&mut Self) -> Option<T>) -> Option<Vec<T>> {
        let n = self.length(8)?;
        (0..n).map(|_| element(self)).collect()
    }

    #[allow(clippy::option_option, reason = "the outer one is the end of the bytes, the inner one the content")]
    fn option<T>(&mut self, element: impl FnOnce(&mut Self) -> Option<T>) -> Option<Option<T>> {
        match self.word()? {
            0 => Some(None),
            1 => element(self).map(Some),
            _ => None,
        }
    }

    pub fn text(&mut self) -> Option<String> {
        let n = self.length(1)?;
        let (text, rest) = self.0.split_at_checked(n)?;
        self.0 = rest;
        String::from_utf8(text.to_vec()).ok()
    }
}
