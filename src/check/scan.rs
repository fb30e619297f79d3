//! `scan(cell, h0, xs)`: h ← cell(h, x) for each row x of `xs`, written out step by step.

use super::checker::Checker;
use super::codes;
use super::program::{Dim, ExprId, Kind, Ty};
use super::scope::{Scope, Value};
use crate::diag::{Diagnostic, Span};
use crate::graph::Relation;
use crate::syntax::ast::{Arg, Expr, ExprKind, ItemKind};

/// Every step is written out, so there is a limit.
const MAX_STEPS: usize = 1024;

impl Checker<'_> {
    /// The states of a fold along the first axis: the last one, and all of them in the order of the rows.
    pub fn scan(&mut self, args: &[Arg], span: Span, scope: &Scope) -> Option<Value> {
        let positional: Vec<&Expr> = args.iter().filter(|a| a.name.is_none()).map(|a| &a.value).collect();
        let [cell, start, rows] = positional.as_slice() else {
            let d = super::calls::wrong_count(super::builtins::signature("scan"), args.len(), span);
            return self.fail(d);
        };
        let mut reverse = false;
        for arg in args {
            match (&arg.name, &arg.value.kind) {
                (None, _) => {}
                (Some(name), ExprKind::Bool(value)) if name.text == "reverse" => reverse = *value,
                (Some(name), _) => {
                    let d = Diagnostic::error(
                        codes::ARGUMENTS,
                        name.span,
                        "`scan` has one option, `reverse = true` or `false`",
                    )
                    .here("not this");
                    return self.fail(d);
                }
            }
        }
        let (h, xs) = (self.expr(start, scope), self.expr(rows, scope));
        let (mut h, xs) = (h?, xs?);
        let ty = self.ty(xs);
        let Some(steps) = ty.dims.first().cloned().filter(|d| d.size <= MAX_STEPS) else {
            let d = Diagnostic::error(
                codes::NOT_SCALAR,
                rows.span,
                format!("`scan` folds the rows of a tensor, {MAX_STEPS} at most"),
            )
            .here(format!("shape {ty}"));
            return self.fail(d);
        };
        let order: Vec<usize> = if reverse { (0..steps.size).rev().collect() } else { (0..steps.size).collect() };
        let mut all = vec![h; steps.size];
        for i in order {
            let x = self.row(xs, i, rows.span)?;
            let new = self.step(cell, (h, start), (x, rows), scope)?;
            if !self.ty(new).fits(&self.ty(h)) {
                let d = Diagnostic::error(
                    codes::ARGUMENT_SHAPE,
                    cell.span,
                    "a cell gives the next state, of the shape of the first",
                )
                .here(format!("gives {}", self.ty(new)))
                .label(start.span, format!("starts with {}", self.ty(h)));
                return self.fail(d);
            }
            h = self.where_present(&steps, i, new, h, span)?;
            all[i] = h;
        }
        let mut parts = Vec::new();
        for state in all {
            let dims: Vec<Dim> = std::iter::once(Dim::of(1)).chain(self.ty(state).dims).collect();
            parts.push(self.reshape(state, dims, span)?);
        }
        let dims: Vec<Dim> = std::iter::once(steps).chain(self.ty(h).dims).collect();
        let all =
            if let [one] = parts.as_slice() { *one } else { self.push(Kind::Concat(0, parts), Ty::of(dims), span)? };
        Some(Value::Folded { last: h, all })
    }

    fn row(&mut self, xs: ExprId, i: usize, span: Span) -> Option<ExprId> {
        let dims = self.ty(xs).dims;
        let mut start = vec![0; dims.len()];
        start[0] = i;
        let mut one = dims.clone();
        one[0] = Dim::of(1);
        let cut = self.slice(xs, start, one, span)?;
        self.reshape(cut, dims[1..].to_vec(), span)
    }

    /// Rows that a sample lacks leave the state as it is.
    fn where_present(&mut self, steps: &Dim, i: usize, new: ExprId, old: ExprId, span: Span) -> Option<ExprId> {
        let Some(k) = steps.ragged else { return Some(new) };
        #[allow(clippy::cast_precision_loss, reason = "at most 1024 steps")]
        let index = self.number(i as f64, span);
        let length = self.push(Kind::Length(k), Ty::scalar(), span)?;
        let present = self.compare(Relation::Less, index, length, span)?;
        self.select(present, new, old, span)
    }

    /// cell(h, x): a layer or a net takes the list [h, x], a function two arguments.
    fn step(&mut self, cell: &Expr, h: (ExprId, &Expr), x: (ExprId, &Expr), scope: &Scope) -> Option<ExprId> {
        let inner = scope.with("%h", Value::Tensor(h.0)).with("%x", Value::Tensor(x.0));
        let name = |n: &str, e: &Expr| Expr { kind: ExprKind::Name(n.into()), span: e.span };
        let list = Expr { kind: ExprKind::List(vec![name("%h", h.1), name("%x", x.1)]), span: cell.span };
        let (callee, args): (&Expr, &[Arg]) = match &cell.kind {
            ExprKind::Call(callee, args) => (callee, args),
            _ => (cell, &[]),
        };
        match self.value(callee, scope) {
            Value::Callable(d) if matches!(self.decls[d].item.kind, ItemKind::Layer { .. }) => {
                let joined = self.expr(&list, &inner)?;
                // One instance for one place in the text.
                let at = (usize::MAX - cell.span.file.0 as usize, cell.span.start as usize);
                let prefix = self.scan_prefix(at, d);
                self.run_layer(at, d, &prefix, (args, scope), (joined, cell.span))
            }
            Value::Poison => None,
            Value::Callable(d) => {
                let net = matches!(self.decls[d].item.kind, ItemKind::Net { .. });
                let plain = |value| Arg { name: None, value };
                let given = if net { vec![plain(list)] } else { vec![plain(name("%h", h.1)), plain(name("%x", x.1))] };
                match self.call(callee, &given, None, cell.span, &inner) {
                    Value::Tensor(id) => Some(id),
                    _ => None,
                }
            }
            _ => {
                let d = Diagnostic::error(codes::WRONG_KIND, cell.span, "this is no cell")
                    .here("not a layer, a net or a function")
                    .help("a cell is a layer such as `gru(25)`, or a function `fn cell(h, x) = …`");
                self.fail(d)
            }
        }
    }

    /// `gru.`, or `gru2.` for the second cell of that name.
    fn scan_prefix(&self, at: (usize, usize), layer: usize) -> String {
        let name = &self.decls[layer].name.text;
        if let Some(m) = self.layers.get(&at) {
            return self.modules[*m].prefix.clone();
        }
        let same = |p: &String| p.trim_end_matches(|c: char| c == '.' || c.is_ascii_digit()) == name;
        let others = self.layers.values().filter(|m| same(&self.modules[**m].prefix)).count();
        if others == 0 { format!("{name}.") } else { format!("{name}{}.", others + 1) }
    }
}
