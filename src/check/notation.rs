//! Index notation: `sum(i, j: W[i, j]*x[j])`, `tensor(i: a[i]*b[i])`. A product of indexed tensors is one einsum;
//! anything else is elementwise over the axes of its indices.

use super::checker::{Checker, small};
use super::codes;
use super::program::{Dim, ExprId, Kind, Ty};
use super::reduce::Reduction;
use super::scope::{Scope, Value};
use crate::diag::{Diagnostic, Span};
use crate::graph::{Binary, Einsum, Unary};
use crate::syntax::ast::{Arg, BinaryOp, Expr, ExprKind, Index, Name, UnaryOp};
use smallvec::SmallVec;

/// More indices than this in one expression are a mistake.
const MAX_INDICES: usize = 8;

/// More levels than this are a mistake, and would overflow the stack.
const MAX_DEPTH: usize = 120;

/// An index name and what is known about it.
#[derive(Clone)]
struct Label {
    name: String,
    dim: Option<(Dim, Span)>,
}

/// A product of tensors, each with the label of each of its axes.
struct Product(Vec<(ExprId, Vec<u8>)>);

/// One comprehension with those around it.
struct Notation {
    labels: Vec<Label>,
}

impl Checker<'_> {
    /// `head(names: body)`
    pub fn comprehension(
        &mut self,
        head: &Name,
        names: &[Name],
        body: &Expr,
        span: Span,
        scope: &Scope,
    ) -> Option<ExprId> {
        if depth(body) > MAX_DEPTH {
            let d = Diagnostic::error(codes::DEEP, body.span, "this is nested too deeply")
                .here(format!("more than {MAX_DEPTH} operators within one another in index notation"))
                .help("name parts of it with `let`");
            return self.fail(d);
        }
        let mut notation = Notation { labels: Vec::new() };
        let product = self.nested(&mut notation, (head, names, body), span, scope)?;
        match product.0.as_slice() {
            [(id, _)] => Some(*id),
            _ => None,
        }
    }

    fn nested(
        &mut self,
        n: &mut Notation,
        (head, names, body): (&Name, &[Name], &Expr),
        span: Span,
        scope: &Scope,
    ) -> Option<Product> {
        if n.labels.len() + names.len() > MAX_INDICES {
            let d = Diagnostic::error(codes::NOTATION, span, "too many indices").here(format!("at most {MAX_INDICES}"));
            return self.fail(d);
        }
        let outer = n.labels.len();
        for name in names {
            if n.labels.iter().any(|l| l.name == name.text) {
                let d = Diagnostic::error(
                    codes::NOTATION,
                    name.span,
                    format!("the index `{}` is already in use", name.text),
                )
                .here("a second time");
                return self.fail(d);
            }
            n.labels.push(Label { name: name.text.clone(), dim: None });
        }
        self.sizes(n, body, scope)?;
        for (k, name) in names.iter().enumerate() {
            if n.labels[outer + k].dim.is_none() {
                let d = Diagnostic::error(codes::NOTATION, name.span, format!("how far does `{}` run?", name.text))
                    .here("no tensor is indexed by it")
                    .help(format!("an index takes its size from its use: `x[{}]`", name.text));
                return self.fail(d);
            }
        }
        let product = self.indexed(n, body, scope)?;
        let inner: Vec<u8> = (outer..n.labels.len()).map(small).collect();
        let result = self.finish(n, head, product, &inner, span);
        n.labels.truncate(outer);
        result
    }

    fn finish(&mut self, n: &Notation, head: &Name, product: Product, inner: &[u8], span: Span) -> Option<Product> {
        if head.text == "tensor" {
            // Free outer indices come first, then the new axes in the order in which they were named.
            let mut out: Vec<u8> = free(&product).into_iter().filter(|l| !inner.contains(l)).collect();
            out.extend_from_slice(inner);
            let id = self.spread(n, product, &out, span)?;
            return Some(Product(vec![(id, out)]));
        }
        let Some(f) = Reduction::of(&head.text).filter(|f| !matches!(f, Reduction::Softmax | Reduction::LogSoftmax))
        else {
            let d = Diagnostic::error(codes::NOTATION, head.span, format!("`{}` does not take indices", head.text))
                .here("not a reduction")
                .help("reductions: `sum mean min max logsumexp norm`; a new tensor is `tensor(i: …)`");
            return self.fail(d);
        };
        let outer: Vec<u8> = free(&product).into_iter().filter(|l| !inner.contains(l)).collect();
        if f == Reduction::Sum {
            let mut product = product;
            for &l in inner {
                let dim = n.dim(l)?;
                if dim.ragged.is_some() {
                    let mask = self.mask(dim, span)?;
                    product.0.push((mask, vec![l]));
                } else if !free(&product).contains(&l) {
                    let ones = self.full(1.0, vec![dim], span)?;
                    product.0.push((ones, vec![l]));
                }
            }
            let id = self.contract(product, &outer, span)?;
            return Some(Product(vec![(id, outer)]));
        }
        let all: Vec<u8> = outer.iter().chain(inner).copied().collect();
        let mut id = self.spread(n, product, &all, span)?;
        for _ in inner {
            let last = self.ty(id).dims.len() - 1;
            id = self.reduce(f, id, Some(last), span)?;
        }
        Some(Product(vec![(id, outer)]))
    }

    /// Finds the size of every index from the subscripts in `e`.
    fn sizes(&mut self, n: &mut Notation, e: &Expr, scope: &Scope) -> Option<()> {
        match &e.kind {
            ExprKind::Index(base, places) if places.iter().any(|p| n.label_of(p).is_some()) => {
                let x = self.expr(base, scope)?;
                let ty = self.ty(x);
                if places.len() > ty.dims.len() {
                    let d = Diagnostic::error(
                        codes::INDEX_COUNT,
                        e.span,
                        format!("{} indices, but {} axes", places.len(), ty.dims.len()),
                    )
                    .here(format!("shape {ty}"));
                    let d = self.declared(d, base, scope);
                    return self.fail(d);
                }
                for (place, dim) in places.iter().zip(&ty.dims) {
                    if let Some(l) = n.label_of(place) {
                        let label = &mut n.labels[l as usize];
                        match &label.dim {
                            None => label.dim = Some((dim.clone(), e.span)),
                            Some((first, _)) if first.fits(dim) => {}
                            Some((first, at)) => {
                                let d = Diagnostic::error(
                                    codes::NOTATION,
                                    e.span,
                                    format!("`{}` runs over axes of different sizes", label.name),
                                )
                                .here(format!("here {}", Ty::of(vec![dim.clone()])))
                                .label(*at, format!("here {}", Ty::of(vec![first.clone()])));
                                return self.fail(d);
                            }
                        }
                    }
                }
                Some(())
            }
            ExprKind::Unary(_, a) | ExprKind::Field(a, _) | ExprKind::Index(a, _) => self.sizes(n, a, scope),
            ExprKind::Comprehension(_, inner, a) => {
                // Indices of its own are found when it is entered.
                let hidden: Vec<Label> = inner.iter().map(|i| Label { name: i.text.clone(), dim: None }).collect();
                let outer = n.labels.len();
                n.labels.extend(hidden);
                let found = self.sizes(n, a, scope);
                n.labels.truncate(outer);
                found
            }
            ExprKind::Binary(_, a, b) | ExprKind::Pipe(a, b) => {
                let first = self.sizes(n, a, scope);
                self.sizes(n, b, scope)?;
                first
            }
            ExprKind::If(a, b, c) => {
                self.sizes(n, a, scope)?;
                self.sizes(n, b, scope)?;
                self.sizes(n, c, scope)
            }
            ExprKind::Call(_, args) => args.iter().try_for_each_option(|a| self.sizes(n, &a.value, scope)),
            ExprKind::List(parts) => parts.iter().try_for_each_option(|p| self.sizes(n, p, scope)),
            ExprKind::Number(_) | ExprKind::Text(_) | ExprKind::Bool(_) | ExprKind::Name(_) | ExprKind::Error => {
                Some(())
            }
        }
    }

    /// An expression with index names in it, as a product.
    fn indexed(&mut self, n: &mut Notation, e: &Expr, scope: &Scope) -> Option<Product> {
        if !n.mentions(e) {
            let id = self.expr(e, scope)?;
            let id = self.scalar(id, e.span, "a factor without an index")?;
            return Some(Product(vec![(id, Vec::new())]));
        }
        match &e.kind {
            ExprKind::Name(name) => {
                let l = n.named(name)?;
                let dim = n.dim(l)?;
                let iota = self.push(Kind::Iota, Ty::of(vec![dim]), e.span)?;
                Some(Product(vec![(iota, vec![l])]))
            }
            ExprKind::Index(base, places) => self.subscripted(n, base, places, e.span, scope),
            ExprKind::Comprehension(head, names, body) => self.nested(n, (head, names, body), e.span, scope),
            ExprKind::Unary(UnaryOp::Neg, a) => {
                let mut product = self.indexed(n, a, scope)?;
                product.0.push((self.number(-1.0, e.span), Vec::new()));
                Some(product)
            }
            ExprKind::Unary(UnaryOp::Not, a) => {
                let (x, labels) = self.level(n, &[a], scope)?;
                let y = self.map1(Unary::Not, x[0], e.span)?;
                Some(Product(vec![(y, labels)]))
            }
            ExprKind::Binary(BinaryOp::Mul, a, b) => {
                let (a, b) = (self.indexed(n, a, scope), self.indexed(n, b, scope));
                let mut product = a?;
                product.0.extend(b?.0);
                Some(product)
            }
            ExprKind::Binary(op, a, b) if *op != BinaryOp::MatMul => {
                let (x, labels) = self.level(n, &[a, b], scope)?;
                let y = self.elementwise(*op, (x[0], a.span), (x[1], b.span), e.span)?;
                Some(Product(vec![(y, labels)]))
            }
            ExprKind::If(c, a, b) => {
                let (x, labels) = self.level(n, &[c, a, b], scope)?;
                let condition = self.boolean(x[0], c.span, "a condition")?;
                let y = self.select(condition, x[1], x[2], e.span)?;
                Some(Product(vec![(y, labels)]))
            }
            ExprKind::Call(callee, args) => self.elementwise_call(n, callee, args, e.span, scope),
            _ => self.unclear(e.span),
        }
    }

    fn unclear<T>(&mut self, span: Span) -> Option<T> {
        let d = Diagnostic::error(codes::NOTATION, span, "this cannot stand in index notation")
            .here("mentions an index")
            .help(
                "an index is a whole place of a subscript, `W[i, j]`; around it go elementwise operators and functions",
            );
        self.fail(d)
    }

    /// A function of indexed scalars: applied to whole tensors, entry by entry.
    fn elementwise_call(
        &mut self,
        n: &mut Notation,
        callee: &Expr,
        args: &[Arg],
        span: Span,
        scope: &Scope,
    ) -> Option<Product> {
        let operands: Vec<&Expr> = args.iter().map(|a| &a.value).collect();
        let (ids, labels) = self.level(n, &operands, scope)?;
        let (mut inner, mut formal) = (scope.clone(), Vec::new());
        for (k, (id, arg)) in ids.iter().zip(args).enumerate() {
            // Not a name that a model can have.
            let name = format!("%{k}");
            inner.locals.push((name.clone(), Value::Tensor(*id)));
            formal
                .push(Arg { name: arg.name.clone(), value: Expr { kind: ExprKind::Name(name), span: arg.value.span } });
        }
        match self.call(callee, &formal, None, span, &inner) {
            Value::Tensor(y) if self.ty(y).dims.len() == labels.len() => Some(Product(vec![(y, labels)])),
            Value::Tensor(_) => self.unclear(span),
            _ => None,
        }
    }

    /// Brings operands to the same labels.
    fn level(&mut self, n: &mut Notation, operands: &[&Expr], scope: &Scope) -> Option<(Vec<ExprId>, Vec<u8>)> {
        let mut products = Vec::new();
        for e in operands {
            products.push((self.indexed(n, e, scope), e.span));
        }
        let products = products.into_iter().map(|(p, s)| p.map(|p| (p, s))).collect::<Option<Vec<_>>>()?;
        let mut labels: Vec<u8> = products.iter().flat_map(|(p, _)| free(p)).collect();
        labels.sort_unstable();
        labels.dedup();
        let mut ids = Vec::new();
        for (p, span) in products {
            // Scalars combine with anything as they are.
            let out = if free(&p).is_empty() { &[][..] } else { &labels[..] };
            ids.push(self.spread(n, p, out, span)?);
        }
        Some((ids, labels))
    }

    fn subscripted(
        &mut self,
        n: &Notation,
        base: &Expr,
        places: &[Index],
        span: Span,
        scope: &Scope,
    ) -> Option<Product> {
        if n.mentions(base) {
            return self.unclear(base.span);
        }
        let x = self.expr(base, scope)?;
        let ty = self.ty(x);
        let (mut labels, mut rest) = (Vec::new(), Vec::new());
        for place in places {
            match (n.label_of(place), place) {
                (Some(l), _) => {
                    labels.push(l);
                    rest.push(Index::Range(None, None));
                }
                (None, Index::At(e)) if !n.mentions(e) => rest.push(place.clone()),
                (None, Index::At(e)) => return self.unclear(e.span),
                (None, Index::Range(..)) => return self.unclear(span),
            }
        }
        if places.len() != ty.dims.len() {
            let d =
                Diagnostic::error(codes::NOTATION, span, format!("{} places for {} axes", places.len(), ty.dims.len()))
                    .here(format!("shape {ty}"))
                    .help("in index notation every axis has an index");
            return self.fail(d);
        }
        let id = self.index(base, &rest, span, scope)?;
        Some(Product(vec![(id, labels)]))
    }

    /// Π summed to `out`; a product of one factor that is already so is left alone.
    fn contract(&mut self, product: Product, out: &[u8], span: Span) -> Option<ExprId> {
        let (mut scalars, mut factors) = (None, Vec::new());
        for (id, labels) in product.0 {
            if labels.is_empty() {
                scalars = Some(match scalars {
                    None => id,
                    Some(s) => self.map2(Binary::Mul, s, id, span)?,
                });
            } else {
                factors.push((id, labels));
            }
        }
        let Some((first, labels)) = factors.first().cloned() else { return scalars };
        let value = if factors.len() == 1 && labels == out {
            first
        } else {
            let args = factors.iter().map(|(_, l)| l.iter().copied().collect()).collect();
            let spec = Einsum { args, out: out.iter().copied().collect::<SmallVec<[u8; 4]>>() };
            self.einsum(spec, factors.into_iter().map(|f| f.0).collect(), span)?
        };
        match scalars {
            None => Some(value),
            Some(s) => self.map2(Binary::Mul, s, value, span),
        }
    }

    /// The product as a tensor with the axes `out`.
    fn spread(&mut self, n: &Notation, product: Product, out: &[u8], span: Span) -> Option<ExprId> {
        let have: Vec<u8> = out.iter().copied().filter(|l| free(&product).contains(l)).collect();
        let id = self.contract(product, &have, span)?;
        if have.len() == out.len() {
            return Some(id);
        }
        let axes: Vec<usize> = have.iter().filter_map(|l| out.iter().position(|o| o == l)).collect();
        let dims = out.iter().map(|l| n.dim(*l)).collect::<Option<Vec<_>>>()?;
        self.broadcast(id, &axes, dims, span)
    }
}

/// Levels of an expression, worked out without recursion.
fn depth(e: &Expr) -> usize {
    let (mut deepest, mut stack) = (0, vec![(e, 1)]);
    while let Some((e, level)) = stack.pop() {
        deepest = deepest.max(level);
        let mut inner = |e| stack.push((e, level + 1));
        match &e.kind {
            ExprKind::Unary(_, a) | ExprKind::Field(a, _) | ExprKind::Comprehension(_, _, a) => inner(a.as_ref()),
            ExprKind::Binary(_, a, b) | ExprKind::Pipe(a, b) => [a, b].into_iter().for_each(|x| inner(x.as_ref())),
            ExprKind::If(a, b, c) => [a, b, c].into_iter().for_each(|x| inner(x.as_ref())),
            ExprKind::Call(f, args) => std::iter::once(f.as_ref()).chain(args.iter().map(|a| &a.value)).for_each(inner),
            ExprKind::List(parts) => parts.iter().for_each(inner),
            ExprKind::Index(a, places) => {
                inner(a.as_ref());
                for place in places {
                    match place {
                        Index::At(e) => inner(e),
                        Index::Range(a, b) => a.iter().chain(b).for_each(&mut inner),
                    }
                }
            }
            ExprKind::Number(_) | ExprKind::Text(_) | ExprKind::Bool(_) | ExprKind::Name(_) | ExprKind::Error => {}
        }
    }
    deepest
}

/// The labels of a product, each once.
fn free(product: &Product) -> Vec<u8> {
    let mut labels: Vec<u8> = product.0.iter().flat_map(|f| f.1.iter().copied()).collect();
    labels.sort_unstable();
    labels.dedup();
    labels
}

impl Notation {
    fn named(&self, name: &str) -> Option<u8> {
        self.labels.iter().position(|l| l.name == name).map(small)
    }
    fn label_of(&self, place: &Index) -> Option<u8> {
        match place {
            Index::At(Expr { kind: ExprKind::Name(name), .. }) => self.named(name),
            Index::At(_) | Index::Range(..) => None,
        }
    }
    fn dim(&self, label: u8) -> Option<Dim> {
        self.labels.get(label as usize)?.dim.as_ref().map(|d| d.0.clone())
    }
    /// Whether an index stands anywhere in `e`.
    fn mentions(&self, e: &Expr) -> bool {
        let place = |p: &Index| match p {
            Index::At(e) => self.mentions(e),
            Index::Range(a, b) => {
                a.as_ref().is_some_and(|e| self.mentions(e)) || b.as_ref().is_some_and(|e| self.mentions(e))
            }
        };
        match &e.kind {
            ExprKind::Name(name) => self.named(name).is_some(),
            ExprKind::Unary(_, a) | ExprKind::Field(a, _) | ExprKind::Comprehension(_, _, a) => self.mentions(a),
            ExprKind::Binary(_, a, b) | ExprKind::Pipe(a, b) => self.mentions(a) || self.mentions(b),
            ExprKind::If(a, b, c) => [a, b, c].iter().any(|x| self.mentions(x)),
            ExprKind::Call(f, args) => self.mentions(f) || args.iter().any(|a| self.mentions(&a.value)),
            ExprKind::Index(a, places) => self.mentions(a) || places.iter().any(place),
            ExprKind::List(parts) => parts.iter().any(|p| self.mentions(p)),
            ExprKind::Number(_) | ExprKind::Text(_) | ExprKind::Bool(_) | ExprKind::Error => false,
        }
    }
}

/// Stops at the first `None`.
trait TryForEachOption: Iterator {
    fn try_for_each_option(&mut self, f: impl FnMut(Self::Item) -> Option<()>) -> Option<()>;
}
impl<I: Iterator> TryForEachOption for I {
    fn try_for_each_option(&mut self, f: impl FnMut(Self::Item) -> Option<()>) -> Option<()> {
        self.map(f).collect::<Option<Vec<()>>>().map(|_| ())
    }
}
