//! A right-hand side and its pull-back → one whole step of a Runge–Kutta method and the reverse of it, as graphs.
//!
//! In one kernel the stages of a small system pass in registers, those of a small network in memory that stays, and the
//! solver's loop is entered once a step instead of once a stage. Formulas: `solve::discrete`.

use crate::graph::{Binary, Graph, Leaf, NodeId, Unary};
use crate::model::{StepParts, SystemParts};
use crate::opt::graft;
use crate::solve::{Options, Tableau};

/// Both directions of a step; the reverse one where the system has a pull-back.
pub(super) fn whole_step(g: &Graph, parts: &SystemParts, options: &Options) -> (StepParts, Option<StepParts>) {
    let (tableau, measured) = (options.method.tableau(), options.measured.unwrap_or(parts.dim));
    (forward(g, parts, tableau, measured), parts.bars.as_ref().map(|bars| reverse(g, parts, bars, tableau)))
}

/// Operands of a step: leaves of a fresh graph, told apart by their number.
struct Operands {
    graph: Graph,
    inputs: Vec<NodeId>,
}

impl Operands {
    fn new() -> Self {
        Self { graph: Graph::new(), inputs: Vec::new() }
    }

    fn operand(&mut self, shape: &[usize]) -> NodeId {
        let leaf = Leaf::Seed(u32::try_from(self.inputs.len()).unwrap_or(u32::MAX));
        let id = self.graph.leaf(leaf, shape);
        self.inputs.push(id);
        id
    }

    /// An operand that the lanes share.
    fn shared(&mut self, shape: &[usize]) -> NodeId {
        let id = self.graph.leaf(Leaf::Natural(0), shape);
        self.inputs.push(id);
        id
    }

    fn captures(&mut self, g: &Graph, parts: &SystemParts) {
        for &capture in &parts.captures {
            let id = self.graph.add(g.node(capture).clone());
            self.inputs.push(id);
        }
    }

    /// base + Σ (h a) k, in this order: of the last term, which is the last to be known, only one product and one sum
    /// are waited for.
    fn combine(&mut self, base: NodeId, h: NodeId, terms: &[(f64, NodeId)]) -> NodeId {
        let g = &mut self.graph;
        let shape = g.shape(base).clone();
        let mut total = base;
        for &(a, k) in terms.iter().filter(|(a, _)| *a != 0.0) {
            let weight = g.scale(a, h);
            let weight = g.spread(weight, &shape);
            let term = g.times(weight, k);
            total = g.plus(total, term);
        }
        total
    }
}

/// Σ a k over the nonzero a.
fn sum(g: &mut Graph, terms: &[(f64, NodeId)]) -> Option<NodeId> {
    let mut total = None;
    for &(a, k) in terms.iter().filter(|(a, _)| *a != 0.0) {
        let term = g.scale(a, k);
        total = Some(total.map_or(term, |sum| g.plus(sum, term)));
    }
    total
}

/// z, h, k₁, [atol, rtol], stage times, captures → k₂ … `k_S`, new state, Σ of the squared scaled errors, what the
/// stages after the first leave.
fn forward(g: &Graph, parts: &SystemParts, tableau: &Tableau, measured: usize) -> StepParts {
    let (dim, stages) = (parts.dim, tableau.stages());
    let mut o = Operands::new();
    let (z, h, first) = (o.operand(&[dim]), o.operand(&[]), o.operand(&[dim]));
    let (tolerances, times) = (o.shared(&[2]), o.operand(&[stages - 1]));
    o.captures(g, parts);
    let [state, time, _] = parts.leaves;
    let (mut ks, mut at, mut kept) = (vec![first], z, Vec::new());
    let roots: Vec<NodeId> = std::iter::once(parts.rhs).chain(parts.kept.iter().copied()).collect();
    for (i, row) in (1..).zip(tableau.a) {
        let terms: Vec<(f64, NodeId)> = row.iter().copied().zip(ks.iter().copied()).collect();
        at = o.combine(z, h, &terms);
        let t = o.graph.row(times, i - 1);
        let mut values = graft(g, &roots, &mut o.graph, &[(state, at), (time, t)]).into_iter();
        ks.extend(values.next());
        kept.extend(values);
    }
    let errors: Vec<(f64, NodeId)> = tableau.error.iter().copied().zip(ks.iter().copied()).collect();
    let error = squared_error(&mut o.graph, [z, at, ks[stages - 1]], h, (tolerances, measured), &errors);
    let later = o.graph.concat(0, &ks[1..]);
    let outputs = [later, at, error].into_iter().chain(kept).collect();
    StepParts { graph: o.graph, inputs: o.inputs, times, outputs, bars: Vec::new() }
}

/// Squares of the error over its scale atol + rtol max(|z|, |`z_new`|), added up over the first `measured` components;
/// not a number where the new state or the right-hand side there is not finite.
fn squared_error(
    g: &mut Graph,
    [z, z_new, last]: [NodeId; 3],
    h: NodeId,
    (tolerances, measured): (NodeId, usize),
    errors: &[(f64, NodeId)],
) -> NodeId {
    let shape = g.shape(z).clone();
    let zero = g.full(0.0, &shape);
    // 0 · x is not a number exactly where x is not finite.
    let (a, b) = (g.times(zero, z_new), g.times(zero, last));
    let finite = g.plus(a, b);
    let finite = g.sum(finite);
    let head = |g: &mut Graph, x: NodeId| g.slice(x, &[0], &[measured]);
    let errors: Vec<(f64, NodeId)> = errors.iter().map(|&(e, k)| (e, head(g, k))).collect();
    let Some(error) = sum(g, &errors) else { return finite };
    let (z, z_new) = (head(g, z), head(g, z_new));
    let shape = g.shape(z).clone();
    let h = g.spread(h, &shape);
    let (before, after) = (g.map1(Unary::Abs, z), g.map1(Unary::Abs, z_new));
    let size = g.map2(Binary::Max, after, before);
    let (atol, rtol) = (g.row(tolerances, 0), g.row(tolerances, 1));
    let (atol, rtol) = (g.spread(atol, &shape), g.spread(rtol, &shape));
    let scale = g.times(rtol, size);
    let scale = g.plus(atol, scale);
    // The scale is known before the last stage, which nothing but a product then waits for. Without an absolute tolerance
    // that of a zero is tiny; its error, zero too, must not meet an infinity.
    let length = g.map1(Unary::Abs, h);
    let share = g.over(length, scale);
    let most = g.full(1e30, &shape);
    let share = g.map2(Binary::Min, share, most);
    let ratio = g.times(error, share);
    let square = g.times(ratio, ratio);
    let total = g.sum(square);
    g.plus(total, finite)
}

/// z, `z_new`, k₁ … `k_S`, what the stages after the first left (if anything), h, cotangents of the stages by dense output,
/// cotangent of `k_S` from the step after, cotangents of `z_new` and of z by dense output, stage times, captures →
/// cotangents of z and k₁, Σ t̄ᵢ, Σ (cᵢ t̄ᵢ + wᵢ·kᵢ/h) and the captures' cotangents.
fn reverse(g: &Graph, parts: &SystemParts, bars: &[Option<NodeId>], tableau: &Tableau) -> StepParts {
    let (dim, stages) = (parts.dim, tableau.stages());
    let mut o = Operands::new();
    let (z, z_new, slopes) = (o.operand(&[dim]), o.operand(&[dim]), o.operand(&[stages, dim]));
    let kept = Left::operand(&mut o, g, parts, stages - 1);
    let (h, dense) = (o.operand(&[]), o.operand(&[stages, dim]));
    let (carry, z_new_bar, z_bar) = (o.operand(&[dim]), o.operand(&[dim]), o.operand(&[dim]));
    let times = o.operand(&[stages - 1]);
    o.captures(g, parts);
    let ks: Vec<NodeId> = (0..stages).map(|i| o.graph.row(slopes, i)).collect();
    let captures = vec![Vec::new(); parts.captures.len()];
    let mut back = Back { g, parts, bars, kept, captures, times: Vec::new() };
    // The last stage, whose state is the new one.
    let own = o.graph.row(dense, stages - 1);
    let mut length = vec![inner(&mut o.graph, own, ks[stages - 1])];
    let w = o.graph.plus(own, carry);
    let t = o.graph.row(times, stages - 2);
    let pulled = back.stage(&mut o.graph, stages - 1, [z_new, t, w], 1.0);
    let last = o.graph.plus(z_new_bar, pulled);
    let mut mu = vec![last; stages];
    let mut total = o.graph.plus(last, z_bar);
    let mut w = own;
    for i in (0..stages - 1).rev() {
        let later = (i + 1..stages).rev();
        let terms: Vec<(f64, NodeId)> =
            later.map(|j| (tableau.a[j - 1].get(i).copied().unwrap_or(0.0), mu[j])).collect();
        let own = o.graph.row(dense, i);
        w = o.combine(own, h, &terms);
        length.push(inner(&mut o.graph, w, ks[i]));
        if i == 0 {
            break;
        }
        let row: Vec<(f64, NodeId)> = tableau.a[i - 1].iter().copied().zip(ks.iter().copied()).collect();
        let at = o.combine(z, h, &row);
        let t = o.graph.row(times, i - 1);
        mu[i] = back.stage(&mut o.graph, i, [at, t, w], tableau.c[i]);
        total = o.graph.plus(total, mu[i]);
    }
    let graph = &mut o.graph;
    if !parts.times {
        length.clear();
        back.times.clear();
    }
    let length = match length.into_iter().reduce(|a, b| graph.plus(a, b)) {
        Some(product) => graph.over(product, h),
        None => zero(graph, h),
    };
    let ones: Vec<(f64, NodeId)> = back.times.iter().map(|(_, t)| (1.0, *t)).collect();
    let (start, by_nodes) = (sum(graph, &ones), sum(graph, &back.times));
    let length = by_nodes.map_or(length, |t| graph.plus(length, t));
    let start = start.unwrap_or_else(|| zero(graph, h));
    StepParts { graph: o.graph, inputs: o.inputs, times, outputs: vec![total, w, start, length], bars: back.captures }
}

/// Zero for every sample.
fn zero(g: &mut Graph, like: NodeId) -> NodeId {
    let zero = g.scalar(0.0);
    g.times(zero, like)
}

fn inner(g: &mut Graph, a: NodeId, b: NodeId) -> NodeId {
    let product = g.times(a, b);
    g.sum(product)
}

/// What the stages after the first have left, in one operand, and the entries of each; `None`: nothing.
struct Left(Option<(NodeId, usize)>);

impl Left {
    fn operand(o: &mut Operands, g: &Graph, parts: &SystemParts, stages: usize) -> Self {
        let entries: usize = parts.kept.iter().map(|&id| g.size(id)).sum();
        Self((entries > 0).then(|| (o.operand(&[stages * entries]), entries)))
    }

    /// The nodes that it stands for, with those of one stage.
    fn of_stage(&self, graph: &mut Graph, g: &Graph, parts: &SystemParts, stage: usize) -> Vec<(NodeId, NodeId)> {
        let Some((all, entries)) = self.0 else { return Vec::new() };
        let mut start = stage * entries;
        let mut pairs = Vec::new();
        for &id in &parts.kept {
            let value = graph.slice(all, &[start], &[g.size(id)]);
            pairs.push((id, graph.reshape(value, g.shape(id))));
            start += g.size(id);
        }
        pairs
    }
}

/// Pull-backs through the stages, and what they leave besides the state's cotangent.
struct Back<'a> {
    g: &'a Graph,
    parts: &'a SystemParts,
    bars: &'a [Option<NodeId>],
    kept: Left,
    /// Cotangents of the captures, to be added up.
    captures: Vec<Vec<NodeId>>,
    /// Nodes c and cotangents of the stages' times.
    times: Vec<(f64, NodeId)>,
}

impl Back<'_> {
    /// From state, time and cotangent of stage `i` > 0: the cotangent of its state.
    fn stage(&mut self, graph: &mut Graph, i: usize, [z, t, w]: [NodeId; 3], c: f64) -> NodeId {
        let [state, time, seed] = self.parts.leaves;
        let mut with = vec![(state, z), (time, t), (seed, w)];
        with.extend(self.kept.of_stage(graph, self.g, self.parts, i - 1));
        let roots: Vec<NodeId> = self.bars.iter().flatten().copied().collect();
        let mut grafted = graft(self.g, &roots, graph, &with).into_iter();
        let mut bars = self.bars.iter().map(|bar| bar.and_then(|_| grafted.next()));
        let z_bar = bars.next().flatten();
        self.times.extend(bars.next().flatten().map(|t_bar| (c, t_bar)));
        for (list, bar) in self.captures.iter_mut().zip(bars) {
            list.extend(bar);
        }
        z_bar.unwrap_or_else(|| zero(graph, w))
    }
}
