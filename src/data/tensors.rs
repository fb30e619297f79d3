//! The safetensors format.

use safetensors::tensor::TensorView;
use safetensors::{Dtype, SafeTensors};

use super::codes;
use super::elements::{Array, Element};
use super::npz::no_array;
use super::raw::Problem;

/// Checks the header of a file in memory.
pub(super) fn open(bytes: &[u8]) -> Result<SafeTensors<'_>, Problem> {
    SafeTensors::deserialize(bytes)
        .map_err(|e| Problem::damaged(format!("this is not a safetensors file, or it is truncated: {e}")))
}

/// Reads a tensor by its name.
pub(super) fn array(file: &SafeTensors<'_>, name: &str) -> Result<Array, Problem> {
    let view = file.tensor(name).map_err(|_| no_array(name, file.names().into_iter()))?;
    let element = element(&view)?;
    let wanted = element.bytes_of(view.shape())?;
    if view.data().len() != wanted {
        return Err(Problem::damaged(format!("tensor `{name}` has {} bytes instead of {wanted}", view.data().len())));
    }
    Ok(Array { shape: view.shape().to_vec(), buffer: element.decode(view.data().to_vec(), false) })
}

fn element(view: &TensorView<'_>) -> Result<Element, Problem> {
    Ok(match view.dtype() {
        Dtype::BOOL | Dtype::U8 => Element::U8,
        Dtype::I8 => Element::I8,
        Dtype::U16 => Element::U16,
        Dtype::I16 => Element::I16,
        Dtype::U32 => Element::U32,
        Dtype::I32 => Element::I32,
        Dtype::U64 => Element::U64,
        Dtype::I64 => Element::I64,
        Dtype::F16 => Element::F16,
        Dtype::BF16 => Element::BF16,
        Dtype::F32 => Element::F32,
        Dtype::F64 => Element::F64,
        other => return Err(Problem::new(codes::DTYPE, format!("the tensor holds {other:?}, which is not read"))),
    })
}
