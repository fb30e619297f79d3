//! Sums of products: a matrix product where one fits, else a loop nest.

use super::{Addr, Emitter};
use crate::codegen::layout::{Axes, View, collapse};
use crate::codegen::plan::{Action, Contraction, Line, Operand};
use cranelift::prelude::*;

/// Below this many multiply-adds a call is not worth it.
const SMALL: i64 = 8;

impl Emitter<'_, '_> {
    pub(super) fn contract(&mut self, c: &Contraction) {
        let product = matrix_product(c);
        if let Some(bias) = c.bias.as_ref().filter(|_| !product.as_ref().is_some_and(|p| p.takes_bias(c))) {
            self.copy_bias(bias, c);
            return self.contract(&Contraction { add: true, bias: None, ..c.clone() });
        }
        if let Some(rows) = rows(c) {
            self.row_sums(&rows, c);
        } else if let Some(product) = product {
            self.gemm(&product, c);
        } else {
            self.sum_nest(c);
        }
    }

    /// The bias to where the result will be.
    fn copy_bias(&mut self, bias: &View, c: &Contraction) {
        let (lanes, shape) = c.kept.split_last().unwrap_or((&1, &[]));
        let shape = shape.iter().map(|&n| usize::try_from(n).unwrap_or(0)).collect();
        let args = [Operand::Load(bias.clone())].into_iter().collect();
        let line = Line { action: Action::Copy, args, store: Some(c.out.0.clone()), add: false };
        self.elementwise(&(shape, *lanes > 1), &[line]);
    }

    fn row_sums(&mut self, rows: &[Axis; 2], c: &Contraction) {
        let [m, k] = rows;
        let words = [m.size, 1, k.size, m.steps[0], 1, 0, 0, m.steps[2], 1, i64::from(c.add), 0, 0, 0];
        let at = self.imports.describe(&words);
        let description = self.b.ins().iadd_imm_s(self.words, at);
        let f = self.imports.kernel(self.b.func, "row_sums");
        let (a, out) = (self.address(&c.operands[0].0), self.address(&c.out.0));
        let (a, out) = (self.pointer(a), self.pointer(out));
        self.b.ins().call(f, &[description, a, a, out, out]);
    }

    /// The matrix product in a nest of loops over what is left.
    fn gemm(&mut self, p: &Product, c: &Contraction) {
        let out = self.address(&c.out.0);
        let bias = c.bias.as_ref().map_or(out, |bias| self.address(bias));
        let addrs = [self.address(&c.operands[p.a].0), self.address(&c.operands[1 - p.a].0), out, bias];
        let spills = p.spills();
        if spills && !c.add {
            let n: i64 = c.kept.iter().product();
            self.clear(&c.out.0, usize::try_from(n).unwrap_or(0));
        }
        let add = c.add || spills;
        let words = [
            p.m.size,
            p.n.size,
            p.k.size,
            p.m.steps[0],
            p.k.steps[0],
            p.k.steps[1],
            p.n.steps[1],
            p.m.steps[2],
            p.n.steps[2],
            i64::from(add),
            i64::from(c.bias.is_some()),
            p.m.steps[3],
            p.n.steps[3],
        ];
        let at = self.imports.describe(&words);
        let f = self.imports.kernel(self.b.func, "gemm");
        self.outer(&p.outer, addrs, &mut |e, addrs| {
            let description = e.b.ins().iadd_imm_s(e.words, at);
            let [a, b, out, bias] = addrs.map(|addr| e.pointer(addr));
            e.b.ins().call(f, &[description, a, b, out, bias]);
        });
    }

    fn outer(&mut self, axes: &[Axis], addrs: [Addr; OPERANDS], body: &mut dyn FnMut(&mut Self, [Addr; OPERANDS])) {
        let Some((axis, rest)) = axes.split_first() else {
            body(self, addrs);
            return;
        };
        let bytes = self.elem.bytes;
        if axis.size <= 4 {
            for i in 0..axis.size {
                let mut moved = addrs;
                for (addr, step) in moved.iter_mut().zip(axis.steps) {
                    addr.offset += i * step * bytes;
                }
                self.outer(rest, moved, body);
            }
            return;
        }
        self.count(axis.size, 1, &mut |e, i| {
            let mut moved = addrs;
            for (addr, step) in moved.iter_mut().zip(axis.steps) {
                *addr = e.advance(*addr, i, step * bytes);
            }
            e.outer(rest, moved, body);
        });
    }

    pub(super) fn clear(&mut self, out: &View, n: usize) {
        let addr = self.address(out);
        let pointer = self.pointer(addr);
        let at = self.imports.describe(&[i64::try_from(n).unwrap_or(0)]);
        let description = self.b.ins().iadd_imm_s(self.words, at);
        let f = self.imports.kernel(self.b.func, "clear");
        self.b.ins().call(f, &[description, pointer]);
    }
}

/// A, B, the result and the bias.
const OPERANDS: usize = 4;

/// An index of a two-operand product: its steps in A, B, the result and the bias (0 without one).
#[derive(Clone, Copy, Debug)]
struct Axis {
    size: i64,
    steps: [i64; OPERANDS],
}

impl Axis {
    /// Whether A, B and the result depend on it.
    fn uses(&self) -> [bool; 3] {
        std::array::from_fn(|v| self.steps[v] != 0)
    }
}

/// C\[m, n\] = Σ A\[m, k\] B\[k, n\], inside loops over `outer`.
#[derive(Debug)]
struct Product {
    a: usize,
    m: Axis,
    n: Axis,
    k: Axis,
    outer: Vec<Axis>,
}

impl Product {
    /// Whether the kernel is called several times for one part of the result.
    fn spills(&self) -> bool {
        self.outer.iter().any(|o| o.steps[2] == 0 && o.size > 1)
    }

    /// Whether its kernel can start from the bias: without that, it would not be a larger product.
    fn takes_bias(&self, c: &Contraction) -> bool {
        let plain = matrix_product(&Contraction { bias: None, ..c.clone() });
        let sizes = |p: &Self| [p.m.size, p.n.size, p.k.size];
        !self.spills() && plain.is_some_and(|plain| sizes(&plain) == sizes(self))
    }
}

/// The rows and the terms of a sum over contiguous rows, where a call is worth it.
fn rows(c: &Contraction) -> Option<[Axis; 2]> {
    let [operand] = c.operands.as_slice() else { return None };
    let one = |sizes: &[i64], steps: [Axes; 2]| {
        let (sizes, steps) = collapse(sizes, &steps);
        let of = |i: usize| Axis { size: sizes[i], steps: [steps[0][i], 0, steps[1][i], 0] };
        (sizes.len() == 1).then(|| of(0))
    };
    let still = c.summed.iter().map(|_| 0).collect();
    let terms = one(&c.summed, [operand.2.iter().copied().collect(), still])?;
    let rows = one(&c.kept, [operand.1.iter().copied().collect(), c.out.1.iter().copied().collect()])?;
    (terms.steps[0] == 1 && rows.size >= 4 && rows.size * terms.size >= 64).then_some([rows, terms])
}

/// The largest matrix product in a contraction of two operands, if one is worth a call.
fn matrix_product(c: &Contraction) -> Option<Product> {
    let [first, second] = c.operands.as_slice() else { return None };
    let bias: Option<Vec<i64>> =
        c.bias.as_ref().map(|bias| bias.strides.iter().copied().chain(std::iter::once(bias.lane)).collect());
    let bias = |i: usize| bias.as_ref().map_or(0, |steps| steps[i]);
    let kept = c.kept.iter().enumerate();
    let kept = kept.map(|(i, &size)| Axis { size, steps: [first.1[i], second.1[i], c.out.1[i], bias(i)] });
    let summed = c.summed.iter().enumerate().map(|(i, &size)| Axis { size, steps: [first.2[i], second.2[i], 0, 0] });
    let axes: Vec<Axis> = kept.chain(summed).filter(|x| x.size != 1).collect();
    let pick = |has: [bool; 3]| -> Vec<Axis> {
        let mine: Vec<Axis> = axes.iter().copied().filter(|x| x.uses() == has).collect();
        let sizes: Vec<i64> = mine.iter().map(|x| x.size).collect();
        let steps: Vec<Axes> = (0..OPERANDS).map(|v| mine.iter().map(|x| x.steps[v]).collect()).collect();
        let (sizes, steps) = collapse(&sizes, &steps);
        (0..sizes.len()).map(|i| Axis { size: sizes[i], steps: std::array::from_fn(|v| steps[v][i]) }).collect()
    };
    let one = Axis { size: 1, steps: [0; OPERANDS] };
    let mut outer = Vec::new();
    let mut largest = |mut list: Vec<Axis>| {
        let best = (0..list.len()).max_by_key(|&i| list[i].size);
        let chosen = best.map_or(one, |i| list.remove(i));
        outer.extend(list);
        chosen
    };
    let mut m = largest(pick([true, false, true]));
    let mut n = largest(pick([false, true, true]));
    let k = largest(pick([true, true, false]));
    let covered: Vec<[bool; 3]> = vec![[true, false, true], [false, true, true], [true, true, false]];
    outer.extend(axes.iter().copied().filter(|x| !covered.contains(&x.uses())));
    let batch: i64 = outer.iter().map(|x| x.size).product();
    if k.size == 1 || m.size * n.size * k.size < SMALL || m.size * n.size * k.size < batch {
        return None;
    }
    // The result's unit step belongs to n, but one column is faster than one row.
    let swap = n.size != 1 && (m.size == 1 || (m.steps[2] == 1 && n.steps[2] != 1));
    let mut k = k;
    if swap {
        std::mem::swap(&mut m, &mut n);
        for x in [&mut m, &mut n, &mut k].into_iter().chain(&mut outer) {
            x.steps.swap(0, 1);
        }
    }
    Some(Product { a: usize::from(swap), m, n, k, outer })
}
