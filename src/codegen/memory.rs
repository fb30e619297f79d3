//! Which buffer each stored value lies in.

use std::collections::{BTreeMap, HashMap};

/// A run of entries.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Place {
    /// An input of the kernel.
    Input(usize),
    /// An output of the kernel.
    Output(usize),
    /// The scratch buffer, from this entry on.
    Scratch(usize),
    /// The constants, from this entry on.
    Constant(usize),
}

/// The places of a kernel's values, scratch reused once a value is dead.
#[derive(Debug, Default)]
pub struct Memory {
    places: HashMap<u32, Place>,
    sizes: HashMap<u32, usize>,
    free: BTreeMap<usize, Vec<usize>>,
    /// Entries of scratch needed.
    pub scratch: usize,
    /// The constants.
    pub constants: Vec<f64>,
    anonymous: u32,
}

/// Entries are handed out in runs of cache lines.
const ALIGN: usize = 16;

impl Memory {
    /// Where a stored value lies.
    pub fn place(&self, base: u32) -> Place {
        self.places[&base]
    }

    /// Whether it has a place.
    pub fn has(&self, base: u32) -> bool {
        self.places.contains_key(&base)
    }

    /// Whether it lies in that output.
    pub fn is_output(&self, base: u32, slot: usize) -> bool {
        self.places.get(&base) == Some(&Place::Output(slot))
    }

    /// An input.
    pub fn input(&mut self, base: u32, slot: usize) {
        self.places.insert(base, Place::Input(slot));
    }

    /// An output.
    pub fn output(&mut self, base: u32, slot: usize) {
        self.places.insert(base, Place::Output(slot));
    }

    /// Another name for an output.
    pub fn anonymous_output(&mut self, slot: usize) -> u32 {
        let base = self.name();
        self.output(base, slot);
        base
    }

    /// Room for a value.
    pub fn scratch(&mut self, base: u32, size: usize) {
        let size = size.next_multiple_of(ALIGN).max(ALIGN);
        let at = self.free.get_mut(&size).and_then(Vec::pop).unwrap_or_else(|| {
            self.scratch += size;
            self.scratch - size
        });
        self.places.insert(base, Place::Scratch(at));
        self.sizes.insert(base, size);
    }

    /// Room for a value that is no node's.
    pub fn anonymous(&mut self, size: usize) -> u32 {
        let base = self.name();
        self.scratch(base, size);
        base
    }

    /// A constant table.
    pub fn constant(&mut self, base: u32, table: &[f64]) {
        self.places.insert(base, Place::Constant(self.constants.len()));
        self.constants.extend_from_slice(table);
    }

    /// A constant that is no node's.
    pub fn anonymous_constant(&mut self, value: f64) -> u32 {
        let base = self.name();
        self.constant(base, &[value]);
        base
    }

    /// The value is dead.
    pub fn free(&mut self, base: u32) {
        if let (Some(Place::Scratch(at)), Some(size)) = (self.places.get(&base), self.sizes.get(&base)) {
            self.free.entry(*size).or_default().push(*at);
        }
    }

    fn name(&mut self) -> u32 {
        self.anonymous += 1;
        u32::MAX - self.anonymous
    }
}
