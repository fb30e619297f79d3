//! Samples as ranges of shared buffers.

use std::sync::Arc;

/// Numbers in the width they had in the file, row-major, shared between views.
#[derive(Clone, Debug)]
pub enum Buffer {
    /// Bytes: pixels, booleans, labels.
    U8(Arc<Vec<u8>>),
    /// Single precision.
    F32(Arc<Vec<f32>>),
    /// Double precision; also 16 to 64-bit integers (exact up to 2^53).
    F64(Arc<Vec<f64>>),
}

impl Buffer {
    /// Numbers held.
    pub fn len(&self) -> usize {
        match self {
            Self::U8(v) => v.len(),
            Self::F32(v) => v.len(),
            Self::F64(v) => v.len(),
        }
    }

    /// True without numbers.
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }

    /// Bytes held.
    pub fn bytes(&self) -> usize {
        match self {
            Self::U8(v) => v.len(),
            Self::F32(v) => 4 * v.len(),
            Self::F64(v) => 8 * v.len(),
        }
    }

    /// The number at `i`; NaN beyond the end.
    pub(super) fn get(&self, i: usize) -> f64 {
        match self {
            Self::U8(v) => v.get(i).map_or(f64::NAN, |x| f64::from(*x)),
            Self::F32(v) => v.get(i).map_or(f64::NAN, |x| f64::from(*x)),
            Self::F64(v) => v.get(i).copied().unwrap_or(f64::NAN),
        }
    }

    /// Copies as many numbers as fit, from `start` on; returns how many.
    fn copy(&self, start: usize, out: &mut [f64]) -> usize {
        fn cast<T: Copy + Into<f64>>(from: &[T], start: usize, out: &mut [f64]) -> usize {
            let from = from.get(start..).unwrap_or(&[]);
            for (o, x) in out.iter_mut().zip(from) {
                *o = (*x).into();
            }
            from.len().min(out.len())
        }
        match self {
            Self::U8(v) => cast(v, start, out),
            Self::F32(v) => cast(v, start, out),
            Self::F64(v) => cast(v, start, out),
        }
    }
}

/// The rows of a buffer that make one sample.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Extent {
    /// First row.
    pub start: usize,
    /// Rows.
    pub len: usize,
}

/// What one input gets from every sample.
#[derive(Clone, Debug)]
pub struct Column {
    /// The input.
    pub name: String,
    /// Shape of a sample; the leading size is the largest one if it varies.
    pub shape: Vec<usize>,
    pub(super) buffer: Buffer,
    /// Numbers in a row: the product of the sizes after the leading one.
    pub(super) width: usize,
    pub(super) extents: Arc<[Extent]>,
}

impl Column {
    /// Leading length of a sample (1 for a scalar, 0 if there is no such sample).
    pub fn len_of(&self, sample: usize) -> usize {
        self.extents.get(sample).map_or(0, |e| e.len)
    }

    /// Numbers in a padded sample: the product of [`Column::shape`].
    pub fn size(&self) -> usize {
        self.shape.iter().product()
    }

    /// Writes a sample, row-major, to `out` (of [`Column::size`] numbers); a sample shorter than that is padded by
    /// repeating its last row, so that padding never leaves the range of the data.
    pub fn fill(&self, sample: usize, out: &mut [f64]) {
        let Some(extent) = self.extents.get(sample) else { return };
        let own = (extent.len * self.width).min(out.len());
        let (head, padding) = out.split_at_mut(own);
        self.buffer.copy(extent.start * self.width, head);
        let last = (extent.start + extent.len.saturating_sub(1)) * self.width;
        for row in padding.chunks_mut(self.width.max(1)) {
            self.buffer.copy(last, row);
        }
    }

    /// Hands every number of a sample, without padding, to `out` with its row-major index.
    pub fn copy_sample(&self, sample: usize, out: &mut dyn FnMut(usize, f64)) {
        let Some(extent) = self.extents.get(sample) else { return };
        let start = extent.start * self.width;
        for i in 0..extent.len * self.width {
            out(i, self.buffer.get(start + i));
        }
    }

    /// The numbers behind it, shared by all views.
    pub fn buffer(&self) -> &Buffer {
        &self.buffer
    }
}

/// The size of a `dim` that the data decided.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum DimSize {
    /// The same in every sample.
    Fixed(usize),
    /// Different between samples; `max` is the largest.
    Ragged {
        /// The largest.
        max: usize,
    },
}

/// Samples of a model.
#[derive(Clone, Debug)]
pub struct Dataset {
    /// Samples.
    pub len: usize,
    /// One column an input, in the order of the declarations.
    pub columns: Vec<Column>,
    /// The sizes taken from the data, in the order of their first use.
    pub dims: Vec<(String, DimSize)>,
    /// Windows only: the trajectory and first row of each sample, which a split must respect.
    pub(super) origin: Option<Arc<[Origin]>>,
}

/// Where a window was cut.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Origin {
    /// Which trajectory.
    pub trajectory: usize,
    /// First row in it.
    pub start: usize,
    /// Rows.
    pub len: usize,
}

impl Dataset {
    /// The column of an input.
    pub fn column(&self, name: &str) -> Option<&Column> {
        self.columns.iter().find(|c| c.name == name)
    }

    /// The first `n` samples (all, if there are fewer).
    #[must_use]
    pub fn take(&self, n: usize) -> Self {
        self.select(&(0..n.min(self.len)).collect::<Vec<_>>())
    }

    /// The samples of these numbers; the data itself is shared. Shapes and dims stay those of the whole.
    #[must_use]
    pub fn select(&self, samples: &[usize]) -> Self {
        fn pick<T: Copy>(from: &[T], samples: &[usize]) -> Arc<[T]> {
            samples.iter().filter_map(|s| from.get(*s).copied()).collect()
        }
        let view = |c: &Column| Column { extents: pick(&c.extents, samples), ..c.clone() };
        Self {
            len: samples.iter().filter(|s| **s < self.len).count(),
            columns: self.columns.iter().map(view).collect(),
            dims: self.dims.clone(),
            origin: self.origin.as_ref().map(|o| pick(o, samples)),
        }
    }
}
