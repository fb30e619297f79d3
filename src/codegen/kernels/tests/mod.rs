//! Tests of the kernels on every tier this CPU runs.
#![allow(clippy::float_cmp, reason = "exact results are asserted exactly")]
#![allow(clippy::cast_possible_truncation, clippy::cast_precision_loss, reason = "f32 inputs, small counts")]
#![allow(clippy::unreadable_literal, clippy::needless_range_loop, clippy::type_complexity, reason = "test data")]

mod conv;
mod elementwise;
mod gemm;
mod golden;
mod scalar;
