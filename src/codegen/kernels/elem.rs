//! The constants of `Elem` for f64 and f32.
//!
//! The polynomials are Chebyshev interpolants computed at 300 bits and rounded once; their errors relative to
//! the function are below 5e-18 (f64) and 5e-9 (f32).
#![allow(clippy::excessive_precision, reason = "coefficients are written as the shortest decimal of their f64")]
#![allow(clippy::unreadable_literal, reason = "bit patterns and coefficients are not read by digit groups")]

use super::lanes::Elem;
use super::scalar;

impl Elem for f64 {
    const ZERO: f64 = 0.0;
    const HALF: f64 = 0.5;
    const ONE: f64 = 1.0;
    const TWO: f64 = 2.0;
    const NEG_ONE: f64 = -1.0;
    const INFINITY: f64 = f64::INFINITY;
    const NEG_INFINITY: f64 = f64::NEG_INFINITY;
    const NAN: f64 = f64::NAN;
    const MIN_POSITIVE: f64 = f64::MIN_POSITIVE;
    const SIGN: f64 = -0.0;
    const FRACTION: f64 = f64::from_bits(0x000f_ffff_ffff_ffff);
    const BIT0: f64 = f64::from_bits(1);
    const BIT1: f64 = f64::from_bits(2);
    const ROUNDER: f64 = 6_755_399_441_055_744.0;
    const EXPONENT_BASE: f64 = 4_503_599_627_370_496.0;
    const EXPONENT_OFFSET: f64 = 4_503_599_627_370_496.0 + 1023.0;
    const SQRT_HALF: f64 = f64::from_bits(0x3fe6_a09e_667f_3bcd);
    const ONE_LESS_SQRT_HALF: f64 = f64::from_bits(0x3ff0_0000_0000_0000 - 0x3fe6_a09e_667f_3bcd);
    const SUBNORMAL_SCALE: f64 = 18_014_398_509_481_984.0;
    const SUBNORMAL_EXPONENT: f64 = -54.0;
    const LOG2_E: f64 = std::f64::consts::LOG2_E;
    const LN2_HEAD: f64 = 0.6931471805598903;
    const LN2_TAIL: f64 = 5.497923018708371e-14;
    const EXP_MAX: f64 = 710.0;
    const EXP_MIN: f64 = -746.0;
    const EXPM1_MIN: f64 = -40.0;
    const TINY: f64 = 5.551115123125783e-17;
    const HUGE: f64 = 1.152921504606847e18;
    const EXPONENT_CAP: f64 = 1000.0;
    const EXP: &'static [f64] = &[
        0.16666666666666669,
        0.041666666666666664,
        0.008333333333330062,
        0.0013888888888886552,
        0.00019841269863053618,
        2.4801587317144498e-05,
        2.7557268459997064e-06,
        2.755728296954995e-07,
        2.510038549551032e-08,
        2.0911236630261545e-09,
    ];
    const TANH: [&'static [f64]; 2] = [&[], &[]];
    const LOG: &'static [f64] = &[
        0.666666666666667,
        0.3999999999989827,
        0.2857142862653362,
        0.22222211043776857,
        0.18182895750119193,
        0.1533150161114533,
        0.1461916613488797,
    ];
    const SIN: &'static [f64] = &[
        -0.16666666666666666,
        0.008333333333330925,
        -0.00019841269836722418,
        2.755731608381636e-06,
        -2.5051127944014188e-08,
        1.5917848524808262e-10,
    ];
    const COS: &'static [f64] = &[
        0.041666666666666664,
        -0.0013888888888887382,
        2.480158729874307e-05,
        -2.7557317260008837e-07,
        2.0876143827993133e-09,
        -1.1382456778061306e-11,
    ];
    const TWO_OVER_PI: f64 = std::f64::consts::FRAC_2_PI;
    const PI_2: [f64; 3] = [std::f64::consts::FRAC_PI_2, 6.123233995707727e-17, 2.9038559739793605e-28];
    const TRIG_MAX: f64 = 1.0e5;

    #[inline(always)]
    fn of(value: f64) -> f64 {
        value
    }
    #[inline(always)]
    fn add(self, other: f64) -> f64 {
        self + other
    }
    #[inline(always)]
    fn fused_mul_add(self, factor: f64, addend: f64) -> f64 {
        self.mul_add(factor, addend)
    }
    fn scalar_sin(self) -> f64 {
        scalar::sin(self)
    }
    fn scalar_cos(self) -> f64 {
        scalar::cos(self)
    }
}

impl Elem for f32 {
    const ZERO: f32 = 0.0;
    const HALF: f32 = 0.5;
    const ONE: f32 = 1.0;
    const TWO: f32 = 2.0;
    const NEG_ONE: f32 = -1.0;
    const INFINITY: f32 = f32::INFINITY;
    const NEG_INFINITY: f32 = f32::NEG_INFINITY;
    const NAN: f32 = f32::NAN;
    const MIN_POSITIVE: f32 = f32::MIN_POSITIVE;
    const SIGN: f32 = -0.0;
    const FRACTION: f32 = f32::from_bits(0x007f_ffff);
    const BIT0: f32 = f32::from_bits(1);
    const BIT1: f32 = f32::from_bits(2);
    const ROUNDER: f32 = 12_582_912.0;
    const EXPONENT_BASE: f32 = 8_388_608.0;
    const EXPONENT_OFFSET: f32 = 8_388_608.0 + 127.0;
    const SQRT_HALF: f32 = f32::from_bits(0x3f35_04f3);
    const ONE_LESS_SQRT_HALF: f32 = f32::from_bits(0x3f80_0000 - 0x3f35_04f3);
    const SUBNORMAL_SCALE: f32 = 33_554_432.0;
    const SUBNORMAL_EXPONENT: f32 = -25.0;
    const LOG2_E: f32 = std::f32::consts::LOG2_E;
    const LN2_HEAD: f32 = 0.693145751953125;
    const LN2_TAIL: f32 = 1.428606765330187e-06;
    const EXP_MAX: f32 = 89.0;
    const EXP_MIN: f32 = -104.5;
    const EXPM1_MIN: f32 = -18.0;
    const TINY: f32 = 2.9802322387695312e-08;
    const HUGE: f32 = 1_073_741_824.0;
    const EXPONENT_CAP: f32 = 100.0;
    const EXP: &'static [f32] =
        &[0.1666666716337204, 0.041666556149721146, 0.00833332072943449, 0.0013926184037700295, 0.0001988269796129316];
    const TANH: [&'static [f32]; 2] = [
        &[1.0, 0.13379713892936707, 0.0034940289333462715, 2.0583389414241537e-05, 1.3318950387031236e-08],
        &[1.0, 0.46713027358055115, 0.025871051475405693, 0.00032830837881192565, 7.761968845443334e-07],
    ];
    const LOG: &'static [f32] = &[0.6666666865348816, 0.4000012278556824, 0.28550735116004944, 0.23332762718200684];
    const SIN: &'static [f32] =
        &[-0.1666666716337204, 0.008333331905305386, -0.00019840082677546889, 2.7249313916399842e-06];
    const COS: &'static [f32] = &[0.0416666641831398, -0.0013888300163671374, 2.4547436623834074e-05];
    const TWO_OVER_PI: f32 = std::f32::consts::FRAC_2_PI;
    const PI_2: [f32; 3] = [1.5707963705062866, -4.371395334601402e-08, 2.5633440682570896e-12];
    const TRIG_MAX: f32 = 8192.0;

    #[inline(always)]
    #[allow(clippy::cast_possible_truncation, reason = "rounding is meant")]
    fn of(value: f64) -> f32 {
        value as f32
    }
    #[inline(always)]
    fn add(self, other: f32) -> f32 {
        self + other
    }
    #[inline(always)]
    fn fused_mul_add(self, factor: f32, addend: f32) -> f32 {
        self.mul_add(factor, addend)
    }
    fn scalar_sin(self) -> f32 {
        scalar::round_to_f32(scalar::sin(f64::from(self)))
    }
    fn scalar_cos(self) -> f32 {
        scalar::round_to_f32(scalar::cos(f64::from(self)))
    }
}
