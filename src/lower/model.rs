//! What lowering gives.

pub use crate::check::{Domain, Gradient, Init, NoiseDist, Options};
use crate::graph::{Graph, NodeId};
use crate::solve;
use crate::train::TrainSpec;

/// A model as a graph and what its leaves and roots are.
#[derive(Clone, Debug)]
#[allow(missing_docs, reason = "the names say it")]
pub struct Lowered {
    pub graph: Graph,
    pub name: String,
    pub doc: String,
    /// `Leaf::Param(i)`.
    pub params: Vec<Param>,
    /// `Leaf::Input(i)`.
    pub inputs: Vec<Input>,
    /// `Leaf::Noise(i)`.
    pub noises: Vec<Noise>,
    /// `Leaf::Length(i)`: name of the dim and its largest size.
    pub ragged: Vec<(String, usize)>,
    /// `Leaf::State(i)`, `Op::Solve(i)`.
    pub systems: Vec<System>,
    /// A scalar: the objective of one sample, its share of the priors included.
    pub loss: Option<NodeId>,
    /// Scalars.
    pub metrics: Vec<(String, NodeId)>,
    /// Tensors.
    pub outputs: Vec<(String, NodeId)>,
    pub train: Option<TrainSpec>,
}

/// A trainable tensor.
#[derive(Clone, Debug)]
pub struct Param {
    /// Its name, `f.0.W` inside of a net.
    pub name: String,
    /// Shape of the natural value.
    pub shape: Vec<usize>,
    /// Shape of the unconstrained leaf.
    pub raw_shape: Vec<usize>,
    /// Where the natural value lives.
    pub domain: Domain,
    /// The natural value.
    pub value: NodeId,
    /// How it starts (natural values).
    pub init: Init,
    /// Its description.
    pub doc: Option<String>,
}

/// What a sample brings.
#[derive(Clone, Debug)]
pub struct Input {
    /// Its name.
    pub name: String,
    /// Shape, padded if ragged.
    pub shape: Vec<usize>,
    /// Which ragged dim (an index into [`Lowered::ragged`]) its first ragged axis has.
    pub ragged: Option<usize>,
    /// Number of classes of a label.
    pub class: Option<usize>,
}

/// A fresh draw for each sample and step.
#[derive(Clone, Debug)]
pub struct Noise {
    /// Its name.
    pub name: String,
    /// Shape of one sample's draw.
    pub shape: Vec<usize>,
    /// Its distribution; entries are independent.
    pub dist: NoiseDist,
}

/// A system of differential equations.
#[derive(Clone, Debug)]
pub struct System {
    /// Its name; empty for the states at top level.
    pub name: String,
    /// Where each state lies in the flat state.
    pub states: Vec<StateInfo>,
    /// Entries of the flat state.
    pub dim: usize,
    /// Derivative of the flat state, `[dim]`; uses `Leaf::State`, `Leaf::Time` and outer nodes.
    pub rhs: NodeId,
    /// Its events, if it has any.
    pub events: Option<Events>,
    /// Flat initial state, `[dim]`.
    pub start: NodeId,
    /// Where the solve starts and ends; scalars.
    pub span: (NodeId, Option<NodeId>),
    /// Method and tolerances.
    pub options: solve::Options,
    /// Gradient method.
    pub gradient: Gradient,
}

impl System {
    /// The method of a pull-back through it: its own, unless it has tangents in the place of one.
    pub fn pulled_by(&self) -> Gradient {
        match self.gradient {
            Gradient::Forward if self.options.method.has_discrete() => Gradient::Discrete,
            Gradient::Forward | Gradient::Backsolve => Gradient::Backsolve,
            Gradient::Interpolated => Gradient::Interpolated,
            Gradient::Discrete => Gradient::Discrete,
        }
    }

    /// Whether a pull-back needs the steps that were taken.
    pub fn keeps_steps(&self) -> bool {
        matches!(self.pulled_by(), Gradient::Discrete | Gradient::Interpolated)
    }

    /// Whether a pull-back integrates the adjoint equation.
    pub fn integrates_backwards(&self) -> bool {
        matches!(self.pulled_by(), Gradient::Backsolve | Gradient::Interpolated)
    }
}

/// The `E` events of a system; nodes use `Leaf::State`, `Leaf::Time` and outer nodes.
#[derive(Clone, Debug)]
pub struct Events {
    /// What each does besides its reset.
    pub rules: Vec<solve::EventRule>,
    /// Their functions, `[E]`: zero where they fire.
    pub when: NodeId,
    /// Time derivatives of the functions along the solution, `[E]`.
    pub rates: NodeId,
    /// The flat states behind the resets, one after another, `[E dim]`.
    pub resets: NodeId,
}

/// A state inside of the flat state.
#[derive(Clone, Debug)]
pub struct StateInfo {
    /// Its name.
    pub name: String,
    /// Its shape.
    pub shape: Vec<usize>,
    /// First entry in the flat state.
    pub offset: usize,
    /// The flat state holds its unconstrained value.
    pub domain: Domain,
}
