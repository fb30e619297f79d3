//! The derivative operators of the language, as graph macros.

use super::{Mode, Result, jvp, jvp_directions, vjp};
use crate::graph::{Einsum, Graph, NodeId};
use smallvec::SmallVec;

/// grad(y, x): the gradient of a scalar, with the shape of `x`.
///
/// # Errors
/// When a node on the way has no rule.
pub fn gradient(g: &mut Graph, y: NodeId, x: NodeId) -> Result<NodeId> {
    let one = g.scalar(1.0);
    let found = vjp(g, &[(y, one)], &[x], Mode::PerSample)?;
    Ok(or_zeros(g, found[0], x))
}

/// jac(y, x): [y's shape …, x's shape …].
///
/// # Errors
/// When a node on the way has no rule.
pub fn jacobian(g: &mut Graph, y: NodeId, x: NodeId) -> Result<NodeId> {
    let (ys, xs) = (g.shape(y).clone(), g.shape(x).clone());
    let n = g.size(x);
    let seed = identity(g, n, &xs);
    let found = jvp_directions(g, &[y], &[(x, seed)], n)?;
    let full: Vec<usize> = ys.iter().chain(&xs).copied().collect();
    let Some(columns) = found[0] else { return Ok(g.full(0.0, &full)) };
    let order: Vec<usize> = (1..=ys.len()).chain([0]).collect();
    let turned = g.transpose(columns, &order);
    Ok(g.reshape(turned, &full))
}

/// ∂y/∂x times each of `n` directions, [y's shape …, n]; `directions` is [n, x's shape …].
///
/// # Errors
/// When a node on the way has no rule.
pub fn jacobian_along(g: &mut Graph, y: NodeId, x: NodeId, directions: NodeId, n: usize) -> Result<NodeId> {
    let ys = g.shape(y).clone();
    let found = jvp_directions(g, &[y], &[(x, directions)], n)?;
    let Some(columns) = found[0] else {
        let full: Vec<usize> = ys.iter().copied().chain([n]).collect();
        return Ok(g.full(0.0, &full));
    };
    let order: Vec<usize> = (1..=ys.len()).chain([0]).collect();
    Ok(g.transpose(columns, &order))
}

/// div(y, x): the trace of the Jacobian of a vector field; `y` and `x` have the same shape.
///
/// # Errors
/// When a node on the way has no rule.
pub fn divergence(g: &mut Graph, y: NodeId, x: NodeId) -> Result<NodeId> {
    let (n, xs) = (g.size(x), g.shape(x).clone());
    let seed = identity(g, n, &xs);
    let found = jvp_directions(g, &[y], &[(x, seed)], n)?;
    let Some(columns) = found[0] else { return Ok(g.scalar(0.0)) };
    let square = g.reshape(columns, &[n, n]);
    Ok(g.einsum_text("aa->", &[square]))
}

/// hess(y, x) of a scalar: [x's shape …, x's shape …].
///
/// # Errors
/// When a node on the way has no rule.
pub fn hessian(g: &mut Graph, y: NodeId, x: NodeId) -> Result<NodeId> {
    let slope = gradient(g, y, x)?;
    jacobian(g, slope, x)
}

/// lap(y, x) of a scalar: the trace of the Hessian.
///
/// # Errors
/// When a node on the way has no rule.
pub fn laplacian(g: &mut Graph, y: NodeId, x: NodeId) -> Result<NodeId> {
    let slope = gradient(g, y, x)?;
    divergence(g, slope, x)
}

/// hvp(y, x, v): the Hessian of a scalar times `v`.
///
/// # Errors
/// When a node on the way has no rule.
pub fn hvp(g: &mut Graph, y: NodeId, x: NodeId, v: NodeId) -> Result<NodeId> {
    let slope = gradient(g, y, x)?;
    let found = jvp(g, &[slope], &[(x, v)])?;
    Ok(or_zeros(g, found[0], x))
}

fn or_zeros(g: &mut Graph, found: Option<NodeId>, like: NodeId) -> NodeId {
    let shape = g.shape(like).clone();
    found.unwrap_or_else(|| g.full(0.0, &shape))
}

/// δ as [n, x's shape …]; for a vector it stays virtual.
fn identity(g: &mut Graph, n: usize, shape: &[usize]) -> NodeId {
    if shape.is_empty() {
        return g.full(1.0, &[1]);
    }
    let delta = g.delta(n);
    let full: SmallVec<[usize; 4]> = std::iter::once(n).chain(shape.iter().copied()).collect();
    if shape.len() == 1 {
        return delta;
    }
    // A tensor's identity is a product of one identity per axis.
    let parts: Vec<NodeId> = shape.iter().map(|&k| g.delta(k)).collect();
    let rank = u8::try_from(shape.len()).unwrap_or(u8::MAX);
    let args = (0..rank).map(|k| [k, rank + k].into_iter().collect()).collect();
    let product = g.einsum(Einsum { args, out: (0..2 * rank).collect() }, &parts);
    g.reshape(product, &full)
}
