//! Convolution and its transposes: interpreter = native code, and derivatives of every order against differences.

use crate::graphs::{Rng, close, interpret, native, values};
use pullback::codegen::{Backend, Kernel, Output, Spec};
use pullback::compile::{Settings, compile};
use pullback::diff::{self, Mode};
use pullback::graph::{Conv, ConvPart, Einsum, Graph, Leaf, NodeId, conv_places, verify};
use pullback::load::{Request, load};
use pullback::model::Batch;

/// Windows that overlap, leave gaps, reach beyond the border, and are as large as the image.
const WINDOWS: [([usize; 2], [usize; 2], usize, usize); 6] = [
    ([4, 5], [3, 3], 1, 1),
    ([5, 4], [3, 2], 2, 1),
    ([6, 6], [4, 4], 2, 1),
    ([3, 3], [3, 3], 1, 0),
    ([4, 4], [1, 1], 3, 0),
    ([3, 4], [3, 2], 2, 2),
];

struct Case {
    graph: Graph,
    /// The operands.
    args: [NodeId; 2],
    /// The tensor that is computed.
    value: NodeId,
}

/// A tensor of a convolution of 2 images, 3 channels and 7 outputs; operands are per sample where `batched` says so.
fn case(part: ConvPart, window: ([usize; 2], [usize; 2], usize, usize), batched: [bool; 2]) -> Case {
    let ([h, w], [kh, kw], stride, padding) = window;
    let places = [(h, kh), (w, kw)].map(|(n, k)| conv_places(n, k, stride, padding).unwrap());
    let shape = |role: ConvPart| match role {
        ConvPart::Input => [2, 3, h, w],
        ConvPart::Kernel => [7, 3, kh, kw],
        ConvPart::Output => [2, 7, places[0], places[1]],
    };
    let mut graph = Graph::new();
    let [a, b] = part.operands();
    let mut leaf = |k: u32, role: ConvPart, batched: bool| {
        let leaf = if batched { Leaf::Input(k) } else { Leaf::Param(k) };
        graph.leaf(leaf, &shape(role))
    };
    let args = [leaf(0, a, batched[0]), leaf(1, b, batched[1])];
    let value = graph.conv_part(Conv { part, stride, padding }, args, &shape(part));
    Case { graph, args, value }
}

fn every_case(mut f: impl FnMut(&str, Case)) {
    for part in ConvPart::ALL {
        for window in WINDOWS {
            for batched in [[true, false], [false, true], [true, true], [false, false]] {
                f(&format!("{part:?} {window:?} {batched:?}"), case(part, window, batched));
            }
        }
    }
}

#[test]
fn small_numbers_by_hand() {
    let mut g = Graph::new();
    let (x, k) = (g.leaf(Leaf::Input(0), &[1, 1, 3, 3]), g.leaf(Leaf::Param(0), &[1, 1, 2, 2]));
    let (plain, wide) = (g.conv(x, k, 1, 0), g.conv(x, k, 2, 1));
    let data = [(0..9).map(f64::from).collect(), vec![1.0, 2.0, 3.0, 4.0]];
    let found = native::<f64>(&g, &[x, k], &data, &[plain, wide], 1);
    // 0 1 2
    // 3 4 5   windows of  1 2
    // 6 7 8               3 4
    assert_eq!(found, [vec![27.0, 37.0, 57.0, 67.0], vec![0.0, 11.0, 30.0, 67.0]]);
}

#[test]
fn native_code_is_the_interpreter() {
    every_case(|name, c| {
        assert!(verify(&c.graph).is_empty(), "{name}: {:?}", verify(&c.graph));
        for lanes in [1, 3, 8, 19, 40] {
            let data = values(&c.graph, &c.args, lanes, &mut Rng(lanes as u64));
            let meaning = interpret(&c.graph, &c.args, &data, &[c.value], lanes);
            close(&native::<f64>(&c.graph, &c.args, &data, &[c.value], lanes), &meaning, 1e-13, name);
            close(&native::<f32>(&c.graph, &c.args, &data, &[c.value], lanes), &meaning, 2e-5, name);
        }
    });
}

/// The sum over samples of the transpose with respect to the kernel is one call, and it adds where it is told to.
#[test]
fn kernel_gradients_are_summed_in_place() {
    for window in WINDOWS {
        let mut c = case(ConvPart::Kernel, window, [true, true]);
        let total = c.graph.sum_lanes(c.value);
        for lanes in [1, 5, 24] {
            let data = values(&c.graph, &c.args, lanes, &mut Rng(7));
            let meaning = interpret(&c.graph, &c.args, &data, &[total], lanes);
            close(&native::<f64>(&c.graph, &c.args, &data, &[total], lanes), &meaning, 1e-13, "total");
            let outputs = [Output { node: total, slot: 0, add: true }];
            let spec = Spec { graph: &c.graph, inputs: &c.args, outputs: &outputs, lanes };
            let kernel = Kernel::<f64>::new(&spec, Backend::Jit).unwrap();
            let mut sum = vec![0.5; meaning[0].len()];
            for _ in 0..2 {
                kernel.run(&[&data[0], &data[1]], &mut [&mut sum], &mut Vec::new());
            }
            let twice = meaning[0].iter().map(|x| 0.5 + 2.0 * x).collect();
            close(&[sum], &[twice], 1e-13, "added twice");
        }
    }
}

/// Both operands move: jvp and its derivative against differences, vjp against jvp, directions one by one and at once.
#[test]
fn derivatives_close() {
    every_case(|name, mut c| {
        let g = &mut c.graph;
        let mut dots = Vec::new();
        for (k, &x) in c.args.iter().enumerate() {
            let (shape, k) = (g.shape(x).clone(), k as u32);
            dots.push(g.leaf(if g.batched(x) { Leaf::Noise(k) } else { Leaf::Param(8 + k) }, &shape));
        }
        let seeds = [(c.args[0], dots[0]), (c.args[1], dots[1])];
        let jvp = diff::jvp(g, &[c.value], &seeds).unwrap()[0].unwrap();
        let second = diff::jvp(g, &[jvp], &seeds).unwrap()[0].unwrap();
        let shape = g.shape(c.value).clone();
        let bar = g.leaf(if g.batched(c.value) { Leaf::Seed(0) } else { Leaf::Param(20) }, &shape);
        let bars = diff::vjp(g, &[(c.value, bar)], &c.args, Mode::PerSample).unwrap();
        let forward = inner(g, jvp, bar);
        let mut reverse = g.scalar(0.0);
        for (bar, dot) in bars.iter().zip(&dots) {
            let part = inner(g, bar.unwrap(), *dot);
            reverse = g.plus(reverse, part);
        }
        let given = [c.args[0], c.args[1], dots[0], dots[1], bar];
        let data = values(g, &given, 2, &mut Rng(3));
        let found = native::<f64>(g, &given, &data, &[forward, reverse], 2);
        close(&found[..1], &found[1..], 1e-12, &format!("{name}: ⟨w, Jv⟩ = ⟨Jᵀw, v⟩"));
        let moved = |s: f64, out: NodeId| {
            let mut at = data.clone();
            for (x, dot) in at.iter_mut().zip(&data[2..4]) {
                for (x, d) in x.iter_mut().zip(dot) {
                    *x += s * d;
                }
            }
            interpret(&c.graph, &given, &at, &[out], 2).remove(0)
        };
        // Bilinear: central differences of it are exact, those of its derivative too.
        for (of, derivative) in [(c.value, jvp), (jvp, second)] {
            let (below, above) = (moved(-0.5, of), moved(0.5, of));
            let difference = above.iter().zip(&below).map(|(a, b)| a - b).collect();
            close(&native::<f64>(&c.graph, &given, &data, &[derivative], 2), &[difference], 1e-12, name);
        }
    });
}

#[test]
fn all_directions_at_once_are_each_direction() {
    every_case(|name, mut c| {
        let g = &mut c.graph;
        for (k, x) in c.args.into_iter().enumerate() {
            let shape = g.shape(x).clone();
            let many: Vec<usize> = std::iter::once(3).chain(shape.iter().copied()).collect();
            let seeds = g.leaf(if g.batched(x) { Leaf::Noise(k as u32) } else { Leaf::Param(30 + k as u32) }, &many);
            let together = diff::jvp_directions(g, &[c.value], &[(x, seeds)], 3).unwrap()[0].unwrap();
            let mut apart = Vec::new();
            for i in 0..3 {
                let seed = g.row(seeds, i);
                let one = diff::jvp(g, &[c.value], &[(x, seed)]).unwrap()[0].unwrap();
                let single: Vec<usize> = std::iter::once(1).chain(g.shape(one).iter().copied()).collect();
                apart.push(g.reshape(one, &single));
            }
            let apart = g.concat(0, &apart);
            let given = [c.args[0], c.args[1], seeds];
            let data = values(g, &given, 2, &mut Rng(11));
            let found = native::<f64>(g, &given, &data, &[together, apart], 2);
            close(&found[..1], &found[1..], 1e-13, name);
        }
    });
}

fn inner(g: &mut Graph, a: NodeId, b: NodeId) -> NodeId {
    let labels: smallvec::SmallVec<[u8; 4]> = (0..4).collect();
    g.einsum(Einsum { args: [labels.clone(), labels].into_iter().collect(), out: smallvec::smallvec![] }, &[a, b])
}

/// Every gradient method against finite differences, through every layer of images and in an equation.
#[test]
fn gradients_of_a_convolutional_model_agree_with_differences() {
    let text = "
use nn
noise image: [2, 7, 6] ~ normal(0, 1)
net down: [2, 7, 6] -> [4, 4, 4] = conv(4, 4, stride = 2, padding = 2) |> group_norm(2) |> silu
net f: [5, 4, 4] -> [4, 4, 4] = linear_conv(4, 3, padding = 1) |> tanh
net pooled: [4, 4, 4] -> [4] = avg_pool(1) |> global_avg_pool
param start: [6]
state z: [4, 4, 4] = down(image)
z' = f([channel(t, 4, 4), z])
let rate = f([channel(t, 4, 4), z])
let states = rate(linspace(0, 1, 3))
let memory = scan(lstm(3), start, reshape(image, 12, 7)[0:4]).last
loss = cross_entropy(pooled(z(1)), 1) + sum(memory^2) + sum(states^2) + sum(avg_pool(z(0.5), 1)^2)
solve tsit5(rtol = 1e-10, atol = 1e-12), 0 .. 1
train adam(batch = 3)
";
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("images.node");
    std::fs::write(&file, text).unwrap();
    let run = std::process::Command::new(env!("CARGO_BIN_EXE_pullback")).args(["grad", "--check"]).arg(&file).output();
    let run = run.unwrap();
    let shown = String::from_utf8_lossy(&run.stdout);
    assert!(run.status.success(), "{shown}\n{}", String::from_utf8_lossy(&run.stderr));
}

/// Numbers of parameters of the paper's table 1 and of the rows beside it.
#[test]
fn networks_for_mnist_have_the_stated_parameters() {
    let stated = [
        ("odenet", 208_266),
        ("odenet_moved", 208_266),
        ("rknet", 208_266),
        ("resnet6", 576_778),
        ("resnet1", 206_858),
        ("no_block", 132_874),
    ];
    for (name, count) in stated {
        let path = format!("examples/paper/mnist/{name}.node").into();
        let loaded = load(&Request { path, ..Request::default() })
            .unwrap_or_else(|r| panic!("{}", pullback::diag::render(&r.problems, &r.sources, false)));
        let found: usize = loaded.lowered.params.iter().map(|p| p.shape.iter().product::<usize>()).sum();
        assert_eq!(found, count, "{name}");
    }
}

/// Norms, pools and the memory cell by their definitions, written out in numbers.
#[test]
fn layers_have_the_usual_meaning() {
    let text = "
use nn
let x = reshape(linspace(1, 16, 16), 4, 2, 2)
net grouped: [4, 2, 2] -> [4, 2, 2] = group_norm(2)
let normed = grouped(x)
let cell = scan(lstm(1), [0.3, 0.7], reshape(linspace(0.5, 1, 2), 2, 1)).last
let means = global_avg_pool(x)
let pooled = avg_pool(x, 2)
loss = normed[0, 0, 0] + 10*normed[1, 1, 1] + 100*normed[3, 0, 1] + 1000*means[2] + 1e5*pooled[3, 0, 0]
metric memory = cell[0]
metric cell_state = cell[1]
";
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("layers.node");
    std::fs::write(&file, text).unwrap();
    let loaded = load(&Request { path: file, ..Request::default() })
        .unwrap_or_else(|r| panic!("{}", pullback::diag::render(&r.problems, &r.sources, false)));
    let weights = [vec![1.0; 4], vec![0.0; 4], (0..8).map(|k| 0.1 * f64::from(k) - 0.3).collect(), vec![0.1; 4]];
    let raw = pullback::model::unconstrain(&loaded.lowered, &weights);
    let model = compile::<f64>(loaded.lowered, &Settings::default()).unwrap();
    let batch = Batch { data: None, samples: &[0], seed: 0, step: 0 };
    let found = model.evaluate(model.value.as_ref().unwrap(), &raw, &batch);
    // Groups are 1 … 8 and 9 … 16: mean 4.5 and 12.5, variance 5.25 both.
    let spread = (5.25_f64 + 1e-5).sqrt();
    let loss = (-3.5 + 10.0 * 3.5 + 100.0 * 1.5) / spread + 1000.0 * 10.5 + 1e5 * 14.5;
    assert!((found.loss - loss).abs() < 1e-8, "{} {loss}", found.loss);
    let sigmoid = |x: f64| 1.0 / (1.0 + (-x).exp());
    let (mut h, mut c) = (0.3, 0.7);
    for x in [0.5, 1.0] {
        let gate = |k: usize| weights[2][2 * k] * h + weights[2][2 * k + 1] * x + 0.1;
        let (i, f, g, o) = (sigmoid(gate(0)), sigmoid(gate(1)), gate(2).tanh(), sigmoid(gate(3)));
        c = f * c + i * g;
        h = o * c.tanh();
    }
    assert!((found.metrics[0] - h).abs() < 1e-12 && (found.metrics[1] - c).abs() < 1e-12, "{:?}", found.metrics);
}
