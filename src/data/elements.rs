//! Bytes of a file → numbers, in the narrowest width that holds them exactly.

use std::sync::Arc;

use half::{bf16, f16};

use super::bytes::MOST_BYTES;
use super::dataset::Buffer;
use super::raw::Problem;

/// The number type of an array in a file.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Element {
    U8,
    I8,
    U16,
    I16,
    U32,
    I32,
    U64,
    I64,
    F16,
    BF16,
    F32,
    F64,
}

/// An array as it stands in a file.
#[derive(Clone, Debug)]
pub(super) struct Array {
    pub shape: Vec<usize>,
    /// Row-major.
    pub buffer: Buffer,
}

impl Element {
    /// Bytes of one number in the file.
    pub fn size(self) -> usize {
        match self {
            Self::U8 | Self::I8 => 1,
            Self::U16 | Self::I16 | Self::F16 | Self::BF16 => 2,
            Self::U32 | Self::I32 | Self::F32 => 4,
            Self::U64 | Self::I64 | Self::F64 => 8,
        }
    }

    /// Bytes of one number in memory.
    fn held(self) -> usize {
        match self {
            Self::U8 => 1,
            Self::I8 | Self::U16 | Self::I16 | Self::F16 | Self::BF16 | Self::F32 => 4,
            Self::U32 | Self::I32 | Self::U64 | Self::I64 | Self::F64 => 8,
        }
    }

    /// Bytes in the file of an array of this shape, if that is little enough to be held.
    pub fn bytes_of(self, shape: &[usize]) -> Result<usize, Problem> {
        let count = shape.iter().try_fold(1_usize, |n, s| n.checked_mul(*s));
        let held = count.and_then(|n| n.checked_mul(self.held()));
        match (count, held) {
            (Some(count), Some(held)) if held as u64 <= MOST_BYTES => Ok(count * self.size()),
            _ => Err(Problem::too_large(format!("the header claims an array of shape {shape:?}, more than 4 GiB"))),
        }
    }

    /// The numbers in `bytes`.
    pub fn decode(self, bytes: Vec<u8>, big_endian: bool) -> Buffer {
        /// Splits into numbers of `N` bytes, least significant first.
        fn each<const N: usize, T>(bytes: &[u8], big: bool, f: impl Fn([u8; N]) -> T) -> Vec<T> {
            let number = |chunk: &[u8; N]| {
                let mut chunk = *chunk;
                if big {
                    chunk.reverse();
                }
                f(chunk)
            };
            bytes.as_chunks::<N>().0.iter().map(number).collect()
        }
        let (b, big) = (bytes.as_slice(), big_endian);
        #[allow(clippy::cast_precision_loss, reason = "64-bit integers beyond 2^53 are rounded, as documented")]
        match self {
            Self::U8 => Buffer::U8(Arc::new(bytes)),
            Self::I8 => single(each(b, big, |x| f32::from(i8::from_le_bytes(x)))),
            Self::U16 => single(each(b, big, |x| f32::from(u16::from_le_bytes(x)))),
            Self::I16 => single(each(b, big, |x| f32::from(i16::from_le_bytes(x)))),
            Self::F16 => single(each(b, big, |x| f16::from_le_bytes(x).to_f32())),
            Self::BF16 => single(each(b, big, |x| bf16::from_le_bytes(x).to_f32())),
            Self::F32 => single(each(b, big, f32::from_le_bytes)),
            Self::U32 => double(each(b, big, |x| f64::from(u32::from_le_bytes(x)))),
            Self::I32 => double(each(b, big, |x| f64::from(i32::from_le_bytes(x)))),
            Self::U64 => double(each(b, big, |x| u64::from_le_bytes(x) as f64)),
            Self::I64 => double(each(b, big, |x| i64::from_le_bytes(x) as f64)),
            Self::F64 => double(each(b, big, f64::from_le_bytes)),
        }
    }
}

fn single(values: Vec<f32>) -> Buffer {
    Buffer::F32(Arc::new(values))
}

fn double(values: Vec<f64>) -> Buffer {
    Buffer::F64(Arc::new(values))
}

/// The numbers of a column-major array (Fortran order) in row-major order.
pub(super) fn row_major(buffer: Buffer, shape: &[usize]) -> Buffer {
    match buffer {
        Buffer::U8(v) => Buffer::U8(Arc::new(reorder(&v, shape))),
        Buffer::F32(v) => Buffer::F32(Arc::new(reorder(&v, shape))),
        Buffer::F64(v) => Buffer::F64(Arc::new(reorder(&v, shape))),
    }
}

fn reorder<T: Copy>(values: &[T], shape: &[usize]) -> Vec<T> {
    let offset = |mut row_major: usize| {
        let mut index = 0;
        let mut stride: usize = values.len();
        // From the last axis, which varies fastest here and has the largest stride there.
        for size in shape.iter().rev() {
            stride /= (*size).max(1);
            index += row_major % (*size).max(1) * stride;
            row_major /= (*size).max(1);
        }
        index
    };
    (0..values.len()).filter_map(|i| values.get(offset(i)).copied()).collect()
}
