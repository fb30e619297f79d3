//! Calls of precompiled kernels.

use super::Emitter;
use crate::codegen::layout::View;
use crate::codegen::plan::{Convolving, Indexing, Lookup};
use cranelift::prelude::*;

impl Emitter<'_, '_> {
    /// `name(x, y, n)` or `name(a, b, y, n)` over contiguous entries.
    pub(super) fn tile(&mut self, name: &str, args: &[View], out: &View, n: usize) {
        let f = self.imports.kernel(self.b.func, name);
        let mut values: Vec<Value> = Vec::with_capacity(4);
        for view in args.iter().chain(std::iter::once(out)) {
            let addr = self.address(view);
            values.push(self.pointer(addr));
        }
        values.push(self.b.ins().iconst(types::I64, i64::try_from(n).unwrap_or(0)));
        self.b.ins().call(f, &values);
    }

    /// `conv(description, a, b, out, scratch)`
    pub(super) fn convolve(&mut self, conv: &Convolving) {
        let at = self.imports.describe(&conv.desc.words());
        let mut values = vec![self.b.ins().iadd_imm_s(self.words, at)];
        for view in [&conv.a, &conv.b, &conv.out, &conv.scratch] {
            let addr = self.address(view);
            values.push(self.pointer(addr));
        }
        let f = self.imports.kernel(self.b.func, "conv");
        self.b.ins().call(f, &values);
    }

    pub(super) fn index(&mut self, index: &Indexing) {
        let words = [index.rows, index.width, index.count, index.lanes].map(|n| i64::try_from(n).unwrap_or(0));
        let at = self.imports.describe(&words);
        let description = self.b.ins().iadd_imm_s(self.words, at);
        let mut values = vec![description];
        for view in [&index.a, &index.b, &index.out] {
            let addr = self.address(view);
            values.push(self.pointer(addr));
        }
        let name = match index.lookup {
            Lookup::Gather => "gather",
            Lookup::Scatter => "scatter",
            Lookup::ArgMax => "argmax",
            Lookup::Search => "search",
        };
        let f = self.imports.kernel(self.b.func, name);
        self.b.ins().call(f, &values);
    }
}
