//! Fused elementwise loops.

use super::{Addr, Elem, Emitter};
use crate::codegen::layout::{Axes, View, collapse, signed};
use crate::codegen::plan::{Action, Domain, Line, Operand};
use cranelift::prelude::*;
use std::collections::HashMap;

/// Loops of at most this many emitted operations are written out.
const UNROLL: i64 = 96;

struct Nest<'l> {
    lines: &'l [Line],
    sizes: Axes,
    steps: Vec<Axes>,
    views: Vec<View>,
}

impl Nest<'_> {
    fn view(&self, view: &View) -> usize {
        self.views.iter().position(|v| v == view).unwrap_or(0)
    }

    /// Whether the innermost axis can be walked in vectors.
    fn vector(&self) -> bool {
        self.steps.iter().all(|s| s.last().is_none_or(|&k| k == 0 || k == 1))
            && self
                .lines
                .iter()
                .all(|l| l.store.as_ref().is_none_or(|v| self.steps[self.view(v)].last().is_none_or(|&k| k == 1)))
    }
}

impl Emitter<'_, '_> {
    /// One loop nest over `domain`.
    pub(super) fn elementwise(&mut self, domain: &Domain, lines: &[Line]) {
        let lanes = if domain.1 { self.lanes } else { 1 };
        let mut sizes: Vec<i64> = domain.0.iter().map(|&n| signed(n)).collect();
        sizes.push(lanes);
        let mut views: Vec<View> = Vec::new();
        for line in lines {
            let loads = line.args.iter().filter_map(|a| match a {
                Operand::Load(v) => Some(v),
                Operand::Value(_) | Operand::Const(_) => None,
            });
            for v in loads.chain(&line.store) {
                if !views.contains(v) {
                    views.push(v.clone());
                }
            }
        }
        let steps: Vec<Axes> =
            views.iter().map(|v| v.strides.iter().copied().chain(std::iter::once(v.lane)).collect()).collect();
        let (sizes, steps) = collapse(&sizes, &steps);
        let nest = Nest { lines, sizes, steps, views };
        let addrs: Vec<Addr> = nest.views.iter().map(|v| self.address(v)).collect();
        self.nest(&nest, 0, addrs);
    }

    fn nest(&mut self, nest: &Nest, level: usize, addrs: Vec<Addr>) {
        let depth = nest.sizes.len();
        if depth == 0 {
            let mut loaded = HashMap::new();
            self.body(nest, &addrs, false, &mut loaded);
            return;
        }
        if level + 1 == depth {
            self.innermost(nest, &addrs);
            return;
        }
        let (n, bytes) = (nest.sizes[level], self.elem.bytes);
        let inner: i64 = nest.sizes[level + 1..].iter().product();
        let cost = inner.div_euclid(if nest.vector() { self.elem.width } else { 1 }).max(1) * signed(nest.lines.len());
        if n * cost <= UNROLL {
            for i in 0..n {
                let moved = addrs
                    .iter()
                    .zip(&nest.steps)
                    .map(|(a, s)| Addr { pointer: a.pointer, offset: a.offset + i * s[level] * bytes })
                    .collect();
                self.nest(nest, level + 1, moved);
            }
            return;
        }
        self.count(n, 1, &mut |e, i| {
            let moved = addrs.iter().zip(&nest.steps).map(|(a, s)| e.advance(*a, i, s[level] * bytes)).collect();
            e.nest(nest, level + 1, moved);
        });
    }

    fn innermost(&mut self, nest: &Nest, addrs: &[Addr]) {
        let last = nest.sizes.len() - 1;
        let n = nest.sizes[last];
        let Elem { width, bytes, .. } = self.elem;
        let wide = if nest.vector() { n - n % width } else { 0 };
        let at = |i: i64, a: &Addr, s: &Axes| Addr { pointer: a.pointer, offset: a.offset + i * s[last] * bytes };
        if wide > 0 {
            if wide / width * signed(nest.lines.len()) <= UNROLL {
                let mut fixed = HashMap::new();
                for i in (0..wide).step_by(usize::try_from(width).unwrap_or(1)) {
                    let moved: Vec<Addr> = addrs.iter().zip(&nest.steps).map(|(a, s)| at(i, a, s)).collect();
                    self.body(nest, &moved, true, &mut fixed);
                    fixed.retain(|&(v, _), _| nest.steps[v][last] == 0);
                }
            } else {
                let mut fixed = self.fixed(nest, addrs, last);
                self.count(wide * bytes, width * bytes, &mut |e, i| {
                    let moved: Vec<Addr> =
                        addrs.iter().zip(&nest.steps).map(|(a, s)| e.advance(*a, i, s[last])).collect();
                    e.body(nest, &moved, true, &mut fixed);
                    fixed.retain(|&(v, _), _| nest.steps[v][last] == 0);
                });
            }
        }
        let rest = n - wide;
        if rest * signed(nest.lines.len()) <= UNROLL {
            for i in wide..n {
                let moved: Vec<Addr> = addrs.iter().zip(&nest.steps).map(|(a, s)| at(i, a, s)).collect();
                self.body(nest, &moved, false, &mut HashMap::new());
            }
        } else {
            let start: Vec<Addr> = addrs.iter().zip(&nest.steps).map(|(a, s)| at(wide, a, s)).collect();
            self.count(rest, 1, &mut |e, i| {
                let moved: Vec<Addr> =
                    start.iter().zip(&nest.steps).map(|(a, s)| e.advance(*a, i, s[last] * bytes)).collect();
                e.body(nest, &moved, false, &mut HashMap::new());
            });
        }
    }

    /// What is the same for the whole innermost axis, loaded before it.
    fn fixed(&mut self, nest: &Nest, addrs: &[Addr], last: usize) -> HashMap<(usize, bool), Value> {
        let mut fixed = HashMap::new();
        for (v, addr) in addrs.iter().enumerate() {
            let stored = nest.lines.iter().any(|l| l.store.as_ref() == Some(&nest.views[v]));
            if nest.steps[v][last] == 0 && !stored {
                let x = self.load(self.elem.scalar, *addr);
                fixed.insert((v, true), self.b.ins().splat(self.elem.vector, x));
            }
        }
        fixed
    }

    /// One point (or one vector of points) of the index space.
    fn body(&mut self, nest: &Nest, addrs: &[Addr], wide: bool, loaded: &mut HashMap<(usize, bool), Value>) {
        let mut values: Vec<Value> = Vec::with_capacity(nest.lines.len());
        for line in nest.lines {
            let mut args = Vec::with_capacity(line.args.len());
            for arg in &line.args {
                args.push(match arg {
                    Operand::Value(k) => values[*k],
                    Operand::Const(c) => self.constant(*c, wide),
                    Operand::Load(view) => {
                        let v = nest.view(view);
                        match loaded.get(&(v, wide)) {
                            Some(&x) => x,
                            None => {
                                let x = self.fetch(nest, v, addrs[v], wide);
                                loaded.insert((v, wide), x);
                                x
                            }
                        }
                    }
                });
            }
            let mut value = self.action(line.action, &args, wide);
            if let Some(view) = &line.store {
                let v = nest.view(view);
                if line.add {
                    let before = self.fetch(nest, v, addrs[v], wide);
                    value = self.b.ins().fadd(before, value);
                }
                self.store(value, addrs[v]);
            }
            values.push(value);
        }
    }

    fn fetch(&mut self, nest: &Nest, v: usize, addr: Addr, wide: bool) -> Value {
        let Elem { scalar, vector, .. } = self.elem;
        match (wide, nest.steps[v].last()) {
            (true, Some(1)) => self.load(vector, addr),
            (true, _) => {
                let x = self.load(scalar, addr);
                self.b.ins().splat(vector, x)
            }
            (false, _) => self.load(scalar, addr),
        }
    }

    fn action(&mut self, action: Action, args: &[Value], wide: bool) -> Value {
        match action {
            Action::Map1(f) => self.map1(f, args[0], wide),
            Action::Map2(f) => self.map2(f, args[0], args[1], wide),
            Action::Compare(r) => self.compare(r, args[0], args[1], wide),
            Action::Select => self.select(args[0], args[1], args[2], wide),
            Action::Product => {
                let mut product = args[0];
                for &x in &args[1..] {
                    product = self.b.ins().fmul(product, x);
                }
                product
            }
            Action::Copy => args[0],
        }
    }
}
