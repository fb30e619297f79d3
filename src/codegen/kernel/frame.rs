//! A kernel with buffers of its own, for calls so short that checking buffers would take longer.
#![allow(unsafe_code, reason = "pointers to the buffers are made once and not at each call")]

use super::{Body, Element, Kernel, check};
use std::ops::Range;

/// All inputs and outputs of a kernel in one piece of memory, in order. They stay where they are from call to call.
pub struct Frame<'k, T> {
    kernel: &'k Kernel<T>,
    /// Owned: a box taken apart, so that the pointers below may stand beside it.
    values: *mut [T],
    /// Where the buffers start, inputs first.
    starts: Vec<usize>,
    from: Vec<*const T>,
    to: Vec<*mut T>,
    scratch: Vec<T>,
}

// SAFETY: the pointers lead to memory that the frame owns.
unsafe impl<T: Send + Sync> Send for Frame<'_, T> {}

impl<T> Drop for Frame<'_, T> {
    fn drop(&mut self) {
        // SAFETY: it was a box, and is freed once.
        drop(unsafe { Box::from_raw(self.values) });
    }
}

impl<'k, T: Element> Frame<'k, T> {
    /// Buffers of zeros.
    pub fn new(kernel: &'k Kernel<T>) -> Self {
        let (mut starts, mut end) = (Vec::new(), 0);
        for length in kernel.inputs.iter().chain(&kernel.outputs) {
            starts.push(end);
            end += length;
        }
        let values = Box::into_raw(vec![T::default(); end].into_boxed_slice());
        let at = |start: &usize| values.cast::<T>().wrapping_add(*start);
        let (from, to) = starts.split_at(kernel.inputs.len());
        let (from, to) = (from.iter().map(|s| at(s).cast_const()).collect(), to.iter().map(at).collect());
        Self { kernel, values, starts, from, to, scratch: vec![T::default(); kernel.scratch] }
    }

    /// All buffers, inputs first, one behind the other.
    pub fn values(&mut self) -> &mut [T] {
        // SAFETY: the frame owns the memory, and is borrowed for as long as the slice.
        unsafe { &mut *self.values }
    }

    /// Where input `k` lies in [`Self::values`].
    pub fn input(&self, k: usize) -> Range<usize> {
        self.starts[k]..self.starts[k] + self.kernel.inputs[k]
    }

    /// Where output `k` lies in [`Self::values`].
    pub fn output(&self, k: usize) -> Range<usize> {
        let start = self.starts[self.kernel.inputs.len() + k];
        start..start + self.kernel.outputs[k]
    }

    /// Runs the kernel on the buffers, but with the first inputs from elsewhere.
    ///
    /// # Panics
    /// If one of those has another length than the input.
    pub fn run_with(&mut self, first: &[&[T]]) {
        if let Body::Interpreter { .. } = &self.kernel.body {
            for (k, other) in first.iter().enumerate() {
                let at = self.input(k);
                self.values()[at].copy_from_slice(other);
            }
            return self.run();
        }
        for (k, other) in first.iter().enumerate() {
            check(k, other.len(), &self.kernel.inputs);
            self.from[k] = other.as_ptr();
        }
        self.run();
        let values = self.values.cast::<T>();
        for (pointer, start) in self.from.iter_mut().zip(&self.starts).take(first.len()) {
            *pointer = values.wrapping_add(*start).cast_const();
        }
    }

    /// Runs the kernel on the buffers.
    pub fn run(&mut self) {
        match &self.kernel.body {
            Body::Jit { code, constants } => code.call(&self.from, &self.to, &mut self.scratch, constants),
            Body::Interpreter { graph, inputs: nodes, outputs: results } => {
                let split = self.kernel.inputs.iter().sum();
                // SAFETY: as in `values`; nothing else of the frame leads there meanwhile.
                let (mut given, mut wanted) = unsafe { &mut *self.values }.split_at_mut(split);
                let (mut from, mut to): (Vec<&[T]>, Vec<&mut [T]>) = (Vec::new(), Vec::new());
                for &length in &self.kernel.inputs {
                    let (head, rest) = given.split_at_mut(length);
                    from.push(head);
                    given = rest;
                }
                for &length in &self.kernel.outputs {
                    let (head, rest) = wanted.split_at_mut(length);
                    to.push(head);
                    wanted = rest;
                }
                self.kernel.interpret(graph, nodes, results, &from, &mut to);
            }
        }
    }
}
