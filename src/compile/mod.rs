//! The whole compiler on one page: text → model.

mod forward;
mod gather;
mod hessian;
mod roots;
mod separable;
mod step;
mod tangent;

pub use hessian::hessian;

use crate::codegen::Backend;
use crate::diag::Diagnostic;
use crate::graph::{Graph, NodeId, Op, verify};
use crate::lower::{Gradient, Lowered, System};
use crate::model::{Entry, Gathered, Model, Number, StepParts, SystemKernels, SystemParts, WholeStep, build};
use crate::opt;
use crate::solve::{Method, Norm, Options, Stepping};
use forward::{add_tangents, differentiates_forward};
use roots::{EntryList, Ids};
use tangent::Augmented;

/// Every code that compiling reports and its title.
pub const CODES: &[(&str, &str)] = &[
    ("N0701", "code generation failed"),
    ("N0702", "a model that cannot be differentiated"),
    ("N0703", "a system that is not separable"),
    ("N0704", "tangents that a model cannot have"),
];

/// What a model is compiled for.
#[allow(clippy::struct_excessive_bools, reason = "independent choices")]
#[derive(Clone, Copy, Debug)]
pub struct Settings {
    /// Samples side by side; [`lanes_for`] chooses.
    pub lanes: usize,
    /// Native code or the interpreter.
    pub backend: Backend,
    /// Worker threads.
    pub threads: usize,
    /// Derivatives of the loss.
    pub gradient: bool,
    /// Derivatives with respect to the inputs too.
    pub inputs: bool,
    /// The outputs of samples.
    pub outputs: bool,
    /// In the place of the loss its derivative along a direction, as [`hessian`] needs it.
    pub direction: bool,
}

impl Default for Settings {
    fn default() -> Self {
        Self {
            lanes: 1,
            backend: Backend::Jit,
            threads: 1,
            gradient: true,
            inputs: false,
            outputs: false,
            direction: false,
        }
    }
}

/// Samples side by side for a batch: one with an implicit method, all of it where one step size is shared, half of it
/// else, for two threads, but not less than fills vectors nor more than the cache holds. Not rounded up to whole vectors:
/// an idle lane costs as much as a sample, the end of a row less.
pub fn lanes_for(model: &Lowered, batch: usize) -> usize {
    let shared = model.systems.iter().any(|s| s.options.stepping == Stepping::Batch);
    match batch {
        _ if steps_singly(model) => 1,
        _ if shared && batch >= SLICED => batch.next_multiple_of(32),
        _ if shared => batch.max(1),
        0..=16 => batch.max(1),
        17..=127 => batch.div_ceil(2),
        _ => 64,
    }
}

/// From so many samples on, a tile that shares a step size is evaluated in slices.
const SLICED: usize = 128;

/// Samples that a system's kernels take side by side, in tiles of `lanes`: slices fit the cache, and threads share them
/// where that is worth it.
fn slice(lanes: usize, stepping: Stepping) -> usize {
    match stepping {
        Stepping::Batch if lanes >= SLICED && lanes.is_multiple_of(64) => 64,
        Stepping::Batch if lanes >= SLICED && lanes.is_multiple_of(32) => 32,
        Stepping::Batch | Stepping::PerSample => lanes,
    }
}

/// A model's graph with its derivatives, optimised: what code is generated from, and what `show` prints.
pub struct Derived {
    /// The graph.
    pub graph: Graph,
    /// Per-sample roots.
    pub loss: Option<NodeId>,
    /// Per-sample roots.
    pub metrics: Vec<NodeId>,
    /// Per-sample roots.
    pub outputs: Vec<NodeId>,
    /// Natural values of the parameters.
    pub natural: Vec<NodeId>,
    /// Cotangents of unconstrained parameters, natural values and inputs; empty without gradient.
    pub bars: [Vec<Option<NodeId>>; 3],
    /// Loss and metrics as the gradient computes them, where it does so by tangents.
    pub tangents: Option<(NodeId, Vec<NodeId>)>,
    /// The systems, staged.
    pub systems: Vec<SystemParts>,
    /// What is known of them: those of the model, then those with tangents.
    pub infos: Vec<System>,
    /// For systems with a symplectic method, which components are positions; else empty.
    pub positions: Vec<Vec<bool>>,
}

/// Compiles a lowered model.
///
/// # Errors
/// A derivative that does not exist, or a refusal of the code generator.
pub fn compile<T: Number>(lowered: Lowered, settings: &Settings) -> Result<Model<T>, Diagnostic> {
    let derived = derive(&lowered, settings)?;
    let mut lowered = lowered;
    lowered.systems.clone_from(&derived.infos);
    for ((system, positions), parts) in lowered.systems.iter_mut().zip(&derived.positions).zip(&derived.systems) {
        system.options.positions.clone_from(positions);
        system.options.time_cotangents = parts.times;
        if system.pulled_by() == Gradient::Interpolated {
            // The whole solution is read.
            system.options.memory = None;
            system.options.read_between = true;
        }
    }
    let g = &derived.graph;
    let (lanes, backend) = (if steps_singly(&lowered) { 1 } else { settings.lanes }, settings.backend);
    let refuse = |why: String| refused(&why);
    let mut systems = Vec::new();
    for (parts, info) in derived.systems.iter().zip(&lowered.systems) {
        let mut parts = parts.clone();
        let backwards = info.integrates_backwards();
        let width = if info.events.is_some() { lanes } else { slice(lanes, info.options.stepping) };
        parts.kept = kept(g, &parts, info, lanes);
        parts.gathered = gathered(g, &parts, info, width);
        let steps = || straight_steps(g, &parts, &info.options, lanes).or_else(|| called_steps(g, &parts, info, lanes));
        let whole = if backend == Backend::Jit { steps() } else { None };
        let tableau = info.options.method.tableau();
        let whole = whole.map(|(forward, reverse)| WholeStep::new(tableau, &forward, reverse.as_ref(), lanes, backend));
        let whole = whole.transpose().map_err(refuse)?;
        let kernels = SystemKernels::new(g, &parts, width, backwards, backend).map_err(refuse)?;
        systems.push(kernels.with_steps(whole).with_work(work(g, &parts)));
    }
    let entry = |list: &EntryList| -> Result<Entry<T>, Diagnostic> {
        let program = build(g, &list.nodes, lanes, backend).map_err(refuse)?;
        Ok(Entry::new(program, list.roots.clone()))
    };
    let value = derived.loss.map(|loss| entry(&EntryList::value(loss, &derived.metrics))).transpose()?;
    let gradient = match derived.loss.filter(|_| settings.gradient) {
        Some(loss) => Some(entry(&EntryList::gradient(loss, &derived))?),
        None => None,
    };
    let mut list = EntryList::default();
    list.roots.outputs = derived.outputs.iter().map(|&o| list.add(o)).collect();
    let outputs = if settings.outputs && !derived.outputs.is_empty() { Some(entry(&list)?) } else { None };
    let mut list = EntryList::default();
    list.roots.outputs = derived.natural.iter().map(|&o| list.add(o)).collect();
    let natural = if derived.natural.is_empty() { None } else { Some(entry(&list)?) };
    Ok(Model { systems, value, gradient, outputs, natural, threads: settings.threads, lowered })
}

/// What right-hand sides leave for their pull-backs, where steps are kept; of samples that step on their own, values of
/// single samples, beside the stages.
pub fn kept(g: &Graph, parts: &SystemParts, system: &System, lanes: usize) -> Vec<NodeId> {
    let options = &system.options;
    let together = lanes == 1 || options.stepping == Stepping::Batch;
    let runge_kutta = !matches!(options.method, Method::Adams | Method::Implicit(_)) && options.keeps_steps();
    let discrete = system.pulled_by() == Gradient::Discrete && system.events.is_none();
    if !(runge_kutta && discrete && (together || options.keep_stages))
        || straight_steps(g, parts, options, lanes).is_some()
    {
        return Vec::new();
    }
    let bars: Vec<NodeId> = parts.bars.iter().flatten().flatten().copied().collect();
    let mut kept = opt::worth_keeping(g, parts.rhs, &bars);
    // Of a whole step they are one value per sample, of which stages and nodes are slices.
    let of_samples = !together || may_call_steps(g, parts, system, lanes);
    kept.retain(|&id| !of_samples || g.batched(id));
    kept
}

/// What pull-backs of one sample leave for sums over many of them; where whole steps are straight code, those sum up by
/// themselves. The products of several samples are matrix products already, which more calls made no faster (measured).
pub fn gathered(g: &Graph, parts: &SystemParts, system: &System, lanes: usize) -> Option<Gathered> {
    let found = (lanes == 1).then(|| gather::gather(g, &parts.capture_terms(g))).flatten();
    found.filter(|_| straight_steps(g, parts, &system.options, lanes).is_none())
}

/// The code generator made no code of a model that is correct.
pub fn refused(why: &str) -> Diagnostic {
    Diagnostic::global("N0701", format!("code generation failed: {why}"))
        .help("an x86-64 or aarch64 machine is needed, and a system that lets a program make code while it runs")
        .help("if both are there, this is a bug: `pullback explain N0701` says what to report")
}

/// Whether a system is solved by a method that steps one sample at a time: implicit ones, and `adams` with events.
fn steps_singly(model: &Lowered) -> bool {
    model.systems.iter().any(|s| match s.options.method {
        Method::Implicit(_) => true,
        Method::Adams => s.events.is_some(),
        _ => false,
    })
}

/// Optimises, stages and differentiates.
///
/// # Errors
/// A derivative that does not exist.
pub fn derive(lowered: &Lowered, settings: &Settings) -> Result<Derived, Diagnostic> {
    let mut ids = Ids::of(lowered);
    // Derivatives are taken with respect to natural values, which no rewrite may look through.
    let opaque = ids.hide_parameters(lowered);
    let mut graph = improve(&opaque, &mut ids);
    let merged = opt::merge_solves(&graph, &ids.all());
    ids.replace(&merged.roots);
    graph = merged.graph;
    let added = add_tangents(&mut graph, &mut ids, lowered, settings)?;
    let infos: Vec<System> = lowered.systems.iter().cloned().chain(added.iter().map(|a| a.info.clone())).collect();
    let (staged, outer) = opt::stage(&mut graph, &ids.inner(), &ids.outer());
    ids.set_staged(&staged, &outer);
    let objective = settings.gradient && ids.loss().is_some();
    if objective {
        ids.differentiate_objective(&mut graph, lowered, settings.inputs)?;
    }
    ids.share_times(&mut graph, &infos);
    let backwards = objective && !differentiates_forward(lowered);
    for (k, system) in infos.iter().enumerate() {
        let all = backwards && (added.is_empty() || k >= lowered.systems.len());
        ids.differentiate_system(&mut graph, k, system, all)?;
        ids.differentiate_jacobian(&mut graph, k, system)?;
    }
    graph = ids.reveal_parameters(&graph, lowered);
    graph = improve(&graph, &mut ids);
    debug_assert!(verify(&graph).is_empty(), "{:#?}", verify(&graph));
    let mut derived = ids.derived(graph, infos);
    derived.positions = positions(&derived, lowered, &added)?;
    Ok(derived)
}

/// The division into positions and momenta that symplectic methods need.
fn positions(derived: &Derived, lowered: &Lowered, added: &[Augmented]) -> Result<Vec<Vec<bool>>, Diagnostic> {
    let mut all: Vec<Vec<bool>> = Vec::new();
    for (parts, system) in derived.systems.iter().zip(&lowered.systems) {
        let Method::Symplectic(method) = system.options.method else {
            all.push(Vec::new());
            continue;
        };
        let found = separable::positions(&derived.graph, parts.rhs, parts.leaves[0], system);
        all.push(found.map_err(|why| {
            Diagnostic::global("N0703", format!("`{}` needs a separable system: {why}", method.name())).help(
                "the rates of positions may depend on momenta only, and the other way round; else use a Runge–Kutta \
                 method, with `reversible = true` if memory is short",
            )
        })?);
    }
    // The tangent of a position is one.
    for system in added {
        let own = all[system.base].iter().copied().cycle().take(system.info.dim);
        all.push(own.collect());
    }
    Ok(all)
}

/// A step forward and in reverse.
type Steps = (StepParts, Option<StepParts>);

/// Whole steps, for a system so small that both directions fit in registers, more or less.
fn straight_steps(g: &Graph, parts: &SystemParts, options: &Options, lanes: usize) -> Option<Steps> {
    // A right-hand side that is too long alone is not copied for every stage.
    if !may_take_whole_steps(options, lanes) || !parts.right_hand_side().is_straight(g, lanes) {
        return None;
    }
    let (forward, reverse) = step::whole_step(g, parts, options);
    let straight = forward.is_straight(lanes) && reverse.as_ref().is_none_or(|parts| parts.is_straight(lanes));
    straight.then_some((forward, reverse))
}

/// Whole steps of a small network, whose right-hand side calls a few kernels: what lies between the stages would take a
/// third of the time.
fn called_steps(g: &Graph, parts: &SystemParts, system: &System, lanes: usize) -> Option<Steps> {
    may_call_steps(g, parts, system, lanes).then(|| step::whole_step(g, parts, &system.options))
}

/// About how many multiply-adds a right-hand side of one sample takes as long as; an entry of anything else counts as some.
fn work(g: &Graph, parts: &SystemParts) -> usize {
    const ENTRY: usize = 8;
    let products = opt::multiply_adds(g, &[parts.rhs]);
    ENTRY * entries(g, parts, |id| g.batched(id)) + usize::try_from(products).unwrap_or(usize::MAX >> 32)
}

/// Entries that a right-hand side computes in some of its nodes.
fn entries(g: &Graph, parts: &SystemParts, counts: impl Fn(NodeId) -> bool) -> usize {
    let computed = |id: NodeId| !matches!(g.node(id).op, Op::Leaf(_) | Op::Broadcast(_));
    g.reachable(&[parts.rhs]).into_iter().filter(|&id| computed(id) && counts(id)).map(|id| g.size(id)).sum()
}

/// Whether a right-hand side that is no straight code is so short that it may be copied for every stage of a step.
fn may_call_steps(g: &Graph, parts: &SystemParts, system: &System, lanes: usize) -> bool {
    let products = opt::multiply_adds(g, &[parts.rhs]);
    may_take_whole_steps(&system.options, lanes)
        && g.reachable(&[parts.rhs]).len() <= MOST_NODES
        && entries(g, parts, |_| true) <= MOST_ENTRIES
        && (1..=MOST_MULTIPLY_ADDS).contains(&products)
        && !parts.right_hand_side().is_straight(g, lanes)
        && gathered(g, parts, system, lanes).is_none()
}

/// The longest right-hand side that is copied for every stage of a step though it has loops and calls: nodes, entries of
/// what it computes, and multiply-adds. Beyond, what lies between the stages hardly counts, and code and values of so
/// many stages leave the caches.
const MOST_NODES: usize = 40;
const MOST_ENTRIES: usize = 512;
const MOST_MULTIPLY_ADDS: u64 = 4096;

/// Whether there are whole steps of the method, with its measure of the error: root mean square over common tolerances.
fn may_take_whole_steps(options: &Options, lanes: usize) -> bool {
    let other = matches!(options.method, Method::Implicit(_) | Method::Adams);
    let measured = options.norm == Norm::Rms && options.tolerances.is_empty();
    lanes == 1 && !other && options.method.tableau().coarse_error.is_empty() && measured
}

/// The rewrite table and the order of products.
fn improve(graph: &Graph, ids: &mut Ids) -> Graph {
    let simple = opt::simplify(graph, &ids.all());
    ids.replace(&simple.roots);
    let ordered = opt::contract(&simple.graph, &ids.all());
    ids.replace(&ordered.roots);
    ordered.graph
}
