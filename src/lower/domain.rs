//! The bijections of the domains, as graph nodes.

use crate::check::Domain;
use crate::graph::{Binary, Graph, NodeId, Unary};

impl Domain {
    /// Natural value of an unconstrained one; `shape` is the natural shape.
    pub fn constrain(&self, g: &mut Graph, raw: NodeId, shape: &[usize]) -> NodeId {
        match *self {
            Self::Real => raw,
            Self::Positive => g.map1(Unary::Exp, raw),
            Self::Negative => {
                let e = g.map1(Unary::Exp, raw);
                g.map1(Unary::Neg, e)
            }
            Self::Unit => g.map1(Unary::Sigmoid, raw),
            Self::Interval(low, high) => {
                let unit = g.map1(Unary::Sigmoid, raw);
                let scaled = g.scale(high - low, unit);
                g.shift(low, scaled)
            }
            Self::Simplex => {
                let zero = g.full(0.0, &[1]);
                let all = g.concat(0, &[raw, zero]);
                let total = g.logsumexp_last(all);
                let log = g.minus(all, total);
                let natural = g.map1(Unary::Exp, log);
                g.reshape(natural, shape)
            }
        }
    }

    /// Unconstrained value of a natural one (for the start of a state; states are never simplices).
    pub(super) fn unconstrain(self, g: &mut Graph, natural: NodeId) -> NodeId {
        match self {
            Self::Real | Self::Simplex => natural,
            Self::Positive => g.map1(Unary::Log, natural),
            Self::Negative => {
                let minus = g.map1(Unary::Neg, natural);
                g.map1(Unary::Log, minus)
            }
            Self::Unit => logit(g, natural, 0.0, 1.0),
            Self::Interval(low, high) => logit(g, natural, low, high),
        }
    }

    /// d natural / d unconstrained, from the natural value; `None` is 1.
    pub(super) fn slope(self, g: &mut Graph, natural: NodeId) -> Option<NodeId> {
        match self {
            Self::Real | Self::Simplex => None,
            Self::Positive | Self::Negative => Some(natural),
            Self::Unit => Some(between(g, natural, 0.0, 1.0)),
            Self::Interval(low, high) => Some(between(g, natural, low, high)),
        }
    }
}

/// log((x − low)/(high − x))
fn logit(g: &mut Graph, x: NodeId, low: f64, high: f64) -> NodeId {
    let above = g.shift(-low, x);
    let top = g.scalar(high);
    let below = g.minus(top, x);
    let ratio = g.map2(Binary::Div, above, below);
    g.map1(Unary::Log, ratio)
}

/// (x − low)(high − x)/(high − low)
fn between(g: &mut Graph, x: NodeId, low: f64, high: f64) -> NodeId {
    let above = g.shift(-low, x);
    let top = g.scalar(high);
    let below = g.minus(top, x);
    let product = g.times(above, below);
    g.scale(1.0 / (high - low), product)
}
