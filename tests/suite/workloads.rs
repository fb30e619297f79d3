//! The workloads of the comparison with peers: models in benches/models, weights and data from `SplitMix64`.

use crate::graphs::Rng;
use serde_json::Value;

/// `n` values, uniform in ±bound.
pub fn symmetric(rng: &mut Rng, n: usize, bound: f64) -> Vec<f64> {
    (0..n).map(|_| (2.0 * rng.unit() - 1.0) * bound).collect()
}

/// Weights and biases of a network, bound 1/√inputs.
fn linear(rng: &mut Rng, sizes: &[usize]) -> Vec<Vec<f64>> {
    let mut out = Vec::new();
    for w in sizes.windows(2) {
        let bound = 1.0 / (w[0] as f64).sqrt();
        out.push(symmetric(rng, w[0] * w[1], bound));
        out.push(symmetric(rng, w[1], bound));
    }
    out
}

fn spiral_true() -> Vec<[f64; 2]> {
    let text = std::fs::read_to_string("tests/golden/spiral_true.csv").unwrap();
    let row = |line: &str| {
        let cells: Vec<f64> = line.split(',').map(|c| c.parse().unwrap()).collect();
        [cells[1], cells[2]]
    };
    text.lines().skip(1).map(row).collect()
}

/// Weights and biases of the network that was trained on the spiral.
fn trained() -> Vec<Vec<f64>> {
    let text = std::fs::read_to_string("tests/golden/spiral_trained.json").unwrap();
    let json: Value = serde_json::from_str(&text).unwrap();
    ["w1", "b1", "w2", "b2"].iter().map(|k| numbers(&json[k])).collect()
}

/// A workload: parameters and (name, shape, values) of the data.
pub type Workload = (Vec<Vec<f64>>, Vec<(&'static str, Vec<usize>, Vec<f64>)>);

pub fn workload(name: &str) -> Workload {
    match name {
        "spiral" => {
            let mut rng = Rng(1);
            let bound = 0.1 * 3.0_f64.sqrt();
            let w1 = symmetric(&mut rng, 100, bound);
            let w2 = symmetric(&mut rng, 100, bound);
            let truth = spiral_true();
            let starts: Vec<usize> = (0..20).map(|k| (47 * k) % 990).collect();
            let y0 = starts.iter().flat_map(|&s| truth[s]).collect();
            let target =
                starts.iter().flat_map(|&s| (0..10).flat_map(move |j| [s + j])).flat_map(|i| truth[i]).collect();
            let data = vec![("y0", vec![20, 2], y0), ("target", vec![20, 10, 2], target)];
            (vec![w1, vec![0.0; 50], w2, vec![0.0; 2]], data)
        }
        "spiral_long" => {
            let target = spiral_true().into_iter().flatten().collect();
            (trained(), vec![("y0", vec![1, 2], vec![2.0, 0.0]), ("target", vec![1, 1000, 2], target)])
        }
        "spiral_batch" => {
            let start = |b: i32| {
                let (radius, angle) = (2.0 - 0.05 * f64::from(b), 0.3 * f64::from(b));
                [radius * angle.cos(), radius * angle.sin()]
            };
            (trained(), vec![("y0", vec![20, 2], (0..20).flat_map(start).collect())])
        }
        "lotka_volterra" => {
            let params = vec![vec![1.5], vec![1.0], vec![3.0], vec![1.0]];
            (params, vec![("y0", vec![1, 2], vec![1.0, 1.0])])
        }
        "odenet_mnist" => {
            let (mut rng, bound) = (Rng(6), 1.0 / 585.0_f64.sqrt());
            let mut conv = || [symmetric(&mut rng, 64 * 65 * 9, bound), symmetric(&mut rng, 64, bound)];
            let norm = || [vec![1.0; 64], vec![0.0; 64]];
            let (first, second) = (conv(), conv());
            let params = [norm(), first, norm(), second, norm()].into_iter().flatten().collect();
            (params, vec![("y0", vec![128, 64, 6, 6], symmetric(&mut Rng(7), 128 * 2304, 1.0))])
        }
        "cnf2d" => {
            let z = symmetric(&mut Rng(3), 1024, 2.0);
            let s0 = z.chunks(2).flat_map(|p| [p[0], p[1], 0.0]).collect();
            (linear(&mut Rng(2), &[3, 64, 64, 2]), vec![("s0", vec![512, 3], s0)])
        }
        _ => {
            let y0 = symmetric(&mut Rng(5), 128 * 64, 1.0);
            (linear(&mut Rng(4), &[64, 256, 256, 64]), vec![("y0", vec![128, 64], y0)])
        }
    }
}

pub fn numbers(value: &Value) -> Vec<f64> {
    match value {
        Value::Array(list) => list.iter().flat_map(numbers).collect(),
        other => vec![other.as_f64().unwrap()],
    }
}

/// Writes a workload's data where a model can read it.
pub fn write_data(folder: &std::path::Path, data: &[(&'static str, Vec<usize>, Vec<f64>)]) -> std::path::PathBuf {
    let file = folder.join("data.npz");
    let arrays: Vec<(&str, &[usize], &[f64])> = data.iter().map(|d| (d.0, d.1.as_slice(), d.2.as_slice())).collect();
    pullback::data::write_npz(&file, &arrays).unwrap();
    file
}
