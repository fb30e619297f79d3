//! Sums of products as loop nests.

use super::{Addr, Emitter};
use crate::codegen::layout::{Axes, collapse};
use crate::codegen::plan::Contraction;
use cranelift::codegen::ir::BlockArg;
use cranelift::prelude::*;

/// The loops: kept indices outside, summed ones inside, with the steps of every operand (and of the result).
struct Sum {
    kept: Axes,
    steps: Vec<Axes>,
    summed: Axes,
    over: Vec<Axes>,
    add: bool,
}

impl Emitter<'_, '_> {
    /// Loops over the kept indices, the innermost in vectors where it can; inside, loops over the summed ones.
    pub(super) fn sum_nest(&mut self, c: &Contraction) {
        let mut steps: Vec<Axes> = c.operands.iter().map(|o| o.1.iter().copied().collect()).collect();
        steps.push(c.out.1.iter().copied().collect());
        let (kept, steps) = collapse(&c.kept, &steps);
        let over: Vec<Axes> = c.operands.iter().map(|o| o.2.iter().copied().collect()).collect();
        let (summed, over) = collapse(&c.summed, &over);
        let mut addrs: Vec<Addr> = c.operands.iter().map(|o| self.address(&o.0)).collect();
        addrs.push(self.address(&c.out.0));
        let nest = Sum { kept, steps, summed, over, add: c.add };
        self.kept(&nest, 0, addrs);
    }

    fn kept(&mut self, s: &Sum, level: usize, addrs: Vec<Addr>) {
        let bytes = self.elem.bytes;
        let Some(&n) = s.kept.get(level) else {
            self.point(s, &addrs, false, None);
            return;
        };
        let last = level + 1 == s.kept.len();
        let operands = s.steps.len() - 1;
        let vector =
            last && s.steps[operands][level] == 1 && s.steps[..operands].iter().all(|t| t[level] == 0 || t[level] == 1);
        let width = self.elem.width;
        let wide = if vector { n - n % width } else { 0 };
        if wide > 0 {
            self.count(wide, width, &mut |e, i| {
                let moved: Vec<Addr> =
                    addrs.iter().zip(&s.steps).map(|(a, t)| e.advance(*a, i, t[level] * bytes)).collect();
                e.point(s, &moved, true, Some(level));
            });
        }
        if n > wide {
            let start: Vec<Addr> = addrs
                .iter()
                .zip(&s.steps)
                .map(|(a, t)| Addr { pointer: a.pointer, offset: a.offset + wide * t[level] * bytes })
                .collect();
            self.count(n - wide, 1, &mut |e, i| {
                let moved: Vec<Addr> =
                    start.iter().zip(&s.steps).map(|(a, t)| e.advance(*a, i, t[level] * bytes)).collect();
                if last {
                    e.point(s, &moved, false, None);
                } else {
                    e.kept(s, level + 1, moved);
                }
            });
        }
    }

    /// One entry (or vector of entries) of the result.
    fn point(&mut self, s: &Sum, addrs: &[Addr], wide: bool, axis: Option<usize>) {
        let (out, operands) = (addrs[addrs.len() - 1], &addrs[..addrs.len() - 1]);
        let unit: Vec<bool> = s.steps[..operands.len()].iter().map(|t| axis.is_some_and(|a| t[a] == 1)).collect();
        let start = if s.add {
            self.load(if wide { self.elem.vector } else { self.elem.scalar }, out)
        } else {
            self.constant(0.0, wide)
        };
        let total = self.sum(s, 0, operands, start, wide, &unit);
        self.store(total, out);
    }

    fn sum(&mut self, s: &Sum, level: usize, addrs: &[Addr], start: Value, wide: bool, unit: &[bool]) -> Value {
        let Some(&n) = s.summed.get(level) else {
            let mut product = None;
            for (addr, unit) in addrs.iter().zip(unit) {
                let x = if wide && *unit {
                    self.load(self.elem.vector, *addr)
                } else {
                    let x = self.load(self.elem.scalar, *addr);
                    if wide { self.b.ins().splat(self.elem.vector, x) } else { x }
                };
                product = Some(product.map_or(x, |p| self.b.ins().fmul(p, x)));
            }
            return match product {
                Some(p) => self.b.ins().fadd(start, p),
                None => start,
            };
        };
        let last = level + 1 == s.summed.len();
        if !wide && last && n >= 2 * self.elem.width && s.over.iter().all(|t| t[level] == 0 || t[level] == 1) {
            return self.sum_in_vectors(s, level, addrs, start);
        }
        self.sum_stretch(s, level, n, addrs, start, wide, unit)
    }

    /// The terms of an innermost axis on which the entries lie side by side: partial sums in vectors, added in pairs at
    /// the end.
    fn sum_in_vectors(&mut self, s: &Sum, level: usize, addrs: &[Addr], start: Value) -> Value {
        let (n, width, bytes) = (s.summed[level], self.elem.width, self.elem.bytes);
        let sums = if n >= 8 * width { 4 } else { 1 };
        let whole = n - n % (sums * width);
        let zero = self.constant(0.0, true);
        let partial =
            self.fold(whole, sums * width, &vec![zero; usize::try_from(sums).unwrap_or(1)], |e, i, partial| {
                let at = |e: &mut Self, k: i64| {
                    let mut product = None;
                    for (addr, t) in addrs.iter().zip(&s.over) {
                        let x = if t[level] == 1 {
                            let moved = e.advance(*addr, i, bytes);
                            e.load(e.elem.vector, Addr { offset: moved.offset + k * width * bytes, ..moved })
                        } else {
                            let x = e.load(e.elem.scalar, *addr);
                            e.b.ins().splat(e.elem.vector, x)
                        };
                        product = Some(product.map_or(x, |p| e.b.ins().fmul(p, x)));
                    }
                    product
                };
                for (k, sum) in (0..).zip(partial.iter_mut()) {
                    if let Some(term) = at(e, k) {
                        *sum = e.b.ins().fadd(*sum, term);
                    }
                }
            });
        let mut parts: Vec<Value> = Vec::new();
        for sum in partial {
            for lane in 0..u8::try_from(width).unwrap_or(1) {
                parts.push(self.b.ins().extractlane(sum, lane));
            }
        }
        while parts.len() > 1 {
            parts = parts.chunks(2).map(|p| if let [a, b] = p { self.b.ins().fadd(*a, *b) } else { p[0] }).collect();
        }
        let total = parts.first().map_or(start, |&sum| self.b.ins().fadd(start, sum));
        let rest: Vec<Addr> = addrs
            .iter()
            .zip(&s.over)
            .map(|(a, t)| Addr { pointer: a.pointer, offset: a.offset + whole * t[level] * bytes })
            .collect();
        self.sum_stretch(s, level, n - whole, &rest, total, false, &vec![false; addrs.len()])
    }

    /// A loop over 0, `step`, … below `n` (at least one turn) that carries values.
    fn fold(
        &mut self,
        n: i64,
        step: i64,
        start: &[Value],
        body: impl FnOnce(&mut Self, Value, &mut Vec<Value>),
    ) -> Vec<Value> {
        let (header, exit) = (self.b.create_block(), self.b.create_block());
        let i = self.b.append_block_param(header, types::I64);
        let types: Vec<Type> = start.iter().map(|&x| self.b.func.dfg.value_type(x)).collect();
        let mut carried: Vec<Value> = types.iter().map(|&ty| self.b.append_block_param(header, ty)).collect();
        let done = types.iter().map(|&ty| self.b.append_block_param(exit, ty)).collect();
        let zero = self.b.ins().iconst(types::I64, 0);
        let with = |first: Option<Value>, more: &[Value]| -> Vec<BlockArg> {
            first.into_iter().chain(more.iter().copied()).map(BlockArg::from).collect()
        };
        self.b.ins().jump(header, &with(Some(zero), start));
        self.b.switch_to_block(header);
        body(self, i, &mut carried);
        let next = self.b.ins().iadd_imm_s(i, step);
        let more = self.b.ins().icmp_imm_s(IntCC::SignedLessThan, next, n);
        self.b.ins().brif(more, header, &with(Some(next), &carried), exit, &with(None, &carried));
        self.b.switch_to_block(exit);
        done
    }

    /// The first `n` terms of an axis, one after another.
    #[allow(clippy::too_many_arguments, reason = "the state of one recursion")]
    fn sum_stretch(
        &mut self,
        s: &Sum,
        level: usize,
        n: i64,
        addrs: &[Addr],
        start: Value,
        wide: bool,
        unit: &[bool],
    ) -> Value {
        let bytes = self.elem.bytes;
        if n <= 4 {
            let mut total = start;
            for i in 0..n {
                let moved: Vec<Addr> = addrs
                    .iter()
                    .zip(&s.over)
                    .map(|(a, t)| Addr { pointer: a.pointer, offset: a.offset + i * t[level] * bytes })
                    .collect();
                total = self.sum(s, level + 1, &moved, total, wide, unit);
            }
            return total;
        }
        let total = self.fold(n, 1, &[start], |e, i, total| {
            let moved: Vec<Addr> = addrs.iter().zip(&s.over).map(|(a, t)| e.advance(*a, i, t[level] * bytes)).collect();
            total[0] = e.sum(s, level + 1, &moved, total[0], wide, unit);
        });
        total[0]
    }
}
