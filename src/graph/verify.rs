//! The contract between passes, checked in debug builds and tests.

use super::{Graph, Node, NodeId, Op};

/// Every rule that a node of `graph` breaks, as text.
pub fn verify(graph: &Graph) -> Vec<String> {
    graph
        .ids()
        .filter_map(|id| broken(graph, id, graph.node(id)).map(|why| format!("%{}: {why}: {:?}", id.0, graph.node(id))))
        .collect()
}

fn broken(graph: &Graph, id: NodeId, node: &Node) -> Option<&'static str> {
    if node.args.iter().any(|a| *a >= id) {
        return Some("an argument comes after its user");
    }
    let shape = |k: usize| graph.shape(node.args[k]).as_slice();
    let own = node.shape.as_slice();
    let entries = |s: &[usize]| s.iter().product::<usize>();
    let arity = |n: usize| node.args.len() == n;
    let fits = match &node.op {
        Op::Const(_) => arity(0) && own.is_empty(),
        Op::Leaf(_) => arity(0),
        Op::Iota => arity(0) && own.len() == 1,
        Op::Delta => arity(0) && own.len() == 2 && own[0] == own[1],
        Op::Map1(_) | Op::Stop | Op::SumLanes => arity(1) && own == shape(0),
        Op::Map2(_) | Op::Compare(_) => arity(2) && own == shape(0) && own == shape(1),
        Op::Select => arity(3) && (0..3).all(|k| own == shape(k)),
        Op::Einsum(spec) => {
            arity(spec.args.len())
                && spec.args.iter().enumerate().all(|(k, labels)| labels.len() == shape(k).len())
                && spec.out.len() == own.len()
                && spec.out.iter().all(|l| spec.args.iter().any(|a| a.contains(l)))
        }
        Op::Conv(conv) => arity(2) && conv.sizes(shape(0), shape(1), own).is_some(),
        Op::Broadcast(axes) => {
            arity(1) && axes.len() == shape(0).len() && axes.iter().zip(shape(0)).all(|(a, n)| own[*a as usize] == *n)
        }
        Op::Reshape => arity(1) && entries(own) == entries(shape(0)),
        Op::Slice(start) => {
            arity(1) && start.len() == own.len() && start.iter().zip(own).zip(shape(0)).all(|((s, n), f)| s + n <= *f)
        }
        Op::Pad(start) => {
            arity(1) && start.len() == own.len() && start.iter().zip(shape(0)).zip(own).all(|((s, n), f)| s + n <= *f)
        }
        Op::Concat(axis) => {
            let axis = *axis as usize;
            (0..node.args.len()).map(|k| shape(k)[axis]).sum::<usize>() == own[axis]
        }
        Op::Gather => arity(2) && own[..shape(1).len()] == *shape(1) && own[shape(1).len()..] == shape(0)[1..],
        Op::ScatterAdd => arity(2) && shape(1)[..shape(0).len()] == *shape(0) && own[1..] == shape(1)[shape(0).len()..],
        Op::ArgMax => arity(1) && *own == shape(0)[..shape(0).len() - 1],
        Op::Search => arity(2) && own == shape(1) && shape(0).len() == 1,
        Op::Solve(_) => node.args.len() >= 3 && own.len() == 2,
        Op::SolveVjp(_) => node.args.len() >= 4,
        Op::SolvePart { argument, .. } => {
            arity(1) && own == graph.shape(graph.node(node.args[0]).args[*argument as usize]).as_slice()
        }
    };
    (!fits).then_some("shapes do not fit")
}
