use crate::train::rng::{below, bernoulli, bits, block, normal, normal_pair, permutation, sign, stream, uniform};

/// The known answers of the reference implementation (Random123, `kat_vectors`, philox4x32 with 10 rounds).
#[test]
fn philox_gives_the_published_words() {
    assert_eq!(block(0, 0, 0), [0xe169_c58d_6627_e8d5, 0x9b00_dbd8_bc57_ac4c]);
    assert_eq!(block(u64::MAX, u64::MAX, u64::MAX), [0x41c8_3b0e_408f_276d, 0x6d54_51fd_a20b_c7c6]);
    let pi = block(0x299f_31d0_a409_3822, 0x0370_7344_1319_8a2e, 0x85a3_08d3_243f_6a88);
    assert_eq!(pi, [0x94fd_cceb_d16c_fe09, 0x2412_6ea1_5001_e420]);
}

#[test]
fn draws_have_the_moments_of_their_distributions() {
    let n = 20_000_u32;
    let mean = |f: &dyn Fn(u64) -> f64| (0..n).map(|i| f(u64::from(i))).sum::<f64>() / f64::from(n);
    // Four standard errors.
    assert!((mean(&|i| uniform(1, 2, i)) - 0.5).abs() < 4.0 * (1.0 / 12.0 / f64::from(n)).sqrt());
    assert!(mean(&|i| normal(1, 3, i)).abs() < 4.0 / f64::from(n).sqrt());
    assert!((mean(&|i| normal(1, 3, i).powi(2)) - 1.0).abs() < 4.0 * (2.0 / f64::from(n)).sqrt());
    assert!((mean(&|i| normal(1, 3, i).powi(4)) - 3.0).abs() < 4.0 * (96.0 / f64::from(n)).sqrt());
    assert!((mean(&|i| bernoulli(1, 4, i, 0.3)) - 0.3).abs() < 4.0 * (0.21 / f64::from(n)).sqrt());
    assert!(mean(&|i| sign(1, 5, i)).abs() < 4.0 / f64::from(n).sqrt());
}

#[test]
fn neighbours_share_a_pair_and_streams_differ() {
    let pair = [normal(1, 2, 6), normal(1, 2, 7)];
    assert_eq!(pair.map(f64::to_bits), normal_pair(1, 2, 3).map(f64::to_bits));
    assert_ne!(bits(1, 2, 3), bits(1, 3, 2));
    assert_ne!(bits(1, 2, 3), bits(2, 2, 3));
    assert_ne!(stream(&[1, 2]), stream(&[2, 1]));
}

#[test]
fn permutations_hold_every_index_and_depend_on_the_stream() {
    let order = permutation(1, 2, 50);
    let mut sorted = order.clone();
    sorted.sort_unstable();
    assert_eq!(sorted, (0..50).collect::<Vec<_>>());
    assert_ne!(order, permutation(1, 3, 50));
    assert_eq!(order, permutation(1, 2, 50));
    assert!((0..1000).all(|i| below(1, 2, i, 7) < 7));
}
