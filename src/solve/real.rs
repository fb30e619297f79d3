//! f32, f64 → one interface.

use std::fmt::Debug;
use std::ops::{Add, AddAssign, Div, Mul, Neg, Sub};

/// The floating point type of a state.
pub trait Real:
    Copy
    + Default
    + Debug
    + Send
    + Sync
    + 'static
    + PartialOrd
    + Add<Output = Self>
    + Sub<Output = Self>
    + Mul<Output = Self>
    + Div<Output = Self>
    + Neg<Output = Self>
    + AddAssign
    + faer::traits::ComplexField
{
    /// Zero.
    const ZERO: Self;
    /// Distance from 1 to the next number.
    const EPSILON: f64;
    /// Not a number, the value of an output that could not be computed.
    const NAN: Self;
    /// Nearest value of this type.
    fn from_f64(value: f64) -> Self;
    /// The same value in double precision.
    fn to_f64(self) -> f64;
    /// Absolute value.
    #[must_use]
    fn abs(self) -> Self;
    /// The next greater value.
    #[must_use]
    fn next_up(self) -> Self;
    /// The next smaller value.
    #[must_use]
    fn next_down(self) -> Self;
    /// Neither infinite nor NaN.
    fn is_finite(self) -> bool;
}

macro_rules! real {
    ($type:ty) => {
        impl Real for $type {
            const ZERO: Self = 0.0;
            #[allow(clippy::cast_lossless, reason = "`From` is not const")]
            const EPSILON: f64 = <$type>::EPSILON as f64;
            const NAN: Self = <$type>::NAN;
            #[allow(clippy::cast_possible_truncation, reason = "rounding to the nearest value is the purpose")]
            fn from_f64(value: f64) -> Self {
                value as Self
            }
            fn to_f64(self) -> f64 {
                f64::from(self)
            }
            fn abs(self) -> Self {
                self.abs()
            }
            fn next_up(self) -> Self {
                self.next_up()
            }
            fn next_down(self) -> Self {
                self.next_down()
            }
            fn is_finite(self) -> bool {
                self.is_finite()
            }
        }
    };
}

real!(f32);
real!(f64);
