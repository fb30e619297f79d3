//! Loops over a tile: the vector functions (`Lanes`) with a masked tail, and the scalar ones.

use super::lanes::{Elem, Lanes};
use super::{exponential, logarithm, trigonometric};

/// A function of one vector register.
pub(super) trait VectorFunction {
    /// # Safety
    /// The CPU has the tier of `L`.
    unsafe fn of<L: Lanes>(x: L) -> L;
}

macro_rules! vector_functions {
    ($($name:ident = $module:ident::$function:ident;)*) => {$(
        pub(super) struct $name;
        impl VectorFunction for $name {
            #[inline(always)]
            unsafe fn of<L: Lanes>(x: L) -> L {
                // SAFETY: the caller has promised the tier of `L`.
                unsafe { $module::$function(x) }
            }
        }
    )*};
}

vector_functions! {
    Exp = exponential::exp;
    Expm1 = exponential::expm1;
    Tanh = exponential::tanh;
    Sigmoid = exponential::sigmoid;
    Softplus = exponential::softplus;
    Log = logarithm::log;
    Log1p = logarithm::log1p;
    Sin = trigonometric::sin;
    Cos = trigonometric::cos;

}

pub(super) struct Sqrt;
impl VectorFunction for Sqrt {
    #[inline(always)]
    unsafe fn of<L: Lanes>(x: L) -> L {
        // SAFETY: the caller has promised the tier of `L`.
        unsafe { x.sqrt() }
    }
}

/// y\[i\] = F(x\[i\]), i < n; the tail goes through the same instructions, masked.
///
/// # Safety
/// The CPU has the tier of `L`; `x` and `y` are valid for n elements and equal or disjoint.
#[inline(always)]
pub(super) unsafe fn map<L: Lanes, F: VectorFunction>(x: *const L::Elem, y: *mut L::Elem, n: usize) {
    let mut i = 0;
    // SAFETY: i + WIDTH ≤ n in the loop, and n − i < WIDTH elements are left after it.
    unsafe {
        while i + L::WIDTH <= n {
            F::of(L::load(x.add(i))).store(y.add(i));
            i += L::WIDTH;
        }
        // Half a register is half the work where wide ones are passed through in two halves, as on Zen 4.
        if i < n && L::Half::WIDTH < L::WIDTH && n - i <= L::Half::WIDTH {
            F::of(L::Half::load_first(x.add(i), n - i)).store_first(y.add(i), n - i);
        } else if i < n {
            F::of(L::load_first(x.add(i), n - i)).store_first(y.add(i), n - i);
        }
    }
}

/// out\[i\] = g\[i\]·(1 − y\[i\]²), i < n: the pull-back of y = tanh x.
///
/// # Safety
/// The CPU has the tier of `L`; all are valid for n elements; `out` is equal to or disjoint from each of the others.
#[inline(always)]
pub(super) unsafe fn tanh_slope<L: Lanes>(g: *const L::Elem, y: *const L::Elem, out: *mut L::Elem, n: usize) {
    let mut i = 0;
    // SAFETY: as in `map`.
    unsafe {
        let one = L::splat(L::Elem::ONE);
        while i + L::WIDTH <= n {
            let y = L::load(y.add(i));
            L::load(g.add(i)).mul(y.neg_mul_add(y, one)).store(out.add(i));
            i += L::WIDTH;
        }
        if i < n {
            let y = L::load_first(y.add(i), n - i);
            L::load_first(g.add(i), n - i).mul(y.neg_mul_add(y, one)).store_first(out.add(i), n - i);
        }
    }
}

/// y\[i\] = f(x\[i\]), i < n.
///
/// # Safety
/// `x` and `y` are valid for n elements and equal or disjoint.
#[inline(always)]
pub(super) unsafe fn map_scalar<T: Copy>(x: *const T, y: *mut T, n: usize, f: impl Fn(T) -> T) {
    for i in 0..n {
        // SAFETY: i < n.
        unsafe { y.add(i).write(f(x.add(i).read())) }
    }
}

/// y\[i\] = f(a\[i\], b\[i\]), i < n.
///
/// # Safety
/// `a`, `b` and `y` are valid for n elements; `y` is equal to or disjoint from each of the others.
#[inline(always)]
pub(super) unsafe fn map_scalar2<T: Copy>(a: *const T, b: *const T, y: *mut T, n: usize, f: impl Fn(T, T) -> T) {
    for i in 0..n {
        // SAFETY: i < n.
        unsafe { y.add(i).write(f(a.add(i).read(), b.add(i).read())) }
    }
}
