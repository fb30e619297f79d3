//! Events: a condition becomes a function that is zero where it begins to hold; resets become values of states.

use super::checker::Checker;
use super::codes;
use super::program::{EventInfo, ExprId, Kind};
use super::scope::Scope;
use crate::diag::{Diagnostic, Span};
use crate::graph::{Binary, Relation, Unary};
use crate::solve::{Method, Stepping};
use crate::syntax::ast::{Expr, ItemKind, Name};

impl Checker<'_> {
    /// Checks the events of system `k`.
    pub fn events(&mut self, k: u32, module: usize, scope: &Scope) {
        for item in self.modules[module].events.clone() {
            let ItemKind::Event { name, condition, resets, stops } = &item.kind else { continue };
            let when = self.event_condition(k, condition, scope);
            let resets = self.event_resets(k, module, resets, scope);
            if resets.as_ref().is_some_and(Vec::is_empty) && !*stops {
                let d = Diagnostic::error(codes::EVENT, name.span, format!("the event `{}` does nothing", name.text))
                    .here("neither a reset nor `stop`")
                    .help("reset a state, `{ v := -0.8*v }`, or end the solution, `{ stop }`");
                self.report(d);
                continue;
            }
            if self.program.systems[k as usize].options.stepping == Stepping::Batch {
                let d = Diagnostic::error(codes::EVENT, name.span, "samples with events cannot share one step size")
                    .here("each sample has its events at its own times")
                    .help("use `step = sample`");
                self.report(d);
                continue;
            }
            if self.program.systems[k as usize].options.memory.is_some() {
                let d = Diagnostic::error(codes::EVENT, name.span, "`memory` cannot be combined with events")
                    .here("this system has an event")
                    .help("leave `memory` out, or use `gradient = backsolve`, which keeps no steps");
                self.report(d);
                continue;
            }
            let options = &self.program.systems[k as usize].options;
            let grid = matches!(options.method, Method::Symplectic(_));
            if grid || options.reversible || !options.stops.is_empty() || !options.penalties.is_none() {
                let word = match options {
                    o if o.reversible => "reversible steps",
                    o if !o.stops.is_empty() => "`stops`",
                    o if !o.penalties.is_none() => "penalties on the steps",
                    o => o.method.name(),
                };
                let d = Diagnostic::error(codes::EVENT, name.span, format!("{word} cannot be combined with events"))
                    .here("this system has an event")
                    .help(if grid {
                        "use a Runge–Kutta method, an implicit one, or `adams`"
                    } else {
                        "leave them out"
                    });
                self.report(d);
                continue;
            }
            if let (Some((when, either)), Some(resets)) = (when, resets) {
                let event = EventInfo { name: name.text.clone(), when, either, resets, stops: *stops, span: name.span };
                self.program.systems[k as usize].events.push(event);
            }
        }
    }

    /// Events in a file without states.
    pub fn events_without_states(&mut self, module: usize) {
        for item in self.modules[module].events.clone() {
            let ItemKind::Event { name, .. } = &item.kind else { continue };
            let d = Diagnostic::error(codes::EVENT, name.span, format!("the event `{}` has no states", name.text))
                .here("nothing varies in time here")
                .help("an event belongs to the states beside it, or stands inside of an `ode`");
            self.report(d);
        }
    }

    /// A function that rises through zero where the condition begins to hold; whether it also fires where it ends.
    fn event_condition(&mut self, k: u32, e: &Expr, scope: &Scope) -> Option<(ExprId, bool)> {
        let id = self.expr(e, scope)?;
        let id = self.own_signal(id, e.span, k)?;
        let id = self.scalar(id, e.span, "the condition of an event")?;
        let id = self.boolean(id, e.span, "the condition of an event")?;
        if self.program.expr(id).signal.is_none() {
            let d = Diagnostic::error(codes::EVENT, e.span, "this condition never changes")
                .here("depends neither on a state nor on `t`")
                .help("an event fires where its condition begins to hold, such as `y < 0` or `t >= 5`");
            return self.fail(d);
        }
        if let Kind::Compare(Relation::Equal, a, b) = self.program.expr(id).kind {
            return Some((self.map2(Binary::Sub, a, b, e.span)?, true));
        }
        Some((self.rising(id, e.span)?, false))
    }

    /// Positive where the condition holds, negative where it does not.
    fn rising(&mut self, id: ExprId, span: Span) -> Option<ExprId> {
        let node = self.program.expr(id).clone();
        match node.kind {
            Kind::Compare(Relation::Less | Relation::LessEq, a, b) => self.map2(Binary::Sub, b, a, span),
            Kind::Map1(Unary::Not, a) => {
                let a = self.rising(a, span)?;
                self.map1(Unary::Neg, a, span)
            }
            Kind::Map2(f @ (Binary::Min | Binary::Max), a, b) if node.ty.is_bool => {
                let (a, b) = (self.rising(a, span), self.rising(b, span));
                self.map2(f, a?, b?, span)
            }
            _ => {
                let d = Diagnostic::error(codes::EVENT, span, "this condition has no moment at which it begins")
                    .here("not a comparison of numbers that vary smoothly")
                    .help(
                        "write `<`, `<=`, `>` or `>=`, joined by `and`, `or`, `not`; or one `==` for both directions",
                    );
                self.fail(d)
            }
        }
    }

    fn event_resets(
        &mut self,
        k: u32,
        module: usize,
        resets: &[(Name, Expr)],
        scope: &Scope,
    ) -> Option<Vec<(usize, ExprId)>> {
        let states = self.program.systems[k as usize].states.clone();
        let names: Vec<String> = states.iter().map(|s| s.name.clone()).collect();
        let mut found: Vec<(usize, ExprId)> = Vec::new();
        let mut good = true;
        for (name, value) in resets {
            let Some(index) = names.iter().position(|n| *n == name.text) else {
                self.equation_without_state(name, &names, module);
                good = false;
                continue;
            };
            if found.iter().any(|f| f.0 == index) {
                let d = Diagnostic::error(codes::DUPLICATE, name.span, format!("`{}` is reset twice", name.text))
                    .here("the second value")
                    .help("all resets of an event happen at once, from the values before it");
                self.report(d);
                good = false;
                continue;
            }
            let id = self.expr(value, scope).and_then(|id| self.own_signal(id, value.span, k));
            let mut ty = states[index].ty.clone();
            let id = id.and_then(|id| self.fit(id, value, &mut ty, false, (states[index].span, name), scope));
            match id {
                Some(id) => found.push((index, id)),
                None => good = false,
            }
        }
        good.then_some(found)
    }
}
