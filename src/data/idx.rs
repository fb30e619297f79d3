//! The format of the MNIST files: two zero bytes, a type, the number of axes, the sizes, the numbers, all big-endian.

use super::codes;
use super::elements::{Array, Element};
use super::raw::Problem;

/// Reads one array.
pub(super) fn read(mut bytes: Vec<u8>) -> Result<Array, Problem> {
    let (element, axes) = match bytes.as_slice() {
        [0, 0, kind, axes @ 1..=8, ..] => (element(*kind)?, usize::from(*axes)),
        _ => return Err(Problem::damaged("this is not an IDX file: its first bytes are not those of the format")),
    };
    let start = 4 + 4 * axes;
    let sizes = bytes.get(4..start).ok_or_else(|| Problem::damaged("the IDX file is truncated in its header"))?;
    let size = |b: &[u8; 4]| usize::try_from(u32::from_be_bytes(*b)).unwrap_or(usize::MAX);
    let shape: Vec<usize> = sizes.as_chunks::<4>().0.iter().map(size).collect();
    let wanted = element.bytes_of(&shape)?;
    let there = bytes.len() - start;
    if there != wanted {
        let what = if there < wanted { "truncated" } else { "damaged" };
        return Err(Problem::damaged(format!(
            "the IDX file is {what}: shape {shape:?} takes {wanted} bytes, {there} are there"
        )));
    }
    bytes.drain(..start);
    Ok(Array { shape, buffer: element.decode(bytes, true) })
}

fn element(kind: u8) -> Result<Element, Problem> {
    Ok(match kind {
        0x08 => Element::U8,
        0x09 => Element::I8,
        0x0b => Element::I16,
        0x0c => Element::I32,
        0x0d => Element::F32,
        0x0e => Element::F64,
        _ => return Err(Problem::new(codes::DTYPE, format!("IDX knows no number type {kind:#04x}"))),
    })
}
