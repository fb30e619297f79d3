//! Steps → machine code, through Cranelift. Cranelift's vectors stop at 128 bits, so that wide work is left to the
//! precompiled kernels and what is emitted here is control, indexing and cheap elementwise chains.

mod calls;
mod contract;
mod loops;
mod scalar;
mod straight;
mod sum;

use super::layout::View;
use super::memory::{Memory, Place};
use super::plan::Step;
use cranelift::codegen::ir::{FuncRef, MemFlagsData};
use cranelift::prelude::*;

/// Cranelift types of an element.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Elem {
    /// f32 or f64.
    pub scalar: Type,
    /// Its 128-bit vector.
    pub vector: Type,
    /// The integer of its size.
    pub bits: Type,
    /// Entries of a vector.
    pub width: i64,
    /// Bytes of an entry.
    pub bytes: i64,
}

/// Double precision.
pub const F64: Elem = Elem { scalar: types::F64, vector: types::F64X2, bits: types::I64, width: 2, bytes: 8 };
/// Single precision.
pub const F32: Elem = Elem { scalar: types::F32, vector: types::F32X4, bits: types::I32, width: 4, bytes: 4 };

/// Addresses that a step needs from outside the function.
pub trait Imports {
    /// A precompiled kernel of this element type, by its name without the type.
    fn kernel(&mut self, func: &mut codegen::ir::Function, name: &str) -> FuncRef;
    /// Whether the machine multiplies and adds in one instruction.
    fn fused(&self) -> bool;
    /// Puts a description where the code can point at it; its byte offset.
    fn describe(&mut self, words: &[i64]) -> i64;
}

/// Emits the steps of one function.
pub struct Emitter<'a, 'f> {
    b: FunctionBuilder<'f>,
    elem: Elem,
    memory: &'a Memory,
    imports: &'a mut dyn Imports,
    inputs: Value,
    outputs: Value,
    scratch: Value,
    constants: Value,
    words: Value,
    lanes: i64,
}

/// An address: a pointer and a known distance in bytes.
#[derive(Clone, Copy, Debug)]
struct Addr {
    pointer: Value,
    offset: i64,
}

impl<'a, 'f> Emitter<'a, 'f> {
    /// Starts a function with the parameters (inputs, outputs, scratch, constants, descriptions).
    pub fn new(
        mut b: FunctionBuilder<'f>,
        elem: Elem,
        memory: &'a Memory,
        imports: &'a mut dyn Imports,
        lanes: i64,
    ) -> Self {
        let entry = b.create_block();
        b.append_block_params_for_function_params(entry);
        b.switch_to_block(entry);
        let p = b.block_params(entry).to_vec();
        let [inputs, outputs, scratch, constants, words] = [p[0], p[1], p[2], p[3], p[4]];
        Self { b, elem, memory, imports, inputs, outputs, scratch, constants, words, lanes }
    }

    /// Emits one step.
    pub fn step(&mut self, step: &Step) {
        match step {
            Step::Loop { domain, lines } => self.elementwise(domain, lines),
            Step::Tile { name, args, out, n } => self.tile(name, args, out, *n),
            Step::Contract(c) => self.contract(c),
            Step::Conv(conv) => self.convolve(conv),
            Step::Index(index) => self.index(index),
            Step::Clear { out, n } => self.clear(out, *n),
            Step::Straight(straight) => self.straight(straight),
        }
    }

    /// Ends the function.
    pub fn finish(mut self, config: codegen::isa::TargetFrontendConfig) {
        self.b.ins().return_(&[]);
        self.b.seal_all_blocks();
        self.b.finalize(config);
    }

    /// The first entry of a view.
    fn address(&mut self, view: &View) -> Addr {
        let extra = view.offset * self.elem.bytes;
        let table = |k: usize| i32::try_from(k * 8).unwrap_or(i32::MAX);
        match self.memory.place(view.base) {
            Place::Input(k) => {
                let pointer = self.b.ins().load(types::I64, flags(), self.inputs, table(k));
                Addr { pointer, offset: extra }
            }
            Place::Output(k) => {
                let pointer = self.b.ins().load(types::I64, flags(), self.outputs, table(k));
                Addr { pointer, offset: extra }
            }
            Place::Scratch(at) => Addr { pointer: self.scratch, offset: extra + at as i64 * self.elem.bytes },
            Place::Constant(at) => Addr { pointer: self.constants, offset: extra + at as i64 * self.elem.bytes },
        }
    }

    /// An address as one value.
    fn pointer(&mut self, addr: Addr) -> Value {
        if addr.offset == 0 { addr.pointer } else { self.b.ins().iadd_imm_s(addr.pointer, addr.offset) }
    }

    /// Splits a distance that an instruction cannot hold.
    fn near(&mut self, addr: Addr) -> (Value, i32) {
        match i32::try_from(addr.offset) {
            Ok(offset) => (addr.pointer, offset),
            Err(_) => (self.pointer(addr), 0),
        }
    }

    fn load(&mut self, ty: Type, addr: Addr) -> Value {
        let (pointer, offset) = self.near(addr);
        self.b.ins().load(ty, flags(), pointer, offset)
    }

    fn store(&mut self, value: Value, addr: Addr) {
        let (pointer, offset) = self.near(addr);
        self.b.ins().store(flags(), value, pointer, offset);
    }

    /// `for i in 0..n`: the body gets i. Emits nothing else around it.
    fn count(&mut self, n: i64, step: i64, body: &mut dyn FnMut(&mut Self, Value)) {
        let header = self.b.create_block();
        let exit = self.b.create_block();
        let i = self.b.append_block_param(header, types::I64);
        let zero = self.b.ins().iconst(types::I64, 0);
        self.b.ins().jump(header, &[zero.into()]);
        self.b.switch_to_block(header);
        body(self, i);
        let next = self.b.ins().iadd_imm_s(i, step);
        let more = self.b.ins().icmp_imm_s(IntCC::SignedLessThan, next, n);
        self.b.ins().brif(more, header, &[next.into()], exit, &[]);
        self.b.switch_to_block(exit);
    }

    /// base + i·step bytes.
    fn advance(&mut self, addr: Addr, i: Value, step: i64) -> Addr {
        if step == 0 {
            return addr;
        }
        let by = match step {
            1 => i,
            s if s > 0 && s.count_ones() == 1 => self.b.ins().ishl_imm_u(i, i64::from(s.trailing_zeros())),
            s => self.b.ins().imul_imm_s(i, s),
        };
        Addr { pointer: self.b.ins().iadd(addr.pointer, by), offset: addr.offset }
    }
}

/// Plain memory without traps; alignment is only that of an entry.
fn flags() -> MemFlagsData {
    MemFlagsData::new().with_notrap()
}
