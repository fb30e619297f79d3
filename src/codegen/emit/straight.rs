//! Code without loops: every value in a register, or spilled by the register allocator.

use super::{Emitter, flags};
use crate::codegen::plan::{Scalar, Store, Straight};
use cranelift::prelude::*;
use std::collections::HashMap;

/// What has been emitted so far. Entries of inputs and constants are read where they are used, mostly as part of the
/// operation: of a long step there are more than registers.
struct Emitted<'s> {
    code: &'s [Scalar],
    values: Vec<Option<Value>>,
    pointers: Pointers,
}

impl Emitter<'_, '_> {
    pub(super) fn straight(&mut self, straight: &Straight) {
        let mut stores: HashMap<usize, Vec<Store>> = HashMap::new();
        for store in &straight.stores {
            stores.entry(store.value).or_default().push(*store);
        }
        let values = Vec::with_capacity(straight.code.len());
        let mut done = Emitted { code: &straight.code, values, pointers: Pointers::default() };
        for (at, scalar) in straight.code.iter().enumerate() {
            let value = self.scalar(scalar, &mut done);
            done.values.push(value);
            for store in stores.get(&at).into_iter().flatten() {
                let value = self.operand(at, &mut done);
                self.put(store, value, &mut done.pointers);
            }
        }
    }

    fn operand(&mut self, x: usize, done: &mut Emitted) -> Value {
        match &done.code[x] {
            Scalar::Load { slot, entry } => {
                let base = done.pointers.input(self, *slot);
                let at = self.distance(*entry);
                self.b.ins().load(self.elem.scalar, flags(), base, at)
            }
            Scalar::Const(entry) => {
                let at = self.distance(*entry);
                self.b.ins().load(self.elem.scalar, flags(), self.constants, at)
            }
            _ => done.values[x].expect("operands come first"),
        }
    }

    /// `None`: it is made where it is used.
    fn scalar(&mut self, scalar: &Scalar, done: &mut Emitted) -> Option<Value> {
        Some(match scalar {
            Scalar::Load { .. } | Scalar::Const(_) => return None,
            Scalar::Map1(f, x) => {
                let x = self.operand(*x, done);
                self.map1(*f, x, false)
            }
            Scalar::Map2(f, a, b) => {
                let [a, b] = self.operands([*a, *b], done);
                self.map2(*f, a, b, false)
            }
            Scalar::Compare(r, a, b) => {
                let [a, b] = self.operands([*a, *b], done);
                self.compare(*r, a, b, false)
            }
            Scalar::Select(c, a, b) => {
                let [c, a, b] = self.operands([*c, *a, *b], done);
                self.select(c, a, b, false)
            }
            Scalar::MulAdd(a, b, c) => {
                let [a, b, c] = self.operands([*a, *b, *c], done);
                if self.imports.fused() {
                    self.b.ins().fma(a, b, c)
                } else {
                    let product = self.b.ins().fmul(a, b);
                    self.b.ins().fadd(product, c)
                }
            }
            Scalar::Call { name, args, n } => {
                let args: Vec<Value> = args.iter().map(|&x| self.operand(x, done)).collect();
                self.call_out(name, &args, *n)
            }
            Scalar::Result(call, k) => {
                let (call, at) = (self.operand(*call, done), self.distance(*k));
                self.b.ins().load(self.elem.scalar, flags(), call, at)
            }
        })
    }

    /// An operand that is used twice is read once.
    fn operands<const N: usize>(&mut self, xs: [usize; N], done: &mut Emitted) -> [Value; N] {
        let mut values: [Option<Value>; N] = [None; N];
        for k in 0..N {
            let before = xs[..k].iter().position(|x| *x == xs[k]).and_then(|j| values[j]);
            values[k] = Some(before.unwrap_or_else(|| self.operand(xs[k], done)));
        }
        values.map(|value| value.expect("all are set"))
    }

    /// Arguments to the stack, the call, and the address of its results.
    fn call_out(&mut self, name: &str, args: &[Value], n: usize) -> Value {
        let bytes = usize::try_from(self.elem.bytes).unwrap_or(8);
        let size = u32::try_from((args.len() + n) * bytes).unwrap_or(u32::MAX);
        let slot = self.b.create_sized_stack_slot(StackSlotData::new(StackSlotKind::ExplicitSlot, size, 5));
        let start = self.b.ins().stack_addr(types::I64, slot, 0);
        for (k, &arg) in args.iter().enumerate() {
            let at = self.distance(k);
            self.b.ins().store(flags(), arg, start, at);
        }
        let step = i64::from(self.distance(n));
        let mut operands: Vec<Value> = Vec::with_capacity(4);
        for k in 0..=args.len() / n {
            operands.push(self.b.ins().iadd_imm_s(start, k as i64 * step));
        }
        let out = operands[operands.len() - 1];
        operands.push(self.b.ins().iconst(types::I64, i64::try_from(n).unwrap_or(0)));
        let f = self.imports.kernel(self.b.func, name);
        self.b.ins().call(f, &operands);
        out
    }

    fn put(&mut self, store: &Store, value: Value, pointers: &mut Pointers) {
        let base = pointers.output(self, store.slot);
        let at = self.distance(store.entry);
        let value = if store.add {
            let before = self.b.ins().load(self.elem.scalar, flags(), base, at);
            self.b.ins().fadd(before, value)
        } else {
            value
        };
        self.b.ins().store(flags(), value, base, at);
    }

    /// Straight code is short, and so are the buffers it touches.
    fn distance(&self, entry: usize) -> i32 {
        i32::try_from(entry as i64 * self.elem.bytes).unwrap_or(i32::MAX)
    }
}

/// Addresses of buffers, read once.
#[derive(Default)]
struct Pointers {
    inputs: HashMap<usize, Value>,
    outputs: HashMap<usize, Value>,
}

impl Pointers {
    fn input(&mut self, e: &mut Emitter, slot: usize) -> Value {
        let table = e.inputs;
        *self.inputs.entry(slot).or_insert_with(|| pointer(e, table, slot))
    }

    fn output(&mut self, e: &mut Emitter, slot: usize) -> Value {
        let table = e.outputs;
        *self.outputs.entry(slot).or_insert_with(|| pointer(e, table, slot))
    }
}

fn pointer(e: &mut Emitter, table: Value, slot: usize) -> Value {
    e.b.ins().load(types::I64, flags(), table, i32::try_from(slot * 8).unwrap_or(i32::MAX))
}
