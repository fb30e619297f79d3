//! The order of tensor products. Nested products that only serve one another are joined into one, and that one is taken
//! apart again pairwise in the cheapest order, products of parameters alone counting as nothing: they are computed once.
//! This is what makes the exact divergence of a two-layer network cheaper than its forward pass.

use super::rebuild::{Rebuilt, rebuild};
use crate::graph::{Binary, Einsum, Graph, Node, NodeId, Op};
use smallvec::SmallVec;
use std::collections::HashMap;

/// A product being joined: operands with their indices.
#[derive(Clone, Debug)]
struct Product {
    operands: Vec<(NodeId, SmallVec<[u8; 4]>)>,
    out: SmallVec<[u8; 4]>,
}

/// Beyond this many operands the order is found greedily.
const EXHAUSTIVE: usize = 8;
/// Products of more operands than this are not joined further.
const LARGEST: usize = 16;

/// Chooses the order of every product that `roots` need.
pub fn contract(g: &Graph, roots: &[NodeId]) -> Rebuilt {
    let mut uses: HashMap<NodeId, usize> = HashMap::new();
    for id in g.reachable(roots) {
        for &a in &g.node(id).args {
            *uses.entry(a).or_default() += 1;
        }
    }
    for &root in roots {
        *uses.entry(root).or_default() += 1;
    }
    let mut joined: HashMap<NodeId, Product> = HashMap::new();
    rebuild(g, roots, |new, id, node| match as_product(new, node) {
        Some(product) => {
            let product = join(&joined, product);
            let copy = if product.operands.len() == 1 || uses[&id] > 1 || matches!(node.op, Op::Einsum(_)) {
                build(new, &product)
            } else {
                new.add(node.clone())
            };
            // Only what nobody else reads may dissolve into its reader.
            if uses[&id] == 1 {
                joined.insert(copy, product);
            }
            copy
        }
        None => new.add(node.clone()),
    })
}

fn as_product(g: &Graph, node: &Node) -> Option<Product> {
    match &node.op {
        Op::Einsum(spec) => Some(Product {
            operands: node.args.iter().copied().zip(spec.args.iter().cloned()).collect(),
            out: spec.out.clone(),
        }),
        Op::Map2(Binary::Mul) if !node.shape.is_empty() && node.args.iter().all(|&a| g.constant(a).is_none()) => {
            let own: SmallVec<[u8; 4]> = (0..node.shape.len()).map(|a| u8::try_from(a).unwrap_or(u8::MAX)).collect();
            Some(Product { operands: node.args.iter().map(|&a| (a, own.clone())).collect(), out: own })
        }
        _ => None,
    }
}

/// Replaces operands that are products themselves by their operands, where this brings a sum and its factors together.
fn join(joined: &HashMap<NodeId, Product>, product: Product) -> Product {
    let sums = product.operands.iter().flat_map(|o| &o.1).any(|l| !product.out.contains(l));
    if !sums {
        return product;
    }
    let mut fresh = product.operands.iter().flat_map(|o| &o.1).chain(&product.out).max().map_or(0, |m| m + 1);
    let mut out = Product { operands: Vec::new(), out: product.out.clone() };
    let mut waiting: Vec<(NodeId, SmallVec<[u8; 4]>)> = product.operands.iter().rev().cloned().collect();
    while let Some((x, labels)) = waiting.pop() {
        let room = LARGEST - (out.operands.len() + waiting.len()).min(LARGEST);
        let Some(inner) = joined.get(&x).filter(|p| p.operands.len() <= room) else {
            out.operands.push((x, labels));
            continue;
        };
        let mut names: HashMap<u8, u8> = inner.out.iter().copied().zip(labels).collect();
        for (y, ys) in inner.operands.iter().rev() {
            let renamed = ys
                .iter()
                .map(|l| {
                    *names.entry(*l).or_insert_with(|| {
                        fresh += 1;
                        fresh - 1
                    })
                })
                .collect();
            waiting.push((*y, renamed));
        }
    }
    out
}

/// Pairwise products in the cheapest order.
fn build(g: &mut Graph, product: &Product) -> NodeId {
    let mut product = product.clone();
    let spec = |p: &Product| Einsum { args: p.operands.iter().map(|o| o.1.clone()).collect(), out: p.out.clone() };
    if product.operands.len() > 2 {
        // Identities vanish before the order is chosen.
        let xs: Vec<NodeId> = product.operands.iter().map(|o| o.0).collect();
        let whole = g.einsum(spec(&product), &xs);
        if let Op::Einsum(absorbed) = &g.node(whole).op {
            product = Product {
                operands: g.args(whole).into_iter().zip(absorbed.args.iter().cloned()).collect(),
                out: absorbed.out.clone(),
            };
        } else {
            return whole;
        }
    }
    while product.operands.len() > 2 {
        let (i, j) = best_pair(g, &product);
        merge(g, &mut product, i, j);
    }
    let xs: Vec<NodeId> = product.operands.iter().map(|o| o.0).collect();
    g.einsum(spec(&product), &xs)
}

/// Multiplies operands i < j and keeps the indices that are still needed.
fn merge(g: &mut Graph, product: &mut Product, i: usize, j: usize) {
    let (y, ys) = product.operands.remove(j);
    let (x, xs) = product.operands.remove(i);
    let out = kept(product, &xs, &ys);
    let made = g.einsum(Einsum { args: [xs, ys].into_iter().collect(), out: out.clone() }, &[x, y]);
    product.operands.insert(i, (made, out));
}

fn kept(rest: &Product, xs: &[u8], ys: &[u8]) -> SmallVec<[u8; 4]> {
    let mut out: SmallVec<[u8; 4]> = SmallVec::new();
    for l in xs.iter().chain(ys) {
        let needed = rest.out.contains(l) || rest.operands.iter().any(|o| o.1.contains(l));
        if needed && !out.contains(l) {
            out.push(*l);
        }
    }
    out
}

/// What is left of a product while an order is tried: indices and whether samples differ.
type Part = (SmallVec<[u8; 4]>, bool);

/// Products of parameters are computed once; they count a little so that ties go to the smaller one.
const SHARED: f64 = 1e-6;

struct Costs {
    sizes: [f64; 256],
    out: SmallVec<[u8; 4]>,
}

impl Costs {
    /// Multiply-adds of one pair, and what it leaves.
    fn pair(&self, a: &Part, b: &Part, rest: &[Part]) -> (f64, Part) {
        let mut all: SmallVec<[u8; 8]> = a.0.iter().chain(&b.0).copied().collect();
        all.sort_unstable();
        all.dedup();
        let batched = a.1 || b.1;
        let volume: f64 = all.iter().map(|&l| self.sizes[l as usize]).product();
        let left =
            all.iter().copied().filter(|l| self.out.contains(l) || rest.iter().any(|r| r.0.contains(l))).collect();
        (volume * if batched { 1.0 } else { SHARED }, (left, batched))
    }

    /// The least cost of multiplying all parts, by trying every pair first (memoised by the set of parts).
    fn least(&self, parts: &[Part], seen: &mut HashMap<Vec<Part>, f64>) -> f64 {
        if parts.len() < 2 {
            return 0.0;
        }
        if let Some(&cost) = seen.get(parts) {
            return cost;
        }
        let mut best = f64::INFINITY;
        for j in 1..parts.len() {
            for i in 0..j {
                let (cost, rest) = self.after(parts, i, j);
                if cost < best {
                    best = best.min(cost + self.least(&rest, seen));
                }
            }
        }
        seen.insert(parts.to_vec(), best);
        best
    }

    fn after(&self, parts: &[Part], i: usize, j: usize) -> (f64, Vec<Part>) {
        let mut rest = parts.to_vec();
        let b = rest.remove(j);
        let a = rest.remove(i);
        let (cost, made) = self.pair(&a, &b, &rest);
        rest.push(made);
        rest.sort_unstable();
        (cost, rest)
    }
}

fn best_pair(g: &Graph, product: &Product) -> (usize, usize) {
    let mut sizes = [1.0; 256];
    for (x, labels) in &product.operands {
        for (&l, &n) in labels.iter().zip(g.shape(*x)) {
            sizes[l as usize] = n as f64;
        }
    }
    let costs = Costs { sizes, out: product.out.clone() };
    let parts: Vec<Part> = product.operands.iter().map(|(x, l)| (l.clone(), g.batched(*x))).collect();
    let mut seen = HashMap::new();
    let mut best = (f64::INFINITY, (0, 1));
    for j in 1..parts.len() {
        for i in 0..j {
            let (cost, rest) = costs.after(&parts, i, j);
            let ahead = if parts.len() <= EXHAUSTIVE { costs.least(&rest, &mut seen) } else { 0.0 };
            if cost + ahead < best.0 {
                best = (cost + ahead, (i, j));
            }
        }
    }
    best.1
}

/// Multiply-adds per sample of the products that `roots` need, those of parameters alone left out.
pub fn multiply_adds(g: &Graph, roots: &[NodeId]) -> u64 {
    g.reachable(roots).into_iter().filter(|&id| g.batched(id)).map(|id| cost(g, id)).sum()
}

fn cost(g: &Graph, id: NodeId) -> u64 {
    let node = g.node(id);
    if let Op::Conv(conv) = node.op {
        let sizes = conv.sizes(g.shape(node.args[0]), g.shape(node.args[1]), &node.shape);
        return sizes.map_or(0, |s| s.multiply_adds());
    }
    let Op::Einsum(spec) = &node.op else { return 0 };
    if spec.args.len() < 2 {
        return 0;
    }
    let mut sizes: HashMap<u8, u64> = HashMap::new();
    for (labels, &x) in spec.args.iter().zip(&node.args) {
        for (&l, &n) in labels.iter().zip(g.shape(x)) {
            sizes.insert(l, n as u64);
        }
    }
    sizes.values().product()
}
