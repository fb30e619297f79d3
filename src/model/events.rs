//! A compiled system's events as the solvers see them.

use super::Number;
use super::system::{Bound, SystemParts, Vjp};
use crate::codegen::{Backend, Kernel};
use crate::graph::{Graph, NodeId};
use crate::solve::{EventAdjoint, EventRule, EventSystem};

/// The nodes of a system's `E` events.
#[derive(Clone, Debug)]
pub struct EventParts {
    /// What each does besides its reset.
    pub rules: Vec<EventRule>,
    /// Their functions, `[E]`.
    pub when: NodeId,
    /// Time derivatives of the functions, `[E]`.
    pub rates: NodeId,
    /// The flat states behind the resets, `[E dim]`.
    pub resets: NodeId,
    /// `Leaf::Seed`: cotangent of functions and resets, `[E + E dim]`.
    pub seed: NodeId,
    /// Cotangents of state, time and captures; `None` is a structural zero. Absent where no gradient is wanted.
    pub bars: Option<Vec<Option<NodeId>>>,
}

/// Native code of a system's events.
pub struct EventKernels<T> {
    rules: Vec<EventRule>,
    when: Kernel<T>,
    rates: Kernel<T>,
    resets: Kernel<T>,
    vjp: Option<Vjp<T>>,
}

impl<T: Number> EventKernels<T> {
    /// Compiles the events of a system, if it has any.
    pub(super) fn new(g: &Graph, parts: &SystemParts, lanes: usize, backend: Backend) -> Result<Option<Self>, String> {
        let Some(events) = &parts.events else { return Ok(None) };
        let value = |node: NodeId| parts.value(node).compile(g, lanes, backend);
        let vjp = match &events.bars {
            Some(bars) => {
                let parts = parts.cotangents(g, events.seed, None, bars, (true, None));
                Some(Vjp::new(g, parts, lanes, backend)?)
            }
            None => None,
        };
        Ok(Some(Self {
            rules: events.rules.clone(),
            when: value(events.when)?,
            rates: value(events.rates)?,
            resets: value(events.resets)?,
            vjp,
        }))
    }

    /// Bytes of machine code.
    pub(super) fn code_size(&self) -> usize {
        let values = [&self.when, &self.rates, &self.resets].map(Kernel::code_size);
        values.iter().sum::<usize>() + self.vjp.as_ref().map_or(0, |v| v.kernel.code_size())
    }
}

impl<T: Number> EventSystem<T> for Bound<'_, T> {
    fn rules(&self) -> Vec<EventRule> {
        self.kernels.events.as_ref().map_or_else(Vec::new, |e| e.rules.clone())
    }

    fn watch(&mut self, t: &[f64], z: &[T], g: &mut [T]) {
        if let Some(events) = &self.kernels.events {
            self.value(&events.when, t, z, g);
        }
    }

    fn rates(&mut self, t: &[f64], z: &[T], rates: &mut [T]) {
        if let Some(events) = &self.kernels.events {
            self.value(&events.rates, t, z, rates);
        }
    }

    fn resets(&mut self, t: &[f64], z: &[T], z_new: &mut [T]) {
        if let Some(events) = &self.kernels.events {
            self.value(&events.resets, t, z, z_new);
        }
    }
}

impl<T: Number> EventAdjoint<T> for Bound<'_, T> {
    fn events_vjp(&mut self, t: &[f64], z: &[T], w: &[T], z_bar: &mut [T], t_bar: &mut [T], parameters: bool) {
        let Some(vjp) = self.kernels.events.as_ref().and_then(|e| e.vjp.as_ref()) else { return };
        self.clock(t);
        // Events are few: where the parameters' part is not wanted, it is thrown away.
        let kept = (!parameters).then(|| self.bars.clone());
        self.pull(vjp, z, w, &mut [], z_bar, t_bar);
        if let Some(kept) = kept {
            self.bars = kept;
        }
    }
}
