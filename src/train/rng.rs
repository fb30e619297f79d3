//! A counter-based random generator: every draw is a pure function of (seed, stream, index).
//!
//! Philox4x32-10 of Salmon, Moraes, Dror and Shaw, "Parallel random numbers: as easy as 1, 2, 3" (SC 2011). There is
//! no state to save: a checkpoint need only hold the step, and the number of threads changes nothing. Elementary
//! functions come from `libm`, so that the bits are the same on every platform.

const MULTIPLIER: [u32; 2] = [0xD251_1F53, 0xCD9E_8D57];
const WEYL: [u32; 2] = [0x9E37_79B9, 0xBB67_AE85];
const ROUNDS: usize = 10;

/// The low and the high half of a word.
fn halves(word: u64) -> [u32; 2] {
    let [a, b, c, d, e, f, g, h] = word.to_le_bytes();
    [u32::from_le_bytes([a, b, c, d]), u32::from_le_bytes([e, f, g, h])]
}

/// A word from its low and high half.
fn join(low: u32, high: u32) -> u64 {
    u64::from(high) << 32 | u64::from(low)
}

/// 128 random bits: Philox4x32-10 with the seed as key and (index, stream) as counter.
pub fn block(seed: u64, stream: u64, index: u64) -> [u64; 2] {
    let mut key = halves(seed);
    let ([i0, i1], [s0, s1]) = (halves(index), halves(stream));
    let mut x = [i0, i1, s0, s1];
    for _ in 0..ROUNDS {
        let [low0, high0] = halves(u64::from(MULTIPLIER[0]) * u64::from(x[0]));
        let [low1, high1] = halves(u64::from(MULTIPLIER[1]) * u64::from(x[2]));
        x = [high1 ^ x[1] ^ key[0], low1, high0 ^ x[3] ^ key[1], low0];
        key = [key[0].wrapping_add(WEYL[0]), key[1].wrapping_add(WEYL[1])];
    }
    [join(x[0], x[1]), join(x[2], x[3])]
}

/// 64 random bits.
pub fn bits(seed: u64, stream: u64, index: u64) -> u64 {
    block(seed, stream, index)[0]
}

/// One stream number from several: (noise declaration, step, sample) for example. The finaliser of splitmix64
/// (Steele, Lea and Flood, OOPSLA 2014) after each part.
pub fn stream(parts: &[u64]) -> u64 {
    parts.iter().fold(0, |state: u64, part| {
        let mut z = (state ^ part).wrapping_add(0x9E37_79B9_7F4A_7C15);
        z = (z ^ (z >> 30)).wrapping_mul(0xBF58_476D_1CE4_E5B9);
        z = (z ^ (z >> 27)).wrapping_mul(0x94D0_49BB_1331_11EB);
        z ^ (z >> 31)
    })
}

/// The upper 53 bits as a multiple of 2⁻⁵³ in [0, 1).
#[allow(clippy::cast_precision_loss, reason = "53 bits fit a double exactly")]
fn unit(bits: u64) -> f64 {
    (bits >> 11) as f64 * (1.0 / 9_007_199_254_740_992.0)
}

/// Uniform in [0, 1).
pub fn uniform(seed: u64, stream: u64, index: u64) -> f64 {
    unit(bits(seed, stream, index))
}

/// Two independent standard normal numbers (Box and Muller 1958).
pub fn normal_pair(seed: u64, stream: u64, index: u64) -> [f64; 2] {
    let [a, b] = block(seed, stream, index).map(unit);
    // 1 − a lies in (0, 1], where the logarithm is finite.
    let radius = (-2.0 * libm::log(1.0 - a)).sqrt();
    let (sin, cos) = libm::sincos(std::f64::consts::TAU * b);
    [radius * cos, radius * sin]
}

/// A standard normal number; two neighbouring indices share a block.
pub fn normal(seed: u64, stream: u64, index: u64) -> f64 {
    let pair = normal_pair(seed, stream, index / 2);
    if index.is_multiple_of(2) { pair[0] } else { pair[1] }
}

/// 1 with probability `p`, else 0.
pub fn bernoulli(seed: u64, stream: u64, index: u64, p: f64) -> f64 {
    if uniform(seed, stream, index) < p { 1.0 } else { 0.0 }
}

/// −1 or 1 with equal probability (Rademacher).
pub fn sign(seed: u64, stream: u64, index: u64) -> f64 {
    if bits(seed, stream, index) >> 63 == 0 { -1.0 } else { 1.0 }
}

/// A whole number in `0..n` (0 for `n = 0`); the bias of the multiplication is below n·2⁻⁶⁴.
#[allow(clippy::cast_possible_truncation, reason = "the product's upper half is below n, which is a usize")]
pub fn below(seed: u64, stream: u64, index: u64, n: usize) -> usize {
    ((u128::from(bits(seed, stream, index)) * n as u128) >> 64) as usize
}

/// A random order of `0..n` (Fisher and Yates).
pub fn permutation(seed: u64, stream: u64, n: usize) -> Vec<usize> {
    let mut order: Vec<usize> = (0..n).collect();
    for i in (1..n).rev() {
        order.swap(i, below(seed, stream, i as u64, i + 1));
    }
    order
}
