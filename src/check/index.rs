//! Indexing: `x[0]`, `x[end]`, `x[0:N]`, `W[i, :]` with places known beforehand, or one computed index (a gather).

use super::checker::Checker;
use super::codes;
use super::program::{Dim, ExprId, Kind, Ty};
use super::scope::{Scope, Value};
use super::shapes::whole;
use crate::diag::{Diagnostic, Span};
use crate::graph::Binary;
use crate::syntax::ast::{Expr, Index};

/// What one place selects.
enum Place {
    /// Entry, drops the axis.
    At(usize),
    /// From, how many.
    Range(usize, usize),
    /// The whole axis.
    All,
    /// Computed entry (or entries).
    Computed(ExprId),
}

impl Checker<'_> {
    /// `base[places]`
    pub fn index(&mut self, base: &Expr, places: &[Index], span: Span, scope: &Scope) -> Option<ExprId> {
        let x = self.expr(base, scope)?;
        let ty = self.ty(x);
        if places.len() > ty.dims.len() {
            let d = Diagnostic::error(
                codes::INDEX_COUNT,
                span,
                format!("{} indices, but {} axes", places.len(), ty.dims.len()),
            )
            .here(format!("shape {ty}"));
            let d = self.declared(d, base, scope);
            return self.fail(d.help("give at most one index for each axis"));
        }
        let mut selected = Vec::new();
        for (axis, place) in places.iter().enumerate() {
            selected.push(self.one_place(place, &ty.dims[axis], (base, &ty), scope)?);
        }
        selected.extend((places.len()..ty.dims.len()).map(|_| Place::All));
        let x = self.cut(x, &ty, &selected, span)?;
        // Computed places are left; each is a gather along the axis brought to the front.
        let mut axis = 0;
        let mut x = x;
        for place in &selected {
            match place {
                Place::At(_) => {}
                Place::Range(..) | Place::All => axis += 1,
                Place::Computed(at) => {
                    let rank = self.ty(x).dims.len();
                    let front: Vec<usize> = [axis].into_iter().chain((0..rank).filter(|a| *a != axis)).collect();
                    let turned = self.transpose(x, &front, span)?;
                    let rows = self.gather(turned, *at, span)?;
                    let new = self.ty(*at).dims.len();
                    // Axes are now [new…, others…]; the new ones go back to where the old one was.
                    let others: Vec<usize> = (new..new + rank - 1).collect();
                    let order: Vec<usize> =
                        others[..axis].iter().copied().chain(0..new).chain(others[axis..].iter().copied()).collect();
                    x = self.transpose(rows, &order, span)?;
                    axis += new;
                }
            }
        }
        Some(x)
    }

    fn cut(&mut self, x: ExprId, ty: &Ty, selected: &[Place], span: Span) -> Option<ExprId> {
        let (mut start, mut boxed, mut left) = (Vec::new(), Vec::new(), Vec::new());
        for (place, dim) in selected.iter().zip(&ty.dims) {
            let (from, dim, keep) = match place {
                Place::At(i) => (*i, Dim::of(1), false),
                Place::Range(from, n) => (*from, Dim::of(*n), true),
                Place::All | Place::Computed(_) => (0, dim.clone(), true),
            };
            start.push(from);
            boxed.push(dim.clone());
            if keep {
                left.push(dim);
            }
        }
        let cut = self.slice(x, start, boxed, span)?;
        self.reshape(cut, left, span)
    }

    fn one_place(&mut self, place: &Index, dim: &Dim, base: (&Expr, &Ty), scope: &Scope) -> Option<Place> {
        let end = self.last_index(dim, base.0.span)?;
        let scope = scope.with("end", Value::Tensor(end));
        match place {
            Index::Range(None, None) => Some(Place::All),
            Index::At(e) => {
                let at = self.expr(e, &scope)?;
                let Some(value) = self.constant(at) else {
                    if self.ty(at).dims.len() > 1 {
                        let d = Diagnostic::error(codes::NOT_SCALAR, e.span, "an index is a scalar or a vector")
                            .here(format!("shape {}", self.ty(at)));
                        return self.fail(d);
                    }
                    return Some(Place::Computed(at));
                };
                let Some(i) = whole(value, 0.0).filter(|i| *i < dim.size) else {
                    return self.outside(e.span, value, dim, base, &scope);
                };
                // A ragged axis may be shorter in this sample: the gather is clamped to what is there.
                Some(Place::At(i))
            }
            Index::Range(from, to) => {
                if dim.ragged.is_some() {
                    let d = Diagnostic::error(
                        codes::NOT_CONSTANT,
                        base.0.span,
                        "a range of an axis whose size differs between samples",
                    )
                    .here(format!("shape {}", base.1))
                    .help("take single entries, such as `x[0]` or `x[end]`, or the whole axis");
                    return self.fail(d);
                }
                let low = match from {
                    Some(e) => self.bound(e, dim, base, &scope)?,
                    None => 0,
                };
                let high = match to {
                    Some(e) => self.bound(e, dim, base, &scope)?,
                    None => dim.size,
                };
                if low < high {
                    return Some(Place::Range(low, high - low));
                }
                let at = to.as_ref().or(from.as_ref()).map_or(base.0.span, |e| e.span);
                let d = Diagnostic::error(codes::OUT_OF_RANGE, at, format!("the range {low}:{high} is empty"))
                    .here("a range stops before its end")
                    .help("`0:4` are the first four entries");
                self.fail(d)
            }
        }
    }

    fn bound(&mut self, e: &Expr, dim: &Dim, base: (&Expr, &Ty), scope: &Scope) -> Option<usize> {
        let value = self.constant_number(e, scope, "an end of a range")?;
        match whole(value, 0.0).filter(|i| *i <= dim.size) {
            Some(i) => Some(i),
            None => self.outside(e.span, value, dim, base, scope),
        }
    }

    fn outside<T>(&mut self, span: Span, value: f64, dim: &Dim, base: (&Expr, &Ty), scope: &Scope) -> Option<T> {
        let mut d = Diagnostic::error(codes::OUT_OF_RANGE, span, format!("index {value} is out of range"))
            .here(format!("this axis has the entries 0 … {}", dim.size - 1))
            .label(base.0.span, format!("shape {}", base.1));
        d = self.declared(d, base.0, scope);
        if value < 0.0 {
            d = d.help("count from the end with `end`: `x[end]`, `x[end - 1]`");
        }
        self.fail(d)
    }

    /// `end`: a number, or the length minus 1 of a ragged axis.
    fn last_index(&mut self, dim: &Dim, span: Span) -> Option<ExprId> {
        let one = self.number(1.0, span);
        match dim.ragged {
            Some(k) => {
                let length = self.push(Kind::Length(k), Ty::scalar(), span)?;
                self.map2(Binary::Sub, length, one, span)
            }
            #[allow(clippy::cast_precision_loss, reason = "sizes stay below 2^31")]
            None => Some(self.number(dim.size as f64 - 1.0, span)),
        }
    }
}
