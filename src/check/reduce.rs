//! Reductions over all entries or one axis; padding of ragged axes is left out.

use super::calls::Args;
use super::checker::Checker;
use super::codes;
use super::program::{Dim, ExprId, Kind, Ty};
use super::shapes::whole;
use crate::diag::{Diagnostic, Span};
use crate::graph::{Binary, Relation, Unary};

/// The functions that take an axis.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Reduction {
    Sum,
    Mean,
    Min,
    Max,
    LogSumExp,
    Norm,
    /// Keeps the axis.
    Softmax,
    /// Keeps the axis.
    LogSoftmax,
}

impl Reduction {
    pub fn of(name: &str) -> Option<Self> {
        Some(match name {
            "sum" => Self::Sum,
            "mean" => Self::Mean,
            "min" => Self::Min,
            "max" => Self::Max,
            "logsumexp" => Self::LogSumExp,
            "norm" => Self::Norm,
            "softmax" => Self::Softmax,
            "log_softmax" => Self::LogSoftmax,
            _ => return None,
        })
    }
}

impl Checker<'_> {
    /// A call of a reduction.
    pub fn reduction(&mut self, name: &str, f: Reduction, given: &Args, span: Span) -> Option<ExprId> {
        let ([x], named) = (given.positional.as_slice(), given.named.as_slice()) else {
            let d = super::calls::wrong_count(super::builtins::signature(name), given.positional.len(), span);
            return self.fail(d);
        };
        let mut axis = None;
        for (keyword, g) in named {
            if keyword.text != "axis" {
                let d = Diagnostic::error(
                    codes::ARGUMENTS,
                    keyword.span,
                    format!("`{name}` has no argument `{}`", keyword.text),
                )
                .here("unknown argument")
                .note(format!("the signature: `{}`", super::builtins::signature(name)));
                return self.fail(d);
            }
            let rank = self.ty(x.id).dims.len();
            let value = self.constant(g.id).and_then(|v| whole(v, 0.0)).filter(|a| *a < rank);
            if value.is_none() {
                let d = Diagnostic::error(codes::AXIS, g.expr.span, "there is no such axis")
                    .here("an axis is a number from 0")
                    .label(x.expr.span, format!("shape {}", self.ty(x.id)));
                return self.fail(d);
            }
            axis = value;
        }
        self.reduce(f, x.id, axis, span)
    }

    /// Which entries of a ragged axis are there in this sample.
    pub fn mask(&mut self, dim: Dim, span: Span) -> Option<ExprId> {
        let k = dim.ragged?;
        let iota = self.push(Kind::Iota, Ty::of(vec![dim]), span)?;
        let length = self.push(Kind::Length(k), Ty::scalar(), span)?;
        self.compare(Relation::Less, iota, length, span)
    }

    /// `x` with `neutral` in the padding of `axes`.
    fn masked(&mut self, x: ExprId, axes: &[usize], neutral: f64, span: Span) -> Option<ExprId> {
        let dims = self.ty(x).dims;
        let mut x = x;
        for &axis in axes {
            if dims[axis].ragged.is_some() {
                let mask = self.mask(dims[axis].clone(), span)?;
                let mask = self.broadcast(mask, &[axis], dims.clone(), span)?;
                let fill = self.number(neutral, span);
                x = self.select(mask, x, fill, span)?;
            }
        }
        Some(x)
    }

    /// A reduction of the language over all entries or along `axis`.
    pub fn reduce(&mut self, f: Reduction, x: ExprId, axis: Option<usize>, span: Span) -> Option<ExprId> {
        let dims = self.ty(x).dims;
        let over: Vec<usize> = axis.map_or_else(|| (0..dims.len()).collect(), |a| vec![a]);
        match f {
            Reduction::Sum => {
                let x = self.masked(x, &over, 0.0, span)?;
                if over.is_empty() { Some(x) } else { self.sum_axes(x, &over, span) }
            }
            Reduction::Mean => {
                let total = self.reduce(Reduction::Sum, x, axis, span)?;
                let count = self.count(&dims, &over, span)?;
                self.map2(Binary::Div, total, count, span)
            }
            Reduction::Norm => {
                let square = self.map2(Binary::Mul, x, x, span)?;
                let total = self.reduce(Reduction::Sum, square, axis, span)?;
                self.map1(Unary::Sqrt, total, span)
            }
            Reduction::Max => {
                let x = self.masked(x, &over, f64::NEG_INFINITY, span)?;
                self.along_last(x, axis, span, Kind::MaxLast)
            }
            Reduction::Min => {
                let x = self.masked(x, &over, f64::INFINITY, span)?;
                let minus = self.map1(Unary::Neg, x, span)?;
                let top = self.along_last(minus, axis, span, Kind::MaxLast)?;
                self.map1(Unary::Neg, top, span)
            }
            Reduction::LogSumExp => {
                let x = self.masked(x, &over, f64::NEG_INFINITY, span)?;
                self.along_last(x, axis, span, Kind::LogSumExpLast)
            }
            Reduction::LogSoftmax | Reduction::Softmax => {
                let total = self.reduce(Reduction::LogSumExp, x, axis, span)?;
                let kept: Vec<usize> = (0..dims.len()).filter(|a| !over.contains(a)).collect();
                let wide = self.broadcast(total, &kept, dims, span)?;
                let log = self.map2(Binary::Sub, x, wide, span)?;
                if f == Reduction::Softmax { self.map1(Unary::Exp, log, span) } else { Some(log) }
            }
        }
    }

    /// The number of entries along `axes`.
    fn count(&mut self, dims: &[Dim], axes: &[usize], span: Span) -> Option<ExprId> {
        let mut count = self.number(1.0, span);
        for &axis in axes {
            let n = match dims[axis].ragged {
                Some(k) => self.push(Kind::Length(k), Ty::scalar(), span)?,
                #[allow(clippy::cast_precision_loss, reason = "sizes stay below 2^31")]
                None => self.number(dims[axis].size as f64, span),
            };
            count = self.map2(Binary::Mul, count, n, span)?;
        }
        Some(count)
    }

    fn along_last(&mut self, x: ExprId, axis: Option<usize>, span: Span, make: fn(ExprId) -> Kind) -> Option<ExprId> {
        let ty = self.ty(x);
        if ty.is_scalar() {
            return Some(x);
        }
        let x = match axis {
            None => self.reshape(x, vec![ty.flat()], span)?,
            Some(a) => {
                let order: Vec<usize> = (0..ty.dims.len()).filter(|k| *k != a).chain([a]).collect();
                self.transpose(x, &order, span)?
            }
        };
        let mut dims = self.ty(x).dims;
        dims.pop();
        self.push(make(x), Ty::of(dims), span)
    }
}
