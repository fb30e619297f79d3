//! The textual form that dumps and snapshots show.

use super::{Conv, ConvPart, Graph, Leaf, NodeId, Op, Scalar};
use std::fmt::Write;

/// One line a node that `roots` need, then the roots by name.
pub fn dump_roots(graph: &Graph, roots: &[(String, NodeId)]) -> String {
    let ids: Vec<NodeId> = roots.iter().map(|r| r.1).collect();
    let mut text = dump(graph, &ids);
    for (name, id) in roots {
        let _ = writeln!(text, "{name} = %{}", id.0);
    }
    text
}

/// One line a node that `roots` need: `%7: [50] lanes = tanh %6`.
pub fn dump(graph: &Graph, roots: &[NodeId]) -> String {
    let mut text = String::new();
    for id in graph.reachable(roots) {
        let node = graph.node(id);
        let lanes = if node.batched { " lanes" } else { "" };
        let shape: Vec<String> = node.shape.iter().map(ToString::to_string).collect();
        let args: String = node.args.iter().map(|a| format!(" %{}", a.0)).collect();
        let _ = writeln!(text, "%{}: [{}]{lanes} = {}{args}", id.0, shape.join(", "), op_text(&node.op));
    }
    text
}

fn list<T: ToString>(items: &[T]) -> String {
    items.iter().map(ToString::to_string).collect::<Vec<_>>().join(", ")
}

fn op_text(op: &Op) -> String {
    match op {
        Op::Const(Scalar(value)) => format!("{value}"),
        Op::Leaf(leaf) => leaf_text(*leaf),
        Op::Iota => "iota".into(),
        Op::Delta => "delta".into(),
        Op::Map1(f) => f.name().into(),
        Op::Map2(f) => f.name().into(),
        Op::Compare(r) => r.name().into(),
        Op::Select => "select".into(),
        Op::Stop => "stop".into(),
        Op::Einsum(spec) => format!("einsum {}", spec.spell()),
        Op::Conv(Conv { part, stride, padding }) => {
            let name = match part {
                ConvPart::Input => "conv_input",
                ConvPart::Kernel => "conv_kernel",
                ConvPart::Output => "conv",
            };
            format!("{name}(stride {stride}, padding {padding})")
        }
        Op::Broadcast(axes) => format!("broadcast({})", list(axes)),
        Op::Reshape => "reshape".into(),
        Op::Slice(start) => format!("slice({})", list(start)),
        Op::Pad(start) => format!("pad({})", list(start)),
        Op::Concat(axis) => format!("concat({axis})"),
        Op::Gather => "gather".into(),
        Op::ScatterAdd => "scatter_add".into(),
        Op::ArgMax => "argmax".into(),
        Op::Search => "search".into(),
        Op::SumLanes => "sum_lanes".into(),
        Op::Solve(k) => format!("solve({k})"),
        Op::SolveVjp(k) => format!("solve_vjp({k})"),
        Op::SolvePart { argument, total } => format!("part({argument}{})", if *total { ", total" } else { "" }),
    }
}

fn leaf_text(leaf: Leaf) -> String {
    match leaf {
        Leaf::Param(k) => format!("param({k})"),
        Leaf::Natural(k) => format!("natural({k})"),
        Leaf::Input(k) => format!("input({k})"),
        Leaf::Noise(k) => format!("noise({k})"),
        Leaf::Time => "time".into(),
        Leaf::Clock => "clock".into(),
        Leaf::State(k) => format!("state({k})"),
        Leaf::Capture { index, .. } => format!("capture({index})"),
        Leaf::Length(k) => format!("length({k})"),
        Leaf::Weight => "weight".into(),
        Leaf::Seed(k) => format!("seed({k})"),
    }
}
