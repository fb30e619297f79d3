//! Structure of a Jacobian → how few directional derivatives give it, and where its entries stand.
//!
//! Columns that have no row in common get the same *colour*: the derivative along their sum has each of their entries in
//! a place of its own (Curtis, Powell, Reid, On the estimation of sparse Jacobian matrices, J. Inst. Math. Appl. 13 (1974)
//! 117–119).

use faer::sparse::SymbolicSparseColMatRef;
use faer::sparse::linalg::lu::{LuSymbolicParams, SymbolicLu, factorize_symbolic_lu};
use std::sync::{Arc, OnceLock};

/// Components from which a sparse Jacobian pays.
const LEAST: usize = 20;
/// So many directions less than components there must be.
const SAVING: usize = 3;
/// A place on the diagonal where the Jacobian has nothing.
const ABSENT: usize = usize::MAX;

/// The entries of a Jacobian that may be other than 0, and their places among the values `[D][C]`: what component i
/// gains along direction c.
#[derive(Debug)]
pub struct Sparsity {
    dim: usize,
    directions: usize,
    /// Entries of I/c − ∂f/∂z, column by column: where each column starts, rows in increasing order, and places.
    starts: Vec<usize>,
    rows: Vec<usize>,
    places: Vec<usize>,
    /// Direction that each component moves along.
    colours: Vec<usize>,
    symbolic: SymbolicLu<usize>,
    transposed: OnceLock<Arc<Self>>,
}

impl Sparsity {
    /// From the components that each component of the right-hand side depends on. `None` where a dense Jacobian is as
    /// good.
    #[must_use]
    pub fn new(rows: &[Vec<u32>]) -> Option<Self> {
        let dim = rows.len();
        if dim < LEAST {
            return None;
        }
        let mut columns = vec![Vec::new(); dim];
        for (i, row) in rows.iter().enumerate() {
            row.iter().for_each(|&j| columns[j as usize].push(i));
        }
        let colours = colouring(rows, &columns);
        let directions = colours.iter().max().map_or(0, |last| last + 1);
        if SAVING * directions > dim {
            return None;
        }
        let place = |i: usize, j: usize| i * directions + colours[j];
        let columns = columns.iter().enumerate().map(|(j, rows)| rows.iter().map(|&i| (i, place(i, j))).collect());
        Self::from_columns(columns.collect(), directions, colours.clone())
    }

    /// From the rows and places in each column.
    fn from_columns(columns: Vec<Vec<(usize, usize)>>, directions: usize, colours: Vec<usize>) -> Option<Self> {
        let dim = columns.len();
        let (mut starts, mut rows, mut places) = (vec![0], Vec::new(), Vec::new());
        for (j, mut column) in columns.into_iter().enumerate() {
            if column.iter().all(|entry| entry.0 != j) {
                column.push((j, ABSENT));
            }
            column.sort_unstable();
            rows.extend(column.iter().map(|entry| entry.0));
            places.extend(column.iter().map(|entry| entry.1));
            starts.push(rows.len());
        }
        let structure = SymbolicSparseColMatRef::new_checked(dim, dim, &starts, None, &rows);
        let symbolic = factorize_symbolic_lu(structure, LuSymbolicParams::default()).ok()?;
        Some(Self { dim, directions, starts, rows, places, colours, symbolic, transposed: OnceLock::new() })
    }

    /// Number of components `D`.
    #[must_use]
    pub fn dim(&self) -> usize {
        self.dim
    }

    /// Number of directions `C`.
    #[must_use]
    pub fn directions(&self) -> usize {
        self.directions
    }

    /// Entries that may be other than 0.
    #[must_use]
    pub fn entries(&self) -> usize {
        self.places.iter().filter(|place| **place != ABSENT).count()
    }

    /// The directions, `[C][D]` of 0 and 1.
    #[must_use]
    pub fn seeds(&self) -> Vec<f64> {
        let mut seeds = vec![0.0; self.directions * self.dim];
        for (j, colour) in self.colours.iter().enumerate() {
            seeds[colour * self.dim + j] = 1.0;
        }
        seeds
    }

    /// Row, column and place of every entry.
    pub(super) fn iter(&self) -> impl Iterator<Item = (usize, usize, usize)> {
        let columns = self.starts.windows(2).enumerate();
        let all = columns.flat_map(move |(j, ends)| (ends[0]..ends[1]).map(move |k| (self.rows[k], j, self.places[k])));
        all.filter(|entry| entry.2 != ABSENT)
    }

    /// Columns and rows as the solver of linear systems reads them, and the places of the values.
    pub(super) fn matrix(&self) -> (SymbolicSparseColMatRef<'_, usize>, &[usize]) {
        (SymbolicSparseColMatRef::new_checked(self.dim, self.dim, &self.starts, None, &self.rows), &self.places)
    }

    /// The value of an entry, 0 where there is none but the diagonal.
    pub(super) fn read<R: super::Real>(values: &[R], place: usize) -> R {
        if place == ABSENT { R::ZERO } else { values[place] }
    }

    /// The order of elimination.
    pub(super) fn symbolic(&self) -> &SymbolicLu<usize> {
        &self.symbolic
    }

    /// The structure of the transposed matrix, its values in the same places; `None` where memory is short.
    pub(super) fn transposed(&self) -> Option<Arc<Self>> {
        if let Some(known) = self.transposed.get() {
            return Some(known.clone());
        }
        let mut columns = vec![Vec::new(); self.dim];
        self.iter().for_each(|(i, j, place)| columns[i].push((j, place)));
        let made = Arc::new(Self::from_columns(columns, self.directions, self.colours.clone())?);
        Some(self.transposed.get_or_init(|| made).clone())
    }

    /// Writes the values as a dense matrix, row-major.
    pub(super) fn expand<R: super::Real>(&self, values: &[R], dense: &mut [R]) {
        dense.fill(R::ZERO);
        self.iter().for_each(|(i, j, place)| dense[i * self.dim + j] = values[place]);
    }
}

/// A colour for each column: greedily, in the given order and by falling number of entries; the better one.
fn colouring(rows: &[Vec<u32>], columns: &[Vec<usize>]) -> Vec<usize> {
    let natural: Vec<usize> = (0..columns.len()).collect();
    let mut largest = natural.clone();
    largest.sort_by_key(|&j| std::cmp::Reverse(columns[j].len()));
    let last = |colours: &[usize]| colours.iter().max().copied();
    let (a, b) = (greedy(rows, columns, &natural), greedy(rows, columns, &largest));
    if last(&b) < last(&a) { b } else { a }
}

/// The first colour that no column with a common row has.
fn greedy(rows: &[Vec<u32>], columns: &[Vec<usize>], order: &[usize]) -> Vec<usize> {
    let mut colours = vec![usize::MAX; columns.len()];
    // Column for which a colour was last found taken.
    let mut taken: Vec<usize> = Vec::new();
    for &j in order {
        for &other in columns[j].iter().flat_map(|&i| &rows[i]) {
            if let Some(mark) = taken.get_mut(colours[other as usize]) {
                *mark = j;
            }
        }
        let free = taken.iter().position(|mark| *mark != j).unwrap_or(taken.len());
        if free == taken.len() {
            taken.push(usize::MAX);
        }
        colours[j] = free;
    }
    colours
}

#[cfg(test)]
mod tests {
    use super::Sparsity;

    #[test]
    fn a_band_needs_as_many_directions_as_it_is_wide() {
        let rows: Vec<Vec<u32>> = (0..50_u32).map(|i| (i.saturating_sub(1)..=(i + 1).min(49)).collect()).collect();
        let sparsity = Sparsity::new(&rows).expect("sparse");
        assert_eq!((sparsity.directions(), sparsity.entries()), (3, 148));
    }

    #[test]
    fn entries_of_a_direction_have_places_of_their_own() {
        let rows: Vec<Vec<u32>> = (0..60_u32).map(|i| vec![i, (i * 7 + 3) % 60, (i * i) % 60]).collect();
        let rows: Vec<Vec<u32>> = rows
            .into_iter()
            .map(|mut row| {
                row.sort_unstable();
                row.dedup();
                row
            })
            .collect();
        let sparsity = Sparsity::new(&rows).expect("sparse");
        let mut seen: Vec<usize> = sparsity.iter().map(|entry| entry.2).collect();
        let all = seen.len();
        seen.sort_unstable();
        seen.dedup();
        assert_eq!((seen.len(), all), (all, rows.iter().map(Vec::len).sum()));
    }

    #[test]
    fn a_full_row_makes_it_dense() {
        let rows: Vec<Vec<u32>> = (0..50_u32).map(|i| if i == 0 { (0..50).collect() } else { vec![i] }).collect();
        assert!(Sparsity::new(&rows).is_none());
    }
}
