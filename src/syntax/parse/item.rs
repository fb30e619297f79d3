//! Matched pairs → items.

use super::super::ast::{Expr, ExprKind, FnArg, Item, ItemKind, Name, Type};
use super::expr::{Builder, unescape};
use super::grammar::Rule;
use crate::diag::Span;
use pest::iterators::Pair;

/// The parts of an item, by kind and in order.
#[derive(Default)]
struct Parts {
    names: Vec<Name>,
    types: Vec<Type>,
    args: Vec<FnArg>,
    exprs: Vec<Expr>,
    /// What follows `~`.
    prior: Option<Expr>,
    resets: Vec<(Name, Expr)>,
    /// Whether `stop` stands among them.
    stops: bool,
    doc: Option<String>,
    /// The path of a `use`.
    path: Option<Name>,
    /// Whether `..` stands after one expression (`solve 0 .. 1`).
    span_first: bool,
}

impl Builder<'_, '_> {
    /// One item, with the items of its block, which were parsed apart.
    pub fn item(&mut self, pair: Pair<'_, Rule>, body: Vec<Item>) -> Option<Item> {
        let span = self.span(&pair);
        let rule = pair.as_rule();
        let mut parts = self.parts(pair);
        let doc = parts.doc.take();
        Some(Item { kind: kind(rule, parts, body, span)?, span, doc })
    }

    fn parts(&mut self, pair: Pair<'_, Rule>) -> Parts {
        let mut parts = Parts::default();
        let mut after_tilde = false;
        for part in pair.into_inner() {
            match part.as_rule() {
                Rule::name | Rule::module => parts.names.push(self.name(&part)),
                Rule::text => parts.path = Some(Name { text: unescape(part.as_str()), span: self.span(&part) }),
                Rule::ty => parts.types.push(self.ty(part)),
                Rule::arguments => {
                    let arguments = part.into_inner().filter(|p| p.as_rule() == Rule::argument);
                    parts.args = arguments.map(|p| self.argument(p)).collect();
                }
                Rule::tilde => after_tilde = true,
                Rule::dots => parts.span_first = parts.exprs.len() == 1,
                Rule::expr if after_tilde => parts.prior = Some(self.expr(part, 0)),
                Rule::expr => parts.exprs.push(self.expr(part, 0)),
                Rule::halt => parts.stops = true,
                Rule::reset => parts.resets.extend(self.reset(part)),
                Rule::doc => parts.doc = Some(unescape(part.as_str())),
                _ => {}
            }
        }
        parts
    }

    fn reset(&mut self, pair: Pair<'_, Rule>) -> Option<(Name, Expr)> {
        let mut parts = self.parts(pair);
        Some((parts.names.pop()?, parts.exprs.pop()?))
    }

    fn argument(&mut self, pair: Pair<'_, Rule>) -> FnArg {
        let span = self.span(&pair);
        let mut parts = self.parts(pair);
        let name = parts.names.pop().unwrap_or(Name { text: String::new(), span });
        FnArg { name, ty: parts.types.pop(), default: parts.exprs.pop() }
    }

    fn ty(&mut self, pair: Pair<'_, Rule>) -> Type {
        let mut ty = Type { span: self.span(&pair), ..Type::default() };
        for part in pair.into_inner() {
            match part.as_rule() {
                Rule::shape => ty.dims = self.exprs(part, 0),
                Rule::domain => ty.domain = Some(self.domain(part)),
                _ => {}
            }
        }
        ty
    }

    fn domain(&mut self, pair: Pair<'_, Rule>) -> Expr {
        let span = self.span(&pair);
        let mut result = Expr { kind: ExprKind::Error, span };
        for part in pair.into_inner() {
            let place = self.span(&part);
            match part.as_rule() {
                Rule::name => result = Expr { kind: ExprKind::Name(part.as_str().to_owned()), span: place },
                Rule::call => {
                    let args = self.args(part);
                    result = Expr { kind: ExprKind::Call(Box::new(result), args), span };
                }
                _ => {}
            }
        }
        result
    }
}

/// Puts the parts of an item where they belong. The grammar has seen to it that they are there.
fn kind(rule: Rule, parts: Parts, body: Vec<Item>, span: Span) -> Option<ItemKind> {
    let missing = || Expr { kind: ExprKind::Error, span };
    let mut names = parts.names.into_iter();
    let mut name = || names.next().unwrap_or(Name { text: String::new(), span });
    let mut types = parts.types.into_iter();
    let mut exprs = parts.exprs.into_iter();
    Some(match rule {
        Rule::model_item => ItemKind::Model { name: name() },
        Rule::use_item => {
            let is_path = parts.path.is_some();
            let what = parts.path.unwrap_or_else(&mut name);
            ItemKind::Use { what, is_path, alias: names.next() }
        }
        Rule::dim_item => ItemKind::Dim { name: name(), value: exprs.next() },
        Rule::param_item => {
            let name = name();
            let ty = types.next().unwrap_or_else(|| no_type(&name));
            ItemKind::Param { name, ty, init: exprs.next(), prior: parts.prior }
        }
        Rule::input_item => {
            let name = name();
            let ty = types.next().unwrap_or_else(|| no_type(&name));
            ItemKind::Input { name, ty }
        }
        Rule::noise_item => {
            let name = name();
            let ty = types.next().unwrap_or_else(|| no_type(&name));
            ItemKind::Noise { name, ty, dist: parts.prior.unwrap_or_else(missing) }
        }
        Rule::state_item => {
            let name = name();
            let ty = types.next().unwrap_or_else(|| no_type(&name));
            ItemKind::State { name, ty, init: exprs.next().unwrap_or_else(missing) }
        }
        Rule::net_item => ItemKind::Net {
            name: name(),
            from: types.next().unwrap_or_default(),
            to: types.next().unwrap_or_default(),
            body: exprs.next().unwrap_or_else(missing),
        },
        Rule::layer_item => ItemKind::Layer {
            name: name(),
            args: parts.args.into_iter().map(|a| (a.name, a.default)).collect(),
            from: types.next().unwrap_or_default(),
            to: types.next().unwrap_or_default(),
            body,
        },
        Rule::call_item => ItemKind::Call { arg: name(), value: exprs.next().unwrap_or_else(missing) },
        Rule::fn_item => ItemKind::Fn {
            name: name(),
            args: parts.args,
            result: types.next(),
            body: exprs.next().unwrap_or_else(missing),
        },
        Rule::data_item => ItemKind::Data { is_test: false, reader: exprs.next().unwrap_or_else(missing) },
        Rule::test_item => ItemKind::Data { is_test: true, reader: exprs.next().unwrap_or_else(missing) },
        Rule::equation => ItemKind::Equation { state: name(), value: exprs.next().unwrap_or_else(missing) },
        Rule::let_item => ItemKind::Let { name: name(), ty: types.next(), value: exprs.next().unwrap_or_else(missing) },
        Rule::loss_item => ItemKind::Loss { value: exprs.next().unwrap_or_else(missing) },
        Rule::metric_item => ItemKind::Metric { name: name(), value: exprs.next().unwrap_or_else(missing) },
        Rule::output_item => ItemKind::Output { name: name(), value: exprs.next().unwrap_or_else(missing) },
        Rule::solve_item => {
            let method = if parts.span_first { None } else { exprs.next() };
            ItemKind::Solve { method, over: exprs.next().zip(exprs.next()) }
        }
        Rule::train_item => ItemKind::Train { method: exprs.next().unwrap_or_else(missing) },
        Rule::event_item => ItemKind::Event {
            name: name(),
            condition: exprs.next().unwrap_or_else(missing),
            resets: parts.resets,
            stops: parts.stops,
        },
        Rule::ode_item => ItemKind::Ode { name: name(), args: parts.args, over: exprs.next().zip(exprs.next()), body },
        // Every item rule has its arm; pest's enum also holds the rules inside items.
        _ => return None,
    })
}

/// The type of an item that has none: scalar and real, written nowhere.
fn no_type(name: &Name) -> Type {
    Type { span: Span { start: name.span.end, ..name.span }, ..Type::default() }
}
