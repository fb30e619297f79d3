//! The worst arguments of a scan of 8,000 points a function, with the true values.

use super::super::Tier;

/// Function, bits of x, bits of the f64 nearest to f(x), and what is missing to f(x) in ulp: computed at 140 bits with
/// mpmath 1.3.
const GOLDEN: &[(&str, u64, u64, f64)] = &[
    ("exp", 0x40787ffb12cce718, 0x63472db7f59fb7dd, -0.212),
    ("exp", 0xc0822f23534b1758, 0x0b76bc8b702004e7, -0.234),
    ("exp", 0x40696f7c827f177c, 0x5247acc3ae9f4c89, 0.255),
    ("exp", 0xc07357722eae7545, 0x2407324e8ca20287, 0.264),
    ("exp", 0xc0657524df7bc59c, 0x307455bbb7933b4c, 0.250),
    ("expm1", 0x3fd937ed95e94c98, 0x3fdee8c7a7b29395, 0.441),
    ("expm1", 0x3fd85ebd0819bc9c, 0x3fdda8d27bee7f05, 0.365),
    ("expm1", 0x3fd9e477df36ee80, 0x3fdfea00715101b5, 0.174),
    ("expm1", 0x3fd940837f89734c, 0x3fdef583ebb714f5, 0.165),
    ("expm1", 0x40852ca230902c8e, 0x7d07441018155182, 0.249),
    ("log", 0x3fe687f5b3990d84, 0xbfd674281deb5b37, 0.265),
    ("log", 0x400538339e1d2583, 0x3fef37238393979b, -0.292),
    ("log", 0x4005b61dfc3ab889, 0x3feff2db88f1d8f9, 0.296),
    ("log", 0x3ff9feffc6f2a1f0, 0x3fdf10189fb8e173, -0.298),
    ("log", 0x400037ef86025342, 0x3fe69d604167e2cd, 0.245),
    ("log1p", 0x3ff99da994572e8c, 0x3fee96ac91d25203, 0.282),
    ("log1p", 0x3fe3bbfe1f8e2da7, 0x3fdebea4e98f411b, 0.287),
    ("log1p", 0xbfe42326ed81190c, 0xbfefc13b85e9bda3, 0.297),
    ("log1p", 0x3fe4c18a586c3a07, 0x3fdfff0c73eb2841, -0.301),
    ("log1p", 0x3fe932a7890928b5, 0x3fe295c17c4b44fe, -0.251),
    ("sin", 0xc03219b507a8af00, 0x3fe5cacfe3d71d01, -0.182),
    ("sin", 0xc02aac7db1554f94, 0xbfe649d4e6b6dc31, 0.249),
    ("sin", 0xc0321712df879cac, 0x3fe60839768e9703, -0.265),
    ("sin", 0x402aa9194cf2fecc, 0x3fe622c327e9a2f9, -0.276),
    ("sin", 0xc01c46a5d0af7ea4, 0xbfe6a2fbf48eaef6, -0.248),
    ("cos", 0x3fe9e1af356d93c0, 0x3fe6177daa76bf41, -0.204),
    ("cos", 0xc027b11b5b3b25c2, 0x3fe80c504ff295f3, -0.264),
    ("cos", 0x3feab1b044f6a660, 0x3fe57f339ee638eb, -0.287),
    ("cos", 0x400fd4ab4797a098, 0xbfe56c9cb6135aad, 0.288),
    ("cos", 0xc025bedc0d20142a, 0xbfbf5bb7f9634c7f, 0.254),
    ("tanh", 0xbfd0320fbf22fc60, 0xbfcfb78a8afa31c5, 0.013),
    ("tanh", 0xbfcfdb9ab6e77070, 0xbfcf3745e269b65b, 0.172),
    ("tanh", 0xbfaf2078ba26a0c0, 0xbfaf16ab414b5934, 0.498),
    ("tanh", 0x3fd016073c2a8bd0, 0x3fcf82e5156f87b6, -0.459),
    ("tanh", 0xc030e9bfc36b1cbc, 0xbfefffffffffffdb, -0.263),
    ("sigmoid", 0xc00bb3b68a123148, 0x3f9f1ec95468f93a, -0.245),
    ("sigmoid", 0xc00b9d5bc58f0040, 0x3f9f738986697681, -0.266),
    ("sigmoid", 0xbff5aabcf2e2b570, 0x3fca4392afcd23ba, 0.340),
    ("sigmoid", 0xc0324ec5322e08a0, 0x3e480b250f51d7d4, 0.362),
    ("sigmoid", 0xbff2c49625c39ed4, 0x3fce3f8a4ed0c3a5, 0.305),
    ("softplus", 0xbfea83cb33d5b148, 0x3fd7305403293189, 0.459),
    ("softplus", 0xbfe07f01373c6238, 0x3fddf7d72cffb565, 0.176),
    ("softplus", 0xbfe9159f6fefd800, 0x3fd81266d2c41827, -0.159),
    ("softplus", 0xbfdd808f7c3b0760, 0x3fdf4ba221680aef, 0.127),
    ("softplus", 0xbfd88200a096eea0, 0x3fe0a302c61ca12e, 0.263),
];

#[test]
fn the_worst_arguments_found_are_within_two_ulp_of_the_true_value() {
    for kernels in Tier::supported().into_iter().filter_map(Tier::kernels) {
        for &(name, x, nearest, missing) in GOLDEN {
            let (x, nearest) = (f64::from_bits(x), f64::from_bits(nearest));
            let mut y = 0.0;
            for kernel in kernels.unary.iter().filter(|kernel| kernel.name == name) {
                // SAFETY: one element each.
                unsafe { (kernel.tile_f64)(&raw const x, &raw mut y, 1) };
            }
            let ulp = nearest.abs().next_up() - nearest.abs();
            let error = ((y - nearest) / ulp - missing).abs();
            assert!(error <= 2.0, "{name} {:?} at {x:e}: {y:e}, {error} ulp", kernels.tier);
        }
    }
}
