//! Code without loops: every value in a register, or spilled by the register allocator.

use super::{Emitter, flags};
use crate::codegen::plan::{Scalar, Store, Straight};
use cranelift::prelude::*;
use std::collections::HashMap;

impl Emitter<'_, '_> {
    pub(super) fn straight(&mut self, straight: &Straight) {
        let mut stores: HashMap<usize, Vec<Store>> = HashMap::new();
        for store in &straight.stores {
            stores.entry(store.value).or_default().push(*store);
        }
        let mut pointers = Pointers::default();
        let mut values: Vec<Value> = Vec::with_capacity(straight.code.len());
        for (at, scalar) in straight.code.iter().enumerate() {
            let value = self.scalar(scalar, &values, &mut pointers);
            values.push(value);
            for store in stores.get(&at).into_iter().flatten() {
                self.put(store, value, &mut pointers);
            }
        }
    }

    fn scalar(&mut self, scalar: &Scalar, values: &[Value], pointers: &mut Pointers) -> Value {
        match scalar {
            Scalar::Load { slot, entry } => {
                let base = pointers.input(self, *slot);
                let at = self.distance(*entry);
                self.b.ins().load(self.elem.scalar, flags(), base, at)
            }
            Scalar::Const(x) => self.constant(*x, false),
            Scalar::Map1(f, x) => self.map1(*f, values[*x], false),
            Scalar::Map2(f, a, b) => self.map2(*f, values[*a], values[*b], false),
            Scalar::Compare(r, a, b) => self.compare(*r, values[*a], values[*b], false),
            Scalar::Select(c, a, b) => self.select(values[*c], values[*a], values[*b], false),
            Scalar::MulAdd(a, b, c) if self.imports.fused() => self.b.ins().fma(values[*a], values[*b], values[*c]),
            Scalar::MulAdd(a, b, c) => {
                let product = self.b.ins().fmul(values[*a], values[*b]);
                self.b.ins().fadd(product, values[*c])
            }
            Scalar::Call { name, args, n } => self.call_out(name, args, *n, values),
            Scalar::Result(call, k) => {
                let at = self.distance(*k);
                self.b.ins().load(self.elem.scalar, flags(), values[*call], at)
            }
        }
    }

    /// Arguments to the stack, the call, and the address of its results.
    fn call_out(&mut self, name: &str, args: &[usize], n: usize, values: &[Value]) -> Value {
        let bytes = usize::try_from(self.elem.bytes).unwrap_or(8);
        let size = u32::try_from((args.len() + n) * bytes).unwrap_or(u32::MAX);
        let slot = self.b.create_sized_stack_slot(StackSlotData::new(StackSlotKind::ExplicitSlot, size, 5));
        let start = self.b.ins().stack_addr(types::I64, slot, 0);
        for (k, &arg) in args.iter().enumerate() {
            let at = self.distance(k);
            self.b.ins().store(flags(), values[arg], start, at);
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
