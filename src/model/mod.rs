//! Kernels, solvers and data → loss, gradient, solutions.
//!
//! A [`Model`] is a compiled `.node` file. It evaluates a batch of samples in *tiles* of a fixed number of lanes, which
//! threads share; results are gathered in the order of the tiles, so that they do not depend on the number of threads.

mod batch;
mod evaluate;
mod events;
mod hessian;
mod objective;
mod parameters;
mod program;
mod slices;
mod step;
mod system;
mod tile;

pub use batch::Batch;
pub use evaluate::{Dropped, Evaluated, Purpose, SampleOutputs, Work};
pub use events::{EventKernels, EventParts};
pub use hessian::{Hessian, HessianProduct};
pub use objective::{ModelObjective, ObjectiveSetup};
pub use parameters::{initial, unconstrain};
pub use program::{Program, build};
pub use step::{StepParts, WholeStep};
pub use system::{Capture, Gathered, GatheredSum, JacobianParts, KernelParts, SystemKernels, SystemParts};

use crate::codegen::Element;
use crate::lower::Lowered;
use crate::solve::Real;
use std::sync::Mutex;
use tile::Workspace;

/// A number that models run in.
pub trait Number: Element + Real {}
impl Number for f32 {}
impl Number for f64 {}

/// Which roots a program has, by position; `None` is a structural zero.
#[derive(Clone, Debug, Default)]
pub struct Roots {
    /// The loss of a sample.
    pub loss: Option<usize>,
    /// The metrics of a sample.
    pub metrics: Vec<usize>,
    /// The outputs of a sample.
    pub outputs: Vec<usize>,
    /// Derivative of the objective with respect to each unconstrained parameter.
    pub raw: Vec<Option<usize>>,
    /// With respect to each parameter's natural value.
    pub natural: Vec<Option<usize>>,
    /// With respect to each input of each sample.
    pub inputs: Vec<Option<usize>>,
}

/// A program with the meaning of its roots.
pub struct Entry<T> {
    /// The program.
    pub program: Program<T>,
    /// Its roots.
    pub roots: Roots,
    /// Workspaces of earlier tiles, to be used again.
    pool: Mutex<Vec<Workspace<T>>>,
}

impl<T> Entry<T> {
    /// An entry point.
    pub fn new(program: Program<T>, roots: Roots) -> Self {
        Self { program, roots, pool: Mutex::default() }
    }
}

/// A compiled model.
pub struct Model<T> {
    /// What it was compiled from: names, shapes, options. Its graph is the one before optimisation.
    pub lowered: Lowered,
    /// Native systems.
    pub systems: Vec<SystemKernels<T>>,
    /// Loss and metrics.
    pub value: Option<Entry<T>>,
    /// Loss, metrics and derivatives.
    pub gradient: Option<Entry<T>>,
    /// Outputs.
    pub outputs: Option<Entry<T>>,
    /// Natural values of the parameters.
    pub natural: Option<Entry<T>>,
    /// Worker threads.
    pub threads: usize,
}

impl<T: Number> Model<T> {
    /// Number of unconstrained scalars.
    pub fn raw_len(&self) -> usize {
        self.lowered.params.iter().map(|p| p.raw_shape.iter().product::<usize>()).sum()
    }

    /// The flat vector's part that is parameter `k`.
    pub fn raw_range(&self, k: usize) -> std::ops::Range<usize> {
        let size = |p: &crate::lower::Param| p.raw_shape.iter().product::<usize>();
        let start: usize = self.lowered.params[..k].iter().map(size).sum();
        start..start + size(&self.lowered.params[k])
    }
}
