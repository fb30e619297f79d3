//! Functions and systems that nothing calls have no shapes to check, but their names are looked up all the same.

use super::calls::signature;
use super::checker::Checker;
use super::codes;
use super::scope::Scope;
use crate::diag::Diagnostic;
use crate::syntax::ast::{Expr, ExprKind, FnArg, Index, ItemKind, Name};

impl Checker<'_> {
    /// Reports unknown names in what is never called, and warns that it is not.
    pub fn check_uncalled(&mut self, module: usize) {
        for d in 0..self.decls.len() {
            if self.decls[d].module != module || self.decls[d].used {
                continue;
            }
            let item = self.decls[d].item.clone();
            match &item.kind {
                ItemKind::Fn { name, args, body, .. } => {
                    let known: Vec<String> = args.iter().map(|a| a.name.text.clone()).collect();
                    self.names(body, &known, module);
                    self.warn_uncalled("function", name, args);
                }
                ItemKind::Ode { name, args, body, .. } => {
                    let mut known: Vec<String> = args.iter().map(|a| a.name.text.clone()).collect();
                    known.extend(body.iter().filter_map(super::items::declared_name).map(|n| n.text.clone()));
                    known.push("t".into());
                    for inner in body {
                        if let ItemKind::Equation { value, .. } | ItemKind::Let { value, .. } = &inner.kind {
                            self.names(value, &known, module);
                        }
                    }
                    self.warn_uncalled("system", name, args);
                }
                _ => {}
            }
        }
    }

    fn warn_uncalled(&mut self, what: &str, name: &Name, args: &[FnArg]) {
        let d = Diagnostic::error(codes::UNUSED, name.span, format!("the {what} `{}` is never called", name.text))
            .here("its shapes are not checked")
            .help(format!("call it, `{}`, or remove it", signature(&name.text, args)))
            .warning();
        self.report(d);
    }

    fn names(&mut self, body: &Expr, known: &[String], module: usize) {
        let mut stack = vec![(body, known.to_vec())];
        while let Some((e, known)) = stack.pop() {
            let mut inner = |e| stack.push((e, known.clone()));
            match &e.kind {
                ExprKind::Name(name) => {
                    if !known.contains(name) && !self.is_known(name, module) {
                        let mut scope = Scope::of(module);
                        let poison = |n: &String| (n.clone(), super::scope::Value::Poison);
                        scope.locals = known.iter().map(poison).collect();
                        let _ = self.resolve(name, e.span, &scope);
                    }
                }
                ExprKind::Unary(_, a) => inner(a.as_ref()),
                ExprKind::Binary(_, a, b) | ExprKind::Pipe(a, b) => [a, b].into_iter().for_each(|x| inner(x.as_ref())),
                ExprKind::If(a, b, c) => [a, b, c].into_iter().for_each(|x| inner(x.as_ref())),
                ExprKind::Call(f, args) => {
                    std::iter::once(f.as_ref()).chain(args.iter().map(|a| &a.value)).for_each(inner);
                }
                ExprKind::List(parts) => parts.iter().for_each(inner),
                ExprKind::Index(a, places) => {
                    inner(a.as_ref());
                    let mut with_end = known.clone();
                    with_end.push("end".into());
                    for place in places {
                        let ends = match place {
                            Index::At(e) => [Some(e), None],
                            Index::Range(a, b) => [a.as_ref(), b.as_ref()],
                        };
                        stack.extend(ends.into_iter().flatten().map(|e| (e, with_end.clone())));
                    }
                }
                ExprKind::Comprehension(_, names, a) => {
                    let mut with = known.clone();
                    with.extend(names.iter().map(|n| n.text.clone()));
                    stack.push((a.as_ref(), with));
                }
                // A field of a module is looked up when it is used.
                ExprKind::Field(..) | ExprKind::Number(_) | ExprKind::Text(_) | ExprKind::Bool(_) | ExprKind::Error => {
                }
            }
        }
    }

    fn is_known(&self, name: &str, module: usize) -> bool {
        name == "pi"
            || self.find_decl(module, name).is_some()
            || super::builtins::find(name).is_some()
            || self.find_module(module, name).is_some()
    }
}
