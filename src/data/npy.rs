//! The `NumPy` format: a magic, a Python dictionary as header, the numbers. (Specification: `numpy.lib.format`.)

use std::io::Read;

use super::codes;
use super::elements::{Array, Element, row_major};
use super::raw::Problem;

/// Longest header read; `NumPy` itself stops at 10,000 characters.
const LONGEST_HEADER: usize = 1 << 16;
/// `NumPy`'s own limit.
const MOST_AXES: usize = 64;

struct Header {
    element: Element,
    big_endian: bool,
    fortran: bool,
    shape: Vec<usize>,
}

/// Reads one array. Memory is taken as bytes arrive, never because the header says so.
pub(super) fn read(reader: &mut dyn Read) -> Result<Array, Problem> {
    let text = header_text(reader)?;
    let header = parse(&text)?;
    let wanted = header.element.bytes_of(&header.shape)?;
    let mut bytes = Vec::new();
    // One byte more: the end of a zip entry is where its checksum is compared.
    reader.take(wanted as u64 + 1).read_to_end(&mut bytes).map_err(|e| unreadable(&e))?;
    if bytes.len() < wanted {
        let shape = &header.shape;
        return Err(Problem::damaged(format!(
            "the array is truncated: shape {shape:?} takes {wanted} bytes, {} are there",
            bytes.len()
        )));
    }
    bytes.truncate(wanted);
    let buffer = header.element.decode(bytes, header.big_endian);
    let reorder = header.fortran && header.shape.len() > 1;
    let buffer = if reorder { row_major(buffer, &header.shape) } else { buffer };
    Ok(Array { shape: header.shape, buffer })
}

fn unreadable(error: &std::io::Error) -> Problem {
    Problem::damaged(format!("the array is truncated or damaged: {error}"))
}

fn header_text(reader: &mut dyn Read) -> Result<String, Problem> {
    let mut start = [0; 8];
    reader.read_exact(&mut start).map_err(|e| unreadable(&e))?;
    if !start.starts_with(b"\x93NUMPY") {
        return Err(Problem::damaged("this is not a NumPy array: it does not begin with `\\x93NUMPY`"));
    }
    let long = start[6] >= 2;
    let mut length = [0; 4];
    reader.read_exact(if long { &mut length } else { &mut length[..2] }).map_err(|e| unreadable(&e))?;
    let length = usize::try_from(u32::from_le_bytes(length)).unwrap_or(usize::MAX);
    if length > LONGEST_HEADER {
        return Err(Problem::damaged(format!("the header of the array claims {length} bytes")));
    }
    let mut text = vec![0; length];
    reader.read_exact(&mut text).map_err(|e| unreadable(&e))?;
    String::from_utf8(text).map_err(|_| Problem::damaged("the header of the array is not text"))
}

/// What follows `'key':`.
fn value<'a>(header: &'a str, key: &str) -> Result<&'a str, Problem> {
    let found = ['\'', '"'].iter().find_map(|q| header.split_once(&format!("{q}{key}{q}")));
    let rest = found.and_then(|(_, rest)| rest.trim_start().strip_prefix(':'));
    rest.map(str::trim_start).ok_or_else(|| Problem::damaged(format!("the header of the array has no `{key}`")))
}

fn parse(text: &str) -> Result<Header, Problem> {
    let (element, big_endian) = element(value(text, "descr")?)?;
    let fortran = value(text, "fortran_order")?.starts_with("True");
    let tuple = value(text, "shape")?;
    let inside = tuple.strip_prefix('(').and_then(|t| t.split_once(')')).map(|(inside, _)| inside);
    let inside = inside.ok_or_else(|| Problem::damaged("the shape in the header of the array is not a tuple"))?;
    let sizes = inside.split(',').map(str::trim).filter(|s| !s.is_empty());
    let shape: Vec<usize> = sizes
        .map(|s| s.trim_end_matches('L').parse())
        .collect::<Result<_, _>>()
        .map_err(|_| Problem::damaged(format!("the header of the array has the shape `({inside})`")))?;
    if shape.len() > MOST_AXES {
        return Err(Problem::damaged(format!("the header of the array claims {} axes", shape.len())));
    }
    Ok(Header { element, big_endian, fortran, shape })
}

/// The number type in `'<f8'` and whether its most significant byte comes first.
fn element(descr: &str) -> Result<(Element, bool), Problem> {
    let quote = descr.chars().next().filter(|c| matches!(c, '\'' | '"'));
    let name = quote.and_then(|q| descr.get(1..)?.split_once(q)).map(|(name, _)| name);
    let Some(name) = name else {
        return Err(unknown("a structured type").help("save each field as an array of its own"));
    };
    let big = name.starts_with('>');
    let element = match name.trim_start_matches(['<', '>', '|', '=']) {
        "b1" | "?" | "u1" | "B" => Element::U8,
        "i1" => Element::I8,
        "u2" => Element::U16,
        "i2" => Element::I16,
        "u4" => Element::U32,
        "i4" => Element::I32,
        "u8" => Element::U64,
        "i8" => Element::I64,
        "f2" => Element::F16,
        "f4" => Element::F32,
        "f8" => Element::F64,
        _ => return Err(unknown(&format!("`{name}`"))),
    };
    Ok((element, big))
}

fn unknown(name: &str) -> Problem {
    Problem::new(codes::DTYPE, format!("the array holds {name}, which is not a number type that is read"))
        .help("save it as float64, float32, an integer type or bool: `a.astype(\"float64\")`")
}
