//! Inline code of the cheap elementwise operators, for one entry or a vector of them.

use super::Emitter;
use crate::graph::{Binary, Relation, Unary};
use cranelift::codegen::ir::MemFlagsData;
use cranelift::prelude::*;

impl Emitter<'_, '_> {
    pub(super) fn constant(&mut self, value: f64, wide: bool) -> Value {
        let x = if self.elem.scalar == types::F64 {
            self.b.ins().f64const(value)
        } else {
            #[allow(clippy::cast_possible_truncation, reason = "the model runs in single precision")]
            self.b.ins().f32const(value as f32)
        };
        if wide { self.b.ins().splat(self.elem.vector, x) } else { x }
    }

    /// All ones or all zeros per entry, as an integer (vector).
    fn mask(&mut self, cc: FloatCC, a: Value, b: Value) -> Value {
        self.b.ins().fcmp(cc, a, b)
    }

    /// `mask ? a : b`
    fn choose(&mut self, mask: Value, a: Value, b: Value, wide: bool) -> Value {
        if !wide {
            return self.b.ins().select(mask, a, b);
        }
        let like = self.elem.vector;
        let mask = self.b.ins().bitcast(like, endian(), mask);
        self.b.ins().bitselect(mask, a, b)
    }

    pub(super) fn compare(&mut self, r: Relation, a: Value, b: Value, wide: bool) -> Value {
        let cc = match r {
            Relation::Less => FloatCC::LessThan,
            Relation::LessEq => FloatCC::LessThanOrEqual,
            Relation::Equal => FloatCC::Equal,
            Relation::NotEqual => FloatCC::NotEqual,
        };
        let mask = self.mask(cc, a, b);
        let (one, zero) = (self.constant(1.0, wide), self.constant(0.0, wide));
        self.choose(mask, one, zero, wide)
    }

    pub(super) fn select(&mut self, c: Value, a: Value, b: Value, wide: bool) -> Value {
        let zero = self.constant(0.0, wide);
        let mask = self.mask(FloatCC::NotEqual, c, zero);
        self.choose(mask, a, b, wide)
    }

    pub(super) fn map1(&mut self, f: Unary, x: Value, wide: bool) -> Value {
        match f {
            Unary::Neg => self.b.ins().fneg(x),
            Unary::Abs => self.b.ins().fabs(x),
            Unary::Sqrt => self.b.ins().sqrt(x),
            Unary::Floor => self.b.ins().floor(x),
            Unary::Not => {
                let zero = self.constant(0.0, wide);
                self.compare(Relation::Equal, x, zero, wide)
            }
            Unary::Sign => self.sign(x, wide),
            Unary::Exp
            | Unary::Log
            | Unary::Log1p
            | Unary::Expm1
            | Unary::Sin
            | Unary::Cos
            | Unary::Tan
            | Unary::Asin
            | Unary::Acos
            | Unary::Atan
            | Unary::Sinh
            | Unary::Cosh
            | Unary::Tanh
            | Unary::Sigmoid
            | Unary::Softplus
            | Unary::Erf
            | Unary::Lgamma
            | Unary::Digamma
            | Unary::Trigamma => unreachable!("{} is a kernel", f.name()),
        }
    }

    /// (0 < x) − (x < 0), and NaN for NaN by adding x − x.
    fn sign(&mut self, x: Value, wide: bool) -> Value {
        let zero = self.constant(0.0, wide);
        let above = self.compare(Relation::Less, zero, x, wide);
        let below = self.compare(Relation::Less, x, zero, wide);
        let sign = self.b.ins().fsub(above, below);
        let ordered = self.mask(FloatCC::Equal, x, x);
        self.choose(ordered, sign, x, wide)
    }

    pub(super) fn map2(&mut self, f: Binary, a: Value, b: Value, wide: bool) -> Value {
        match f {
            Binary::Add => self.b.ins().fadd(a, b),
            Binary::Sub => self.b.ins().fsub(a, b),
            Binary::Mul => self.b.ins().fmul(a, b),
            Binary::Div => self.b.ins().fdiv(a, b),
            // `b < a` false for NaN keeps a; a NaN in b is then lost, so it is asked for.
            Binary::Min => self.extreme(FloatCC::LessThan, a, b, wide),
            Binary::Max => self.extreme(FloatCC::GreaterThan, a, b, wide),
            Binary::Guard => {
                let zero = self.constant(0.0, wide);
                let masked = self.mask(FloatCC::Equal, a, zero);
                let product = self.b.ins().fmul(a, b);
                self.choose(masked, zero, product, wide)
            }
            Binary::Pow | Binary::Atan2 => unreachable!("{} is a kernel", f.name()),
        }
    }

    /// b where it beats a or is not a number, else a.
    fn extreme(&mut self, cc: FloatCC, a: Value, b: Value, wide: bool) -> Value {
        let beats = self.mask(cc, b, a);
        let best = self.choose(beats, b, a, wide);
        let ordered = self.mask(FloatCC::Equal, b, b);
        self.choose(ordered, best, b, wide)
    }
}

fn endian() -> MemFlagsData {
    MemFlagsData::new().with_endianness(cranelift::codegen::ir::Endianness::Little)
}
