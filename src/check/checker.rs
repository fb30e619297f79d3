//! The state of a check: the arena that grows, the declarations, the diagnostics; and the constructors of expressions.

use super::constant;
use super::program::{Dim, ExprId, Kind, Program, Signal, Ty, Typed};
use super::scope::{Decl, Module};
use super::{Options, codes};
use crate::diag::{Diagnostic, Span};
use crate::graph::{Binary, Einsum, Relation, Scalar, Unary};
use std::collections::HashMap;

/// More entries than this are a mistake.
const MAX_ENTRIES: usize = 1 << 27;

/// A call that is being expanded.
pub(super) struct Frame {
    pub name: String,
    pub span: Span,
    /// Whether the body belongs to the standard library, where an error is the caller's.
    pub is_std: bool,
    /// The declaration that is called.
    pub decl: usize,
}

/// The state of a check.
pub(super) struct Checker<'a> {
    pub program: Program,
    ids: HashMap<(Kind, Ty), ExprId>,
    pub diagnostics: Vec<Diagnostic>,
    pub options: &'a Options,
    pub modules: Vec<Module>,
    pub decls: Vec<Decl>,
    /// Calls being expanded, outermost first.
    pub frames: Vec<Frame>,
    pub depth: usize,
    pub arguments: u32,
    /// Results of functions for arguments seen before.
    pub results: HashMap<(usize, Vec<Option<ExprId>>), Option<ExprId>>,
    /// Calls expanded so far.
    pub calls: usize,
    /// Instances of layers: (net, place in its pipe) → module.
    pub layers: HashMap<(usize, usize), usize>,
    /// Declared nets → their place in the program.
    pub nets: HashMap<usize, usize>,
    /// Solutions of named systems already instantiated: (declaration, arguments) → system.
    pub instances: HashMap<(usize, Vec<ExprId>), u32>,
    /// How far each system is, and the module that holds its states.
    pub systems: Vec<super::systems::SystemState>,
    /// The system whose equation is being checked.
    pub inside: Option<u32>,
    /// Which system samples which, for cycles.
    pub samples: Vec<(u32, u32, Span)>,
}

impl<'a> Checker<'a> {
    pub fn new(options: &'a Options) -> Self {
        Self {
            program: Program::default(),
            ids: HashMap::new(),
            diagnostics: Vec::new(),
            options,
            modules: Vec::new(),
            decls: Vec::new(),
            frames: Vec::new(),
            depth: 0,
            arguments: 0,
            results: HashMap::new(),
            calls: 0,
            layers: HashMap::new(),
            nets: HashMap::new(),
            instances: HashMap::new(),
            systems: Vec::new(),
            inside: None,
            samples: Vec::new(),
        }
    }

    /// Reports a problem; inside of a call, says where the call is.
    pub fn report(&mut self, diagnostic: Diagnostic) {
        let mut d = diagnostic;
        if let Some(outer) = self.frames.iter().position(|f| f.is_std) {
            let frame = &self.frames[outer];
            let (span, name) = (frame.span, frame.name.clone());
            if let Some(first) = d.labels.first_mut() {
                first.primary = false;
                if first.text.is_empty() {
                    first.text = format!("inside `{name}`");
                }
            }
            d.labels.insert(0, crate::diag::Label { span, text: "in this call".into(), primary: true });
        } else if let Some(frame) = self.frames.last() {
            d = d.label(frame.span, format!("in this call of `{}`", frame.name));
        }
        let same = |o: &Diagnostic| {
            o.code == d.code
                && o.message == d.message
                && o.labels.first().map(|l| l.span) == d.labels.first().map(|l| l.span)
        };
        if !self.diagnostics.iter().any(same) {
            self.diagnostics.push(d);
        }
    }

    /// Reports and gives the poisoned value.
    pub fn fail<T>(&mut self, diagnostic: Diagnostic) -> Option<T> {
        self.report(diagnostic);
        None
    }

    pub fn ty(&self, id: ExprId) -> Ty {
        self.program.ty(id).clone()
    }

    /// Refuses a tensor that is too large to compute with.
    pub fn bounded(&mut self, ty: &Ty, span: Span) -> Option<()> {
        let entries = ty.dims.iter().try_fold(1_usize, |n, d| n.checked_mul(d.size));
        if entries.is_some_and(|n| n <= MAX_ENTRIES) && ty.dims.len() <= 16 {
            return Some(());
        }
        let d = Diagnostic::error(codes::TOO_LARGE, span, format!("a tensor of shape {ty} is too large"))
            .here("this value")
            .note("a tensor may have at most 2^27 entries (1 GiB) and 16 axes");
        self.fail(d)
    }

    /// Adds an expression or finds its equal.
    pub fn push(&mut self, kind: Kind, ty: Ty, span: Span) -> Option<ExprId> {
        self.bounded(&ty, span)?;
        let key = (kind, ty);
        if let Some(&id) = self.ids.get(&key) {
            return Some(id);
        }
        let (kind, ty) = key.clone();
        let signal = self.signal_of(&kind);
        let id = ExprId(u32::try_from(self.program.exprs.len()).unwrap_or(u32::MAX));
        self.program.exprs.push(Typed { kind, ty, span, signal });
        self.ids.insert(key, id);
        Some(id)
    }

    fn signal_of(&self, kind: &Kind) -> Option<Signal> {
        match kind {
            Kind::State { system, .. } | Kind::Time(system) => {
                let cause = u32::try_from(self.program.uses.len().saturating_sub(1)).unwrap_or(u32::MAX);
                Some(Signal { system: *system, cause })
            }
            Kind::Sample { times, .. } => self.program.expr(*times).signal,
            _ => kind.operands().iter().find_map(|id| self.program.expr(*id).signal),
        }
    }

    /// A number.
    pub fn number(&mut self, value: f64, span: Span) -> ExprId {
        let ty = Ty::scalar();
        let kind = Kind::Const(Scalar(value));
        if let Some(&id) = self.ids.get(&(kind.clone(), ty.clone())) {
            return id;
        }
        let id = ExprId(u32::try_from(self.program.exprs.len()).unwrap_or(u32::MAX));
        self.program.exprs.push(Typed { kind: kind.clone(), ty: ty.clone(), span, signal: None });
        self.ids.insert((kind, ty), id);
        id
    }

    /// A constant scalar's value.
    pub fn constant(&self, id: ExprId) -> Option<f64> {
        match self.program.expr(id).kind {
            Kind::Const(Scalar(v)) => Some(v),
            _ => None,
        }
    }

    pub fn map1(&mut self, f: Unary, a: ExprId, span: Span) -> Option<ExprId> {
        if let Some(v) = self.constant(a) {
            let value = constant::unary(f, v);
            if f != Unary::Not && value.is_finite() {
                return Some(self.number(value, span));
            }
        }
        let mut ty = self.ty(a);
        ty.is_bool = f == Unary::Not;
        self.push(Kind::Map1(f, a), ty, span)
    }

    /// Elementwise; shapes already agree or one is a scalar.
    pub fn map2(&mut self, f: Binary, a: ExprId, b: ExprId, span: Span) -> Option<ExprId> {
        if let (Some(x), Some(y)) = (self.constant(a), self.constant(b)) {
            let value = constant::binary(f, x, y);
            if value.is_finite() {
                return Some(self.number(value, span));
            }
        }
        let dims = self.joined(a, b);
        self.push(Kind::Map2(f, a, b), Ty::of(dims), span)
    }

    pub fn compare(&mut self, r: Relation, a: ExprId, b: ExprId, span: Span) -> Option<ExprId> {
        let dims = self.joined(a, b);
        self.push(Kind::Compare(r, a, b), Ty { dims, is_bool: true }, span)
    }

    pub fn select(&mut self, c: ExprId, a: ExprId, b: ExprId, span: Span) -> Option<ExprId> {
        let mut dims = self.joined(a, b);
        if dims.is_empty() {
            dims = self.ty(c).dims;
        }
        let is_bool = self.ty(a).is_bool && self.ty(b).is_bool;
        self.push(Kind::Select(c, a, b), Ty { dims, is_bool }, span)
    }

    /// The axes of an elementwise result: those of the tensor, with the names that are known.
    fn joined(&self, a: ExprId, b: ExprId) -> Vec<Dim> {
        let (da, db) = (&self.program.ty(a).dims, &self.program.ty(b).dims);
        if da.is_empty() {
            return db.clone();
        }
        if db.is_empty() {
            return da.clone();
        }
        da.iter().zip(db).map(|(x, y)| if x.name.is_some() { x.clone() } else { y.clone() }).collect()
    }

    pub fn einsum(&mut self, spec: Einsum, args: Vec<ExprId>, span: Span) -> Option<ExprId> {
        let mut dims = Vec::new();
        for label in &spec.out {
            let place =
                spec.args.iter().enumerate().find_map(|(k, l)| l.iter().position(|x| x == label).map(|a| (k, a)));
            let (k, axis) = place?;
            dims.push(self.program.ty(args[k]).dims[axis].clone());
        }
        self.push(Kind::Einsum(spec, args), Ty::of(dims), span)
    }

    pub fn einsum_text(&mut self, text: &str, args: Vec<ExprId>, span: Span) -> Option<ExprId> {
        self.einsum(Einsum::parse(text), args, span)
    }

    /// Σ over `axes`.
    pub fn sum_axes(&mut self, x: ExprId, axes: &[usize], span: Span) -> Option<ExprId> {
        let rank = self.ty(x).dims.len();
        let labels: Vec<u8> = (0..rank).map(small).collect();
        let out = labels.iter().copied().filter(|l| !axes.contains(&(*l as usize))).collect();
        let spec = Einsum { args: [labels.into_iter().collect()].into_iter().collect(), out };
        self.einsum(spec, vec![x], span)
    }

    pub fn transpose(&mut self, x: ExprId, order: &[usize], span: Span) -> Option<ExprId> {
        if order.iter().enumerate().all(|(k, a)| k == *a) {
            return Some(x);
        }
        let labels = (0..order.len()).map(small).collect();
        let out = order.iter().map(|a| small(*a)).collect();
        self.einsum(Einsum { args: [labels].into_iter().collect(), out }, vec![x], span)
    }

    /// Repeats `x`: its axis k becomes axis `axes[k]` of `dims`.
    pub fn broadcast(&mut self, x: ExprId, axes: &[usize], dims: Vec<Dim>, span: Span) -> Option<ExprId> {
        if axes.len() == dims.len() && axes.windows(2).all(|w| w[0] < w[1]) {
            return Some(x);
        }
        let is_bool = self.ty(x).is_bool;
        let axes = axes.iter().map(|a| small(*a)).collect();
        self.push(Kind::Broadcast(axes, x), Ty { dims, is_bool }, span)
    }

    /// A number repeated.
    pub fn full(&mut self, value: f64, dims: Vec<Dim>, span: Span) -> Option<ExprId> {
        let s = self.number(value, span);
        self.broadcast(s, &[], dims, span)
    }

    pub fn reshape(&mut self, x: ExprId, dims: Vec<Dim>, span: Span) -> Option<ExprId> {
        let is_bool = self.ty(x).is_bool;
        if self.ty(x).dims == dims {
            return Some(x);
        }
        self.push(Kind::Reshape(x), Ty { dims, is_bool }, span)
    }

    pub fn slice(&mut self, x: ExprId, start: Vec<usize>, dims: Vec<Dim>, span: Span) -> Option<ExprId> {
        if self.ty(x).dims == dims {
            return Some(x);
        }
        let is_bool = self.ty(x).is_bool;
        self.push(Kind::Slice(start, x), Ty { dims, is_bool }, span)
    }

    /// Rows of `x` at an index (a scalar or a vector).
    pub fn gather(&mut self, x: ExprId, index: ExprId, span: Span) -> Option<ExprId> {
        let mut dims = self.ty(index).dims;
        dims.extend_from_slice(&self.ty(x).dims[1..]);
        self.push(Kind::Gather(x, index), Ty::of(dims), span)
    }

    /// Records the use of a state or of time; the next `push` of it refers to it.
    pub fn used(&mut self, span: Span, name: &str) {
        self.program.uses.push((span, name.to_owned()));
    }
}

/// Ranks are small.
pub(super) fn small(axis: usize) -> u8 {
    u8::try_from(axis).unwrap_or(u8::MAX)
}
