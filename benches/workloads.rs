//! Forward and gradient of every workload in benches/models, in both precisions: `cargo bench`.

#![allow(missing_docs, clippy::unwrap_used, reason = "a benchmark may panic")]
#![allow(dead_code, reason = "shares its generators with the tests")]

#[path = "../tests/suite/graphs.rs"]
mod graphs;
#[path = "../tests/suite/workloads.rs"]
mod workloads;

use divan::Bencher;
use pullback::compile::{Settings, compile, lanes_for};
use pullback::data::Dataset;
use pullback::load::{Loaded, Request, load};
use pullback::model::{Batch, Model, Number, unconstrain};

const NAMES: [&str; 7] =
    ["spiral", "spiral_long", "spiral_batch", "lotka_volterra", "cnf2d", "mlp_wide", "odenet_mnist"];

fn main() {
    divan::main();
}

/// Worker threads: all cores, as the commands use, unless `PULLBACK_BENCH_THREADS` says how many.
fn threads() -> usize {
    let wanted = std::env::var("PULLBACK_BENCH_THREADS").ok().and_then(|n| n.parse().ok());
    wanted.unwrap_or_else(|| std::thread::available_parallelism().map_or(1, std::num::NonZero::get))
}

fn setup<T: Number>(name: &str) -> (Model<T>, Dataset, Vec<f64>) {
    let (params, data) = workloads::workload(name);
    let folder = tempfile::tempdir().unwrap();
    let file = workloads::write_data(folder.path(), &data);
    let path = format!("benches/models/{name}.node").into();
    let request = Request { path, data: Some(file), with_data: true, ..Request::default() };
    let Ok(Loaded { lowered, data, .. }) = load(&request) else { panic!("{name} does not load") };
    let data = data.unwrap();
    let raw = unconstrain(&lowered, &params);
    let lanes = lanes_for(&lowered, data.len);
    let model = compile(lowered, &Settings { lanes, threads: threads(), ..Settings::default() }).unwrap();
    (model, data, raw)
}

fn run<T: Number>(bencher: Bencher, name: &str, gradient: bool) {
    let (model, data, raw) = setup::<T>(name);
    let samples: Vec<usize> = (0..data.len).collect();
    let entry = if gradient { model.gradient.as_ref() } else { model.value.as_ref() }.unwrap();
    let batch = Batch { data: Some(&data), samples: &samples, seed: 0, step: 0 };
    bencher.bench(|| model.evaluate(entry, &raw, &batch).loss);
}

#[divan::bench(args = NAMES, types = [f32, f64])]
fn gradient<T: Number>(bencher: Bencher, name: &str) {
    run::<T>(bencher, name, true);
}

#[divan::bench(args = NAMES, types = [f32, f64])]
fn forward<T: Number>(bencher: Bencher, name: &str) {
    run::<T>(bencher, name, false);
}

#[divan::bench(args = NAMES)]
fn compile_time(bencher: Bencher, name: &str) {
    bencher.bench(|| setup::<f64>(name).2.len());
}
