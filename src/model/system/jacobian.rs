//! ∂f/∂z and ∂f/∂t as native code, and their derivatives, for implicit methods.

use super::{Bound, KernelParts, SystemParts, Vjp, terms};
use crate::codegen::{Backend, Kernel, Output};
use crate::graph::{Graph, NodeId};
use crate::model::Number;
use crate::solve::Sparsity;
use smallvec::SmallVec;
use std::sync::Arc;

/// The nodes of a system's Jacobian.
#[derive(Clone, Debug)]
pub struct JacobianParts {
    /// ∂f/∂z, `[D, D]`, or along the directions of `sparsity`, `[D, C]`.
    pub dfdz: NodeId,
    /// ∂f/∂t, `[D]`.
    pub dfdt: NodeId,
    /// Leaves of their cotangents.
    pub seeds: [NodeId; 2],
    /// Where it is sparse: its structure, and the leaf of the directions `[C, D]`.
    pub sparsity: Option<(Arc<Sparsity>, NodeId)>,
    /// Cotangents of state, time and captures; `None` is a structural zero. Absent where no reverse pass needs them.
    pub bars: Option<Vec<Option<NodeId>>>,
}

impl JacobianParts {
    fn directions(&self) -> Option<NodeId> {
        self.sparsity.as_ref().map(|(_, leaf)| *leaf)
    }
}

impl SystemParts {
    /// The Jacobian: ∂f/∂z and ∂f/∂t from state, time and captures.
    pub fn jacobian(&self) -> Option<KernelParts> {
        let parts = self.jacobian.as_ref()?;
        let [state, time, _] = self.leaves;
        let given = [state, time].into_iter().chain(parts.directions());
        let inputs = given.chain(self.captures.iter().copied()).collect();
        let output = |node, slot| Output { node, slot, add: false };
        let outputs = vec![output(parts.dfdz, 0), output(parts.dfdt, 1)];
        Some(KernelParts { inputs, outputs, slots: vec![Some(0), Some(1)] })
    }

    /// The pull-back through the Jacobian: cotangents of state, time and captures (added up).
    pub fn jacobian_pull_back(&self, g: &Graph) -> Option<KernelParts> {
        let parts = self.jacobian.as_ref()?;
        let [state, time, _] = self.leaves;
        let given = [state, time].into_iter().chain(parts.seeds).chain(parts.directions());
        let mut kernel = KernelParts {
            inputs: given.chain(self.captures.iter().copied()).collect(),
            outputs: Vec::new(),
            slots: Vec::new(),
        };
        for (k, bar) in parts.bars.as_ref()?.iter().enumerate() {
            let nodes = bar.map_or_else(Vec::new, |bar| if k < 2 { vec![bar] } else { terms(g, bar) });
            kernel.push(&nodes, k >= 2);
        }
        Some(kernel)
    }
}

/// Native code of a system's Jacobian.
pub(super) struct JacobianKernels<T> {
    value: Kernel<T>,
    pull: Option<Vjp<T>>,
    /// Where it is sparse: its structure and the directions.
    pub(super) sparsity: Option<Arc<Sparsity>>,
    directions: Vec<T>,
}

impl<T: Number> JacobianKernels<T> {
    /// Compiles it where the system has one.
    pub(super) fn new(g: &Graph, parts: &SystemParts, lanes: usize, backend: Backend) -> Result<Option<Self>, String> {
        let Some(value) = parts.jacobian() else { return Ok(None) };
        let value = value.compile(g, lanes, backend)?;
        let pull = match parts.jacobian_pull_back(g) {
            Some(parts) => Some(Vjp::new(g, parts, lanes, backend)?),
            None => None,
        };
        let sparsity = parts.jacobian.as_ref().and_then(|parts| parts.sparsity.as_ref()).map(|known| known.0.clone());
        let seeds = sparsity.as_ref().map_or_else(Vec::new, |sparsity| sparsity.seeds());
        let directions = seeds.into_iter().map(T::narrow).collect();
        Ok(Some(Self { value, pull, sparsity, directions }))
    }

    /// What kernels read besides state and time.
    fn directions(&self) -> Option<&[T]> {
        self.sparsity.as_ref().map(|_| &self.directions[..])
    }

    /// Bytes of machine code.
    pub(super) fn code_size(&self) -> usize {
        self.value.code_size() + self.pull.as_ref().map_or(0, |pull| pull.kernel.code_size())
    }
}

impl<T: Number> Bound<'_, T> {
    /// ∂f/∂z and ∂f/∂t of the only lane.
    pub(super) fn evaluate_jacobian(&mut self, t: f64, z: &[T], dfdz: &mut [T], dfdt: &mut [T]) {
        self.clock(&[t]);
        let Some(kernels) = &self.kernels.jacobian else {
            unreachable!("an implicit method on a system that was compiled without a Jacobian")
        };
        let mut inputs: SmallVec<[&[T]; 16]> = SmallVec::new();
        inputs.extend([z, &self.time]);
        inputs.extend(kernels.directions());
        inputs.extend(self.captures.iter().copied());
        kernels.value.run(&inputs, &mut [dfdz, dfdt], &mut self.scratch);
    }

    /// The pull-back through both.
    pub(super) fn pull_jacobian(&mut self, t: f64, z: &[T], bars: (&[T], &[T]), z_bar: &mut [T], t_bar: &mut [T]) {
        self.clock(&[t]);
        let jacobian = self.kernels.jacobian.as_ref();
        let Some((kernels, pull)) = jacobian.and_then(|kernels| Some((kernels, kernels.pull.as_ref()?))) else {
            unreachable!("a pull-back through a Jacobian that was compiled without one")
        };
        let mut inputs: SmallVec<[&[T]; 16]> = SmallVec::new();
        inputs.extend([z, &self.time, bars.0, bars.1]);
        inputs.extend(kernels.directions());
        inputs.extend(self.captures.iter().copied());
        z_bar.fill(T::default());
        t_bar.fill(T::default());
        let mut outputs: SmallVec<[&mut [T]; 16]> = SmallVec::new();
        let rest = self.bars.iter_mut().map(Vec::as_mut_slice);
        for (slot, buffer) in pull.slots.iter().zip([z_bar, t_bar].into_iter().chain(rest)) {
            if slot.is_some() {
                outputs.push(buffer);
            }
        }
        if !outputs.is_empty() {
            pull.kernel.run(&inputs, &mut outputs, &mut self.scratch);
        }
    }
}
