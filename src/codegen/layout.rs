//! Where the entries of a value lie in memory.
//!
//! A shared value is its shape, row-major; a batched one has the lanes as one more, innermost axis. A *view* is a box of
//! a stored value with a stride per axis, so that slices, transposes and repeats cost nothing.

use smallvec::SmallVec;

/// Strides or sizes, lanes last.
pub type Axes = SmallVec<[i64; 6]>;

/// Entries of a stored value.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct View {
    /// Which stored value.
    pub base: u32,
    /// First entry.
    pub offset: i64,
    /// Step per axis of the shape.
    pub strides: Axes,
    /// Step per lane: 1, or 0 when the samples share it.
    pub lane: i64,
}

/// Row-major strides of a shape, lanes innermost when batched.
pub fn contiguous(shape: &[usize], batched: bool, lanes: usize) -> (Axes, i64) {
    let mut step = if batched { signed(lanes) } else { 1 };
    let mut strides: Axes = shape.iter().map(|_| 0).collect();
    for (stride, &n) in strides.iter_mut().zip(shape).rev() {
        *stride = step;
        step *= signed(n);
    }
    (strides, i64::from(batched))
}

/// Number of entries that a value takes.
pub fn entries(shape: &[usize], batched: bool, lanes: usize) -> usize {
    shape.iter().product::<usize>() * if batched { lanes } else { 1 }
}

/// Sizes are far below 2⁶³.
pub fn signed(n: usize) -> i64 {
    i64::try_from(n).unwrap_or(i64::MAX)
}

impl View {
    /// All of a stored value.
    pub fn whole(base: u32, shape: &[usize], batched: bool, lanes: usize) -> Self {
        let (strides, lane) = contiguous(shape, batched, lanes);
        Self { base, offset: 0, strides, lane }
    }

    /// Whether it is stored exactly as `shape` would be.
    pub fn is_contiguous(&self, shape: &[usize], batched: bool, lanes: usize) -> bool {
        let (strides, lane) = contiguous(shape, batched, lanes);
        let same = shape.iter().zip(&self.strides).zip(&strides).all(|((n, a), b)| *n == 1 || a == b);
        same && (self.lane == lane || lanes == 1)
    }

    /// The box that starts at `start`.
    pub fn slice(&self, start: &[usize]) -> Self {
        let shift: i64 = start.iter().zip(&self.strides).map(|(s, t)| signed(*s) * t).sum();
        Self { offset: self.offset + shift, ..self.clone() }
    }

    /// Axis k becomes axis `axes[k]` of a value of `rank` axes; the new ones repeat.
    pub fn broadcast(&self, axes: &[u8], rank: usize) -> Self {
        let mut strides: Axes = (0..rank).map(|_| 0).collect();
        for (k, &axis) in axes.iter().enumerate() {
            strides[axis as usize] = self.strides[k];
        }
        Self { strides, ..self.clone() }
    }

    /// Axes by index: the strides of equal indices add up (a diagonal).
    pub fn relabel(&self, labels: &[u8], out: &[u8]) -> Self {
        let step = |l: u8| labels.iter().zip(&self.strides).filter(|(m, _)| **m == l).map(|(_, s)| *s).sum::<i64>();
        Self { strides: out.iter().map(|&l| step(l)).collect(), ..self.clone() }
    }

    /// The same entries in order under another shape, if strides can say it.
    pub fn reshape(&self, from: &[usize], to: &[usize]) -> Option<Self> {
        // Axes of size 1 have no say; the others are grouped into runs that lie evenly.
        let old: Vec<(i64, i64)> =
            from.iter().zip(&self.strides).filter(|(n, _)| **n != 1).map(|(n, s)| (signed(*n), *s)).collect();
        let mut strides: Axes = to.iter().map(|_| 0).collect();
        let (mut i, mut j) = (0, 0);
        while i < old.len() {
            let (mut size, mut k) = (old[i].0, i);
            let mut out = 1;
            let first = j;
            while out < size || out == 1 {
                if j == to.len() {
                    return None;
                }
                out *= signed(to[j]);
                j += 1;
                while size < out {
                    k += 1;
                    let next = old.get(k)?;
                    if old[k - 1].1 != next.1 * next.0 {
                        return None;
                    }
                    size *= next.0;
                }
                if out == size && out != 1 {
                    break;
                }
            }
            let mut step = old[k].1;
            for axis in (first..j).rev() {
                strides[axis] = step;
                step *= signed(to[axis]);
            }
            i = k + 1;
        }
        Some(Self { strides, ..self.clone() })
    }
}

/// Neighbouring axes that every operand walks evenly become one; axes of size 1 vanish. `steps[v][axis]`.
pub fn collapse(sizes: &[i64], steps: &[Axes]) -> (Axes, Vec<Axes>) {
    let mut out_sizes = Axes::new();
    let mut out: Vec<Axes> = steps.iter().map(|_| Axes::new()).collect();
    for axis in (0..sizes.len()).filter(|&a| sizes[a] != 1) {
        let n = sizes[axis];
        let joins = !out_sizes.is_empty() && steps.iter().zip(&out).all(|(s, o)| o[o.len() - 1] == s[axis] * n);
        if joins {
            let last = out_sizes.len() - 1;
            out_sizes[last] *= n;
            for (s, o) in steps.iter().zip(&mut out) {
                o[last] = s[axis];
            }
        } else {
            out_sizes.push(n);
            for (s, o) in steps.iter().zip(&mut out) {
                o.push(s[axis]);
            }
        }
    }
    (out_sizes, out)
}

/// Every position of a shape, row-major.
pub fn positions(shape: &[usize]) -> impl Iterator<Item = SmallVec<[usize; 4]>> + use<> {
    let shape: SmallVec<[usize; 4]> = shape.into();
    let total: usize = shape.iter().product();
    (0..total).map(move |mut flat| {
        let mut at: SmallVec<[usize; 4]> = shape.iter().map(|_| 0).collect();
        for (i, n) in at.iter_mut().zip(&shape).rev() {
            *i = flat % n;
            flat /= n;
        }
        at
    })
}

/// The row-major number of a position.
pub fn flat(shape: &[usize], at: &[usize]) -> usize {
    shape.iter().zip(at).fold(0, |sum, (n, i)| sum * n + i)
}
