//! Holding samples back for validation.

use super::dataset::{Dataset, Origin};

/// `SplitMix64` (Steele, Lea, Flood 2014): small, seeded, the same on every machine.
struct SplitMix(u64);

impl SplitMix {
    fn next(&mut self) -> u64 {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mut z = self.0;
        z = (z ^ (z >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        z = (z ^ (z >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        z ^ (z >> 31)
    }

    /// A number below `n` (the high half of a 128-bit product; its bias is below n / 2^64).
    fn below(&mut self, n: usize) -> usize {
        let product = u128::from(self.next()) * (n as u128);
        usize::try_from(product >> 64).unwrap_or(0)
    }
}

/// `0..n` in an order that depends on the seed only (Fisher-Yates).
fn shuffled(n: usize, seed: u64) -> Vec<usize> {
    let mut random = SplitMix(seed);
    let mut order: Vec<usize> = (0..n).collect();
    for i in (1..n).rev() {
        order.swap(i, random.below(i + 1));
    }
    order
}

/// How many of `n` to hold back: at least one, and at least one is left, wherever there are two.
fn held_back(n: usize, fraction: f64) -> usize {
    if n < 2 || fraction.is_nan() || fraction <= 0.0 {
        return 0;
    }
    #[allow(clippy::cast_possible_truncation, clippy::cast_sign_loss, clippy::cast_precision_loss, reason = "in 1..n")]
    let wanted = (n as f64 * fraction.min(1.0)).round() as usize;
    wanted.clamp(1, n - 1)
}

impl Dataset {
    /// Splits into training samples and a held-back fraction of them; the same seed gives the same split, the data is
    /// shared and the order of the file is kept.
    ///
    /// Windows of one trajectory overlap, so a random choice of them would validate on training data. They are held
    /// back by whole trajectories; of a single trajectory the last part is held back and the windows that reach into
    /// it are left out of training.
    pub fn split(&self, fraction: f64, seed: u64) -> (Self, Self) {
        let (train, held) = match self.origin.as_deref() {
            None => self.split_samples(fraction, seed),
            Some(origin) => split_windows(origin, fraction, seed),
        };
        (self.select(&train), self.select(&held))
    }

    fn split_samples(&self, fraction: f64, seed: u64) -> (Vec<usize>, Vec<usize>) {
        let order = shuffled(self.len, seed);
        let (held, train) = order.split_at(held_back(self.len, fraction));
        (sorted(train), sorted(held))
    }
}

fn sorted(samples: &[usize]) -> Vec<usize> {
    let mut samples = samples.to_vec();
    samples.sort_unstable();
    samples
}

fn split_windows(origin: &[Origin], fraction: f64, seed: u64) -> (Vec<usize>, Vec<usize>) {
    let mut trajectories: Vec<usize> = origin.iter().map(|o| o.trajectory).collect();
    trajectories.dedup();
    if trajectories.len() < 2 {
        return split_tail(origin, fraction);
    }
    let chosen = &shuffled(trajectories.len(), seed)[..held_back(trajectories.len(), fraction)];
    let chosen = sorted(&chosen.iter().map(|c| trajectories[*c]).collect::<Vec<_>>());
    (0..origin.len()).partition(|s| chosen.binary_search(&origin[*s].trajectory).is_err())
}

fn split_tail(origin: &[Origin], fraction: f64) -> (Vec<usize>, Vec<usize>) {
    let cut = origin.len() - held_back(origin.len(), fraction);
    let Some(first) = origin.get(cut).map(|o| o.start) else { return ((0..origin.len()).collect(), Vec::new()) };
    let apart: Vec<usize> = (0..cut).filter(|s| origin[*s].start + origin[*s].len <= first).collect();
    // A trajectory too short for windows that do not overlap still gets a split.
    let train = if apart.is_empty() { (0..cut).collect() } else { apart };
    (train, (cut..origin.len()).collect())
}
