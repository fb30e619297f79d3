//! A kernel with buffers of its own, for calls so short that checking buffers would take longer.
#![allow(unsafe_code, reason = "pointers to the buffers are made once and not at each call")]

use super::{Body, Element, Kernel, check};
use std::ops::Range;

/// Bytes of a cache line.
const LINE: usize = 64;

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
unsafe impl<T: Send> Send for Frame<'_, T> where Kernel<T>: Sync {}

impl<T> Drop for Frame<'_, T> {
    fn drop(&mut self) {
        // SAFETY: it was a box, and is freed once.
        drop(unsafe { Box::from_raw(self.values) });
    }
}

impl<'k, T: Element> Frame<'k, T> {
    /// Buffers of zeros, one right behind the other.
    pub fn new(kernel: &'k Kernel<T>) -> Self {
        Self::with(kernel, 1)
    }

    /// The same, but each one starts a cache line.
    pub fn aligned(kernel: &'k Kernel<T>) -> Self {
        Self::with(kernel, LINE / size_of::<T>())
    }

    fn with(kernel: &'k Kernel<T>, unit: usize) -> Self {
        let lengths = || kernel.inputs.iter().chain(&kernel.outputs);
        let room = lengths().map(|length| length.next_multiple_of(unit)).sum::<usize>() + unit - 1;
        let values = Box::into_raw(vec![T::default(); room].into_boxed_slice());
        let mut end = if unit > 1 { values.cast::<T>().align_offset(LINE).min(unit - 1) } else { 0 };
        let mut starts = Vec::new();
        for length in lengths() {
            starts.push(end);
            end += length.next_multiple_of(unit);
        }
        let at = |start: &usize| values.cast::<T>().wrapping_add(*start);
        let (from, to) = starts.split_at(kernel.inputs.len());
        let (from, to) = (from.iter().map(|s| at(s).cast_const()).collect(), to.iter().map(at).collect());
        Self { kernel, values, starts, from, to, scratch: vec![T::default(); kernel.scratch] }
    }

    /// All buffers, inputs first.
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
        first.iter().enumerate().for_each(|(k, other)| check(k, other.len(), &self.kernel.inputs));
        for (pointer, other) in self.from.iter_mut().zip(first) {
            *pointer = other.as_ptr();
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
                // SAFETY: as in `values`; nothing else of the frame leads there meanwhile.
                let mut rest = unsafe { &mut *self.values };
                let (mut buffers, mut at): (Vec<&mut [T]>, usize) = (Vec::new(), 0);
                let lengths = self.kernel.inputs.iter().chain(&self.kernel.outputs);
                for (&length, start) in lengths.zip(&self.starts) {
                    let (_, after) = rest.split_at_mut(start - at);
                    let (buffer, after) = after.split_at_mut(length);
                    buffers.push(buffer);
                    (rest, at) = (after, start + length);
                }
                let mut to = buffers.split_off(self.from.len());
                let from: Vec<&[T]> = buffers.into_iter().map(|buffer| &*buffer).collect();
                self.kernel.interpret(graph, nodes, results, &from, &mut to);
            }
        }
    }
}
