//! `conv2d(x, kernel, stride = 1, padding = 0)`, and `reshape(x, n, …)`, which images need.

use super::calls::{Args, Given, wrong_count};
use super::checker::Checker;
use super::codes;
use super::program::{Dim, ExprId, Kind, Ty};
use super::scope::Scope;
use super::shapes::whole;
use crate::diag::{Diagnostic, Span};
use crate::graph::conv_places;
use crate::syntax::ast::{Arg, Expr};

impl Checker<'_> {
    /// x `[channels, height, width]` with a kernel `[outputs, channels, height, width]`.
    pub(super) fn convolution(&mut self, given: &Args, span: Span, scope: &Scope) -> Option<ExprId> {
        let [x, kernel] = given.positional.as_slice() else {
            let d = wrong_count(super::builtins::signature("conv2d"), given.positional.len(), span);
            return self.fail(d);
        };
        let (mut stride, mut padding) = (Some(1), Some(0));
        for (name, value) in &given.named {
            match name.text.as_str() {
                "stride" => stride = self.window_option(value, 1.0, "the stride of `conv2d`"),
                "padding" => padding = self.window_option(value, 0.0, "the padding of `conv2d`"),
                _ => {
                    let text = format!("`conv2d` has no argument `{}`", name.text);
                    let d = Diagnostic::error(codes::ARGUMENTS, name.span, text)
                        .here("unknown argument")
                        .note(format!("the signature: `{}`", super::builtins::signature("conv2d")));
                    return self.fail(d);
                }
            }
        }
        let (stride, padding) = (stride?, padding?);
        let (image, window) = (self.ty(x.id), self.ty(kernel.id));
        let ([channels, h, w], [outputs, inner, kh, kw]) = (image.dims.as_slice(), window.dims.as_slice()) else {
            return self.no_convolution("`conv2d` needs an image and a kernel", (x, kernel), span, scope);
        };
        if image.dims.iter().chain(&window.dims).any(|d| d.ragged.is_some()) {
            let text = "`conv2d` needs sizes that are the same in every sample";
            return self.no_convolution(text, (x, kernel), span, scope);
        }
        if !inner.fits(channels) {
            let text = format!("the kernel is for {} channels, the image has {}", inner.size, channels.size);
            return self.no_convolution(&text, (x, kernel), span, scope);
        }
        let places = |along: &Dim, window: &Dim| conv_places(along.size, window.size, stride, padding);
        let (Some(rows), Some(columns)) = (places(h, kh), places(w, kw)) else {
            let text = format!("a window of {} × {} is larger than the image", kh.size, kw.size);
            return self.no_convolution(&text, (x, kernel), span, scope);
        };
        let dims = vec![outputs.clone(), Dim::of(rows), Dim::of(columns)];
        let kind = Kind::Conv { x: x.id, kernel: kernel.id, stride, padding };
        self.push(kind, Ty::of(dims), span)
    }

    fn no_convolution(&mut self, text: &str, of: (&Given, &Given), span: Span, scope: &Scope) -> Option<ExprId> {
        let (x, kernel) = of;
        let d = Diagnostic::error(codes::SHAPES, span, text)
            .label(x.expr.span, format!("image: shape {}", self.ty(x.id)))
            .label(kernel.expr.span, format!("kernel: shape {}", self.ty(kernel.id)));
        let d = self.declared(d, x.expr, scope);
        let d = self.declared(d, kernel.expr, scope);
        self.fail(d.help(
            "the image is `[channels, height, width]`, the kernel `[outputs, channels, height, width]`; it must fit into \
             the image with `padding` zeros on every side",
        ))
    }

    fn window_option(&mut self, value: &Given, least: f64, what: &str) -> Option<usize> {
        let found = super::constant::evaluate(&self.program, value.id).filter(|v| v.len() == 1);
        if let Some(n) = found.and_then(|v| whole(v[0], least)) {
            return Some(n);
        }
        let d = Diagnostic::error(codes::BAD_SIZE, value.expr.span, format!("{what} is a whole number from {least}"))
            .here("not this")
            .help("it is the same in both directions, and known beforehand");
        self.fail(d)
    }

    /// The entries of `x` in their order, on other axes.
    pub(super) fn reshaped(
        &mut self,
        args: &[Arg],
        piped: Option<(ExprId, &Expr)>,
        span: Span,
        scope: &Scope,
    ) -> Option<ExprId> {
        let (x, at, sizes) = match (piped, args) {
            (Some((id, e)), sizes) => (Some(id), e.span, sizes),
            (None, [first, sizes @ ..]) => (self.expr(&first.value, scope), first.value.span, sizes),
            (None, []) => {
                let d = wrong_count(super::builtins::signature("reshape"), 0, span);
                return self.fail(d);
            }
        };
        let dims = sizes.iter().map(|a| self.dim(&a.value, scope)).collect::<Option<Vec<_>>>();
        let (x, dims) = (x?, dims?);
        let (from, to) = (self.ty(x), Ty::of(dims));
        let entries = |ty: &Ty| ty.dims.iter().try_fold(1_usize, |n, d| n.checked_mul(d.size));
        let ragged = from.dims.iter().chain(&to.dims).any(|d| d.ragged.is_some());
        if ragged || entries(&from) != entries(&to) {
            let why = if ragged { "has no fixed number of entries" } else { "has another number of entries" };
            let d = Diagnostic::error(codes::SHAPES, span, format!("`reshape` cannot make {to} of {from}"))
                .label(at, format!("shape {from}"))
                .help(format!("{to} {why}: entries keep their order, and none is left out or added"));
            return self.fail(d);
        }
        self.reshape(x, to.dims, span)
    }
}
