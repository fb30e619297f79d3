//! Memory of a gradient, counted by the allocator: what grows with the number of steps, and what `check` says before.
#![allow(unsafe_code, reason = "an allocator that counts has to be one")]

use crate::cli::Place;
use pullback::compile::{Settings, compile, lanes_for};
use pullback::load::{Request, load};
use pullback::model::{Batch, initial, unconstrain};
use serde_json::Value;
use std::alloc::{GlobalAlloc, Layout, System};
use std::cell::Cell;

/// The system's allocator; counts what is live by thread.
struct Counting;

thread_local! {
    static LIVE: Cell<isize> = const { Cell::new(0) };
    static PEAK: Cell<isize> = const { Cell::new(0) };
}

fn count(change: isize) {
    // A thread that ends may have no counters any more.
    let _ = LIVE.try_with(|live| {
        live.set(live.get() + change);
        let _ = PEAK.try_with(|peak| peak.set(peak.get().max(live.get())));
    });
}

// SAFETY: every call is handed to the system's allocator as it came; counting neither allocates nor unwinds.
unsafe impl GlobalAlloc for Counting {
    unsafe fn alloc(&self, layout: Layout) -> *mut u8 {
        count(layout.size() as isize);
        // SAFETY: the caller's promises are those that are asked for here.
        unsafe { System.alloc(layout) }
    }
    unsafe fn dealloc(&self, block: *mut u8, layout: Layout) {
        count(-(layout.size() as isize));
        // SAFETY: as above.
        unsafe { System.dealloc(block, layout) }
    }
    unsafe fn realloc(&self, block: *mut u8, layout: Layout, size: usize) -> *mut u8 {
        count(size as isize - layout.size() as isize);
        // SAFETY: as above.
        unsafe { System.realloc(block, layout, size) }
    }
}

#[global_allocator]
static ALLOCATOR: Counting = Counting;

/// The most bytes that were live at once, beyond those that are live now.
fn peak<T>(work: impl FnOnce() -> T) -> (T, f64) {
    let start = LIVE.with(Cell::get);
    PEAK.with(|peak| peak.set(start));
    let result = work();
    (result, (PEAK.with(Cell::get) - start) as f64)
}

/// Two states, whose steps are kernels of their own.
fn small(solve: &str, end: u32) -> String {
    format!(
        "model Small\nparam a: positive = 1.5\nnoise e: [] ~ uniform(0.9, 1.1)\nstate x = e\nstate y = 1\nx' = a*x - x*y\n\
         y' = x*y - 3*y\nloss = x({end})\nsolve {solve}, 0 .. {end}\n"
    )
}

/// Forty states.
fn wide(solve: &str, end: u32) -> String {
    format!(
        "model Wide\nparam W: [40, 40] = glorot()\nstate z: [40] = linspace(-1, 1, 40)\nz' = W @ tanh(z) - W.T @ tanh(z)\n\
         loss = z({end})[0]\nsolve {solve}, 0 .. {end}\n"
    )
}

/// A network whose whole steps are one kernel that calls others, and leaves values for its reverse.
fn network(solve: &str, end: u32) -> String {
    format!(
        "model Network\nuse nn\nnet f: [2] -> [2] = dense(20) |> tanh |> dense(20) |> tanh |> dense(2)\n\
         state z: [2] = [1, 0]\nz' = f(z) - 0.1 * z * cos(t)\nloss = z({end})[0]^2 + z({end}/2)[1]\n\
         solve {solve}, 0 .. {end}\n"
    )
}

/// A model by its solve and end time, the solve, and a number of samples.
type Case = (fn(&str, u32) -> String, &'static str, usize);

/// What an evaluation took: accepted steps of all samples, and bytes; and what `check` said of it.
struct Found {
    steps: f64,
    bytes: f64,
    per_step: f64,
    at_most: Option<f64>,
}

fn measure(text: &str, samples: usize) -> Found {
    let place = Place::empty();
    let batch = format!("train adam(lr = 1e-3, batch = {samples}, steps = 1)\n");
    std::fs::write(place.path("model.node"), format!("{text}{batch}")).unwrap();
    let said: Value = serde_json::from_str(&place.good("check model.node --json").out).unwrap();
    let system = &said["systems"][0];
    let loaded = load(&Request { path: place.path("model.node"), ..Request::default() }).unwrap_or_else(|_| panic!());
    let raw = unconstrain(&loaded.lowered, &initial(&loaded.lowered, 1));
    let lanes = lanes_for(&loaded.lowered, samples);
    let model = compile::<f64>(loaded.lowered, &Settings { lanes, ..Settings::default() }).unwrap();
    let all: Vec<usize> = (0..samples).collect();
    let batch = Batch { data: None, samples: &all, seed: 1, step: 0 };
    let (found, bytes) = peak(|| model.evaluate(model.gradient.as_ref().unwrap(), &raw, &batch));
    assert!(found.dropped.is_empty(), "{:?}", found.dropped);
    Found {
        // The adjoint's own steps are kept where it is integrated along those of the solution.
        steps: if text.contains("interpolated") {
            (found.forward.accepted + found.backward.accepted) as f64 / 2.0
        } else {
            found.forward.accepted as f64
        },
        bytes,
        per_step: system["tape_bytes_per_step"].as_f64().unwrap(),
        at_most: system["tape_bytes_at_most"].as_f64(),
    }
}

#[test]
fn plain_discrete_grows_as_check_says() {
    let models: [Case; 12] = [
        (network, "dopri5(rtol = 1e-8, atol = 1e-8)", 1),
        (small, "tsit5(rtol = 1e-9, atol = 1e-9)", 1),
        (small, "tsit5(rtol = 1e-9, atol = 1e-9)", 8),
        (small, "tsit5(rtol = 1e-9, atol = 1e-9, norm = max)", 1),
        (wide, "dopri5(rtol = 1e-8, atol = 1e-8)", 1),
        (small, "rodas5p(rtol = 1e-7, atol = 1e-7)", 1),
        (small, "kvaerno5(rtol = 1e-7, atol = 1e-7)", 1),
        (small, "bdf(rtol = 1e-7, atol = 1e-7)", 1),
        (small, "tsit5(rtol = 1e-9, atol = 1e-9, gradient = interpolated)", 8),
        (wide, "dopri8(rtol = 1e-8, atol = 1e-8, gradient = interpolated)", 1),
        (small, "adams(rtol = 1e-9, atol = 1e-9, gradient = interpolated)", 1),
        (small, "rodas5p(rtol = 1e-7, atol = 1e-7, gradient = interpolated)", 1),
    ];
    for (model, solve, samples) in models {
        let (short, long) = (measure(&model(solve, 30), samples), measure(&model(solve, 300), samples));
        let measured = (long.bytes - short.bytes) / (long.steps - short.steps);
        assert!(long.steps > 8.0 * short.steps, "{} and {} steps", short.steps, long.steps);
        eprintln!("{solve}, {samples}: {measured} B a step, {} B said", long.per_step);
        assert!((measured / long.per_step - 1.0).abs() < 0.1, "{solve}: {measured}, not {}", long.per_step);
    }
}

#[test]
fn a_budget_is_kept_as_check_says() {
    let models: [Case; 5] = [
        (small, "tsit5(rtol = 1e-9, atol = 1e-9, memory = \"256 KiB\")", 1),
        (small, "tsit5(rtol = 1e-9, atol = 1e-9, memory = \"64 KiB\")", 8),
        (wide, "dopri5(rtol = 1e-8, atol = 1e-8, memory = \"1 MiB\")", 1),
        (small, "rodas5p(rtol = 1e-7, atol = 1e-7, memory = \"256 KiB\")", 1),
        (small, "bdf(rtol = 1e-7, atol = 1e-7, memory = \"512 KiB\")", 1),
    ];
    for (model, solve, samples) in models {
        let (short, long) = (measure(&model(solve, 400), samples), measure(&model(solve, 1600), samples));
        for found in [&short, &long] {
            let said = found.at_most.unwrap() * samples as f64 + found.per_step * found.steps;
            eprintln!("{solve}, {samples}: {} steps, {} B, {said} B said", found.steps, found.bytes);
            assert!(found.bytes < 1.1 * said, "{solve}: {} B instead of {said} B", found.bytes);
        }
        // Full when it is needed: the stride of the outer states doubles, so half of their half may be empty.
        let said = long.at_most.unwrap() * samples as f64 + long.per_step * long.steps;
        assert!(long.bytes > 0.7 * said, "{solve}: only {} B of {said} B", long.bytes);
        let growth = (long.bytes - short.bytes) / (long.steps - short.steps);
        assert!(growth < 1.3 * long.per_step, "{solve}: {growth} B a step");
    }
}

#[test]
fn other_gradients_are_flat() {
    for (solve, start) in [
        ("tsit5(rtol = 1e-9, atol = 1e-9, gradient = backsolve)", 3),
        ("tsit5(dt = 0.01, reversible = true)", 3),
        // Late: the history grows until the highest order was reached.
        ("adams(rtol = 1e-9)", 96),
    ] {
        let (short, long) = (measure(&small(solve, start), 1), measure(&small(solve, 8 * start), 1));
        assert!(long.steps > 4.0 * short.steps, "{} and {} steps", short.steps, long.steps);
        assert_eq!((long.per_step, long.at_most), (0.0, None));
        let growth = long.bytes - short.bytes;
        eprintln!("{solve}: {} B, {growth} B more", long.bytes);
        assert!(growth <= 0.0, "{solve}: {growth} B more after {} steps", long.steps);
    }
}

/// A model's gradient has the same bits whatever its budget, also where a whole step is one kernel.
#[test]
fn budgets_do_not_change_a_bit() {
    let gradient = |text: String, samples: usize| {
        let place = Place::empty();
        std::fs::write(place.path("model.node"), text).unwrap();
        let loaded =
            load(&Request { path: place.path("model.node"), ..Request::default() }).unwrap_or_else(|_| panic!());
        let raw = unconstrain(&loaded.lowered, &initial(&loaded.lowered, 1));
        let lanes = lanes_for(&loaded.lowered, samples);
        let model = compile::<f64>(loaded.lowered, &Settings { lanes, ..Settings::default() }).unwrap();
        let all: Vec<usize> = (0..samples).collect();
        let batch = Batch { data: None, samples: &all, seed: 1, step: 0 };
        let found = model.evaluate(model.gradient.as_ref().unwrap(), &raw, &batch);
        (found.loss.to_bits(), found.raw.iter().map(|x| x.to_bits()).collect::<Vec<u64>>(), found.backward.rhs)
    };
    for (method, samples) in [("tsit5", 1), ("vern7", 1), ("tsit5", 3), ("kvaerno5", 1), ("bdf", 2)] {
        let run = |memory: &str| gradient(small(&format!("{method}(rtol = 1e-8, atol = 1e-8{memory})"), 60), samples);
        let (plain, bounded) = (run(""), run(", memory = \"4 KiB\""));
        assert_eq!((plain.0, plain.1), (bounded.0, bounded.1), "{method}");
        assert!(bounded.2 > plain.2, "{method}: steps were taken again");
    }
    for method in ["tsit5", "vern7", "dopri5"] {
        let run = |memory: &str| gradient(network(&format!("{method}(rtol = 1e-8{memory})"), 20), 1);
        let (plain, bounded) = (run(""), run(", memory = \"4 KiB\""));
        assert_eq!((plain.0, plain.1), (bounded.0, bounded.1), "network, {method}");
        assert!(bounded.2 > plain.2, "network, {method}: steps were taken again");
    }
    // 200,000 steps that leave 1,280 bytes each, twice what a tape has room for: those beyond are taken again too.
    let run = |memory: &str| gradient(network(&format!("rk4(dt = 5e-6{memory})"), 1), 1);
    assert_eq!(run("").1, run(", memory = \"1 MiB\"").1, "network, many steps");
    for step in ["sample", "batch"] {
        let run = |memory: &str| gradient(wide(&format!("dopri5(rtol = 1e-8, step = {step}{memory})"), 20), 1);
        let (plain, bounded) = (run(""), run(", memory = \"10 KiB\""));
        assert_eq!((plain.0, plain.1), (bounded.0, bounded.1), "wide, {step}");
    }
}
