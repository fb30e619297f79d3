//! Terms → expressions, bottom-up and without recursion over the list. What is used more than once or grows too long to
//! read gets a name of its own.

use super::math::{Class, Math, Place, Symbol, product, sum};
use super::product::{einsum, index_names, tensor};
use super::shape::{broadcast, call, concat, filled, pad, reshape, slice};
use super::term::{Form, Term};
use crate::graph::{Binary, Relation, Unary};

/// Expressions of more names than this are split.
const LONGEST: usize = 24;
/// Expressions of up to this many names are repeated instead of named.
const SHORT: usize = 2;

/// A named intermediate value.
#[derive(Clone, Debug)]
pub(super) struct Let {
    pub name: Math,
    pub value: Math,
}

/// The expression of every term, and which terms have names.
#[derive(Clone, Debug, Default)]
pub(super) struct Built {
    pub values: Vec<Math>,
    pub lets: Vec<Option<Let>>,
}

/// Makes the expressions. `letters` are names for indices, `prefix` begins the names of intermediate values.
pub(super) fn build(terms: &[Term], roots: &[usize], letters: &[String], prefix: &str) -> Built {
    let mut uses = vec![0_usize; terms.len()];
    for &k in terms.iter().flat_map(|t| &t.args).chain(roots) {
        uses[k] += 1;
    }
    let mut built = Built::default();
    let mut number = 0;
    for (k, term) in terms.iter().enumerate() {
        let args: Vec<Math> = term.args.iter().map(|a| built.values[*a].clone()).collect();
        let shapes: Vec<Vec<usize>> = term.args.iter().map(|a| terms[*a].shape.clone()).collect();
        let value = combine(term, &args, &shapes, letters);
        let named = match &term.name {
            Some(name) if !matches!(value, Math::Symbol(_)) => Some(name.clone()),
            _ if !worth_a_name(&value, uses[k]) => None,
            _ => {
                number += 1;
                let (text, tex) = (format!("{prefix}{number}"), format!("{prefix}_{{{number}}}"));
                Some(Math::Symbol(Symbol { text, tex, class: Class::Value, rank: value.rank() }))
            }
        };
        match named {
            Some(name) => {
                built.values.push(name.clone());
                built.lets.push(Some(Let { name, value }));
            }
            None => {
                built.values.push(value);
                built.lets.push(None);
            }
        }
    }
    built
}

fn worth_a_name(value: &Math, uses: usize) -> bool {
    // A tensor in index notation is opened by whatever reads it.
    let weight = value.weight();
    weight > LONGEST || (uses > 1 && weight > SHORT && !matches!(value, Math::Index(..) | Math::Transpose(_)))
}

fn combine(term: &Term, args: &[Math], shapes: &[Vec<usize>], letters: &[String]) -> Math {
    match &term.form {
        Form::Leaf(m) => m.clone(),
        Form::Same => args[0].clone(),
        Form::Map1(_) | Form::Map2(_) | Form::Compare(_) | Form::Select => {
            entrywise(args, &term.shape, letters, |args| scalar(&term.form, args))
        }
        Form::Einsum(spec) => {
            let args: Vec<Math> = args.iter().map(|a| a.clone().number_of_truth()).collect();
            einsum(spec, &args, shapes, letters)
        }
        Form::Broadcast(axes) => broadcast(&args[0], axes, &term.shape, letters),
        Form::Reshape => reshape(&args[0], &shapes[0], &term.shape, letters),
        Form::Slice(start) => slice(&args[0], start, &term.shape, &shapes[0]),
        Form::Pad(start) => pad(&args[0], start, &shapes[0], &term.shape),
        Form::Concat(axis) => {
            let parts: Vec<(Math, Vec<usize>)> = args.iter().cloned().zip(shapes.iter().cloned()).collect();
            concat(*axis, &parts, term.shape.len())
        }
        Form::Gather => gather(args, shapes),
        Form::Call(name) => {
            let args = args.iter().zip(shapes).map(|(a, s)| filled(a, s)).collect();
            call(name, args, term.shape.len())
        }
        Form::At => Math::At(Box::new(args[0].clone()), Box::new(args[1].clone()), term.shape.len()),
    }
}

fn gather(args: &[Math], shapes: &[Vec<usize>]) -> Math {
    if args[0].rank() == 0 {
        return args[0].clone();
    }
    if shapes[1].is_empty() {
        let rest = (1..shapes[0].len()).map(|_| Place::Range(None));
        return Math::Index(
            Box::new(args[0].clone()),
            std::iter::once(Place::At(args[1].clone())).chain(rest).collect(),
        );
    }
    call("gather", args.to_vec(), shapes[0].len() + shapes[1].len() - 1)
}

/// Applies `f` to whole operands, or entry by entry if one of them is in index notation.
fn entrywise(args: &[Math], shape: &[usize], letters: &[String], f: impl Fn(&[Math]) -> Math) -> Math {
    if !args.iter().any(|a| matches!(a, Math::Tensor(..))) {
        return f(args);
    }
    let names = index_names(letters, shape.len(), args);
    let at: Vec<Math> = names.iter().map(|n| Math::index(n)).collect();
    let entries: Vec<Math> = args.iter().map(|a| a.entry(&at)).collect();
    let out: Vec<(String, usize)> = names.into_iter().zip(shape.iter().copied()).collect();
    tensor(&out, f(&entries))
}

fn scalar(form: &Form, args: &[Math]) -> Math {
    let number = |k: usize| args[k].clone().number_of_truth();
    match form {
        Form::Map1(f) => unary(*f, &args[0]),
        Form::Map2(f) => binary(*f, number(0), number(1)),
        Form::Compare(r) => Math::Compare(*r, Box::new(number(0)), Box::new(number(1))),
        Form::Select => Math::If(Box::new(args[0].clone()), Box::new(number(1)), Box::new(number(2))),
        Form::Leaf(_)
        | Form::Same
        | Form::Einsum(_)
        | Form::Broadcast(_)
        | Form::Reshape
        | Form::Slice(_)
        | Form::Pad(_)
        | Form::Concat(_)
        | Form::Gather
        | Form::Call(_)
        | Form::At => number(0),
    }
}

fn unary(f: Unary, x: &Math) -> Math {
    let number = x.clone().number_of_truth();
    if f == Unary::Neg {
        return number.neg();
    }
    if f != Unary::Not {
        return Math::map(f.name(), vec![number]);
    }
    // `not` of a comparison is the opposite one.
    let Math::Compare(r, a, b) = x else {
        return Math::Compare(Relation::Equal, Box::new(number), Box::new(Math::Number(0.0)));
    };
    match r {
        Relation::Less => Math::Compare(Relation::LessEq, b.clone(), a.clone()),
        Relation::LessEq => Math::Compare(Relation::Less, b.clone(), a.clone()),
        Relation::Equal => Math::Compare(Relation::NotEqual, a.clone(), b.clone()),
        Relation::NotEqual => Math::Compare(Relation::Equal, a.clone(), b.clone()),
    }
}

fn binary(f: Binary, a: Math, b: Math) -> Math {
    match f {
        Binary::Add => sum([(false, a), (false, b)]),
        Binary::Sub => sum([(false, a), (true, b)]),
        // A masked product is a product wherever it is finite.
        Binary::Mul | Binary::Guard => product([(a, 1), (b, 1)]),
        Binary::Div => product([(a, 1), (b, -1)]),
        Binary::Pow => Math::Power(Box::new(a), Box::new(b)),
        Binary::Min | Binary::Max | Binary::Atan2 => Math::map(f.name(), vec![a, b]),
    }
}
