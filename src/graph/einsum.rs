//! The one linear operation: `out[…] = Σ Π argₖ[…]`.

use smallvec::SmallVec;

/// Which index stands on which axis. Indices are small numbers; an index that the output lacks is summed.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct Einsum {
    /// For each argument, the index of each of its axes.
    pub args: SmallVec<[SmallVec<[u8; 4]>; 2]>,
    /// The index of each axis of the result; all different.
    pub out: SmallVec<[u8; 4]>,
}

impl Einsum {
    /// From a spelling like `ij,j->i`.
    ///
    /// # Panics
    /// When the text has no `->`: it is written in the source of the compiler.
    pub fn parse(text: &str) -> Self {
        let (args, out) = text.split_once("->").expect("an arrow");
        let letters = |s: &str| s.bytes().map(|b| b - b'a').collect::<SmallVec<[u8; 4]>>();
        Self { args: args.split(',').map(letters).collect(), out: letters(out) }
    }

    /// `ij,j->i`
    pub fn spell(&self) -> String {
        let letter = |i: &u8| if *i < 26 { char::from(b'a' + i) } else { char::from(b'A' + (i - 26) % 26) };
        let args: Vec<String> = self.args.iter().map(|a| a.iter().map(letter).collect()).collect();
        format!("{}->{}", args.join(","), self.out.iter().map(letter).collect::<String>())
    }

    /// The same with indices numbered by first appearance, so that equal products are equal nodes.
    #[must_use]
    pub fn canonical(&self) -> Self {
        let mut names: Vec<u8> = Vec::new();
        let mut rename = |i: &u8| {
            let k = names.iter().position(|n| n == i).unwrap_or_else(|| {
                names.push(*i);
                names.len() - 1
            });
            u8::try_from(k).expect("fewer than 256 indices")
        };
        let args = self.args.iter().map(|a| a.iter().map(&mut rename).collect()).collect();
        let out = self.out.iter().map(&mut rename).collect();
        Self { args, out }
    }

    /// One more than the largest index.
    pub fn fresh(&self) -> u8 {
        self.args.iter().flatten().chain(&self.out).max().map_or(0, |m| m + 1)
    }
}
