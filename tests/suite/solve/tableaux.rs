//! Order conditions are the judge of the coefficients.

use pullback::solve::{Method, Tableau};

/// A rooted tree by its subtrees.
pub struct Tree(pub Vec<Tree>);

impl Tree {
    pub fn size(&self) -> usize {
        1 + self.0.iter().map(Tree::size).sum::<usize>()
    }

    pub fn density(&self) -> f64 {
        self.size() as f64 * self.0.iter().map(Tree::density).product::<f64>()
    }

    /// Φᵢ of every stage: the product over the subtrees of Σⱼ aᵢⱼ Φⱼ.
    pub fn stages(&self, a: &[Vec<f64>]) -> Vec<f64> {
        let inner: Vec<Vec<f64>> = self.0.iter().map(|tree| tree.stages(a)).collect();
        a.iter().map(|row| inner.iter().map(|phi| dot(row, phi)).product()).collect()
    }
}

pub fn dot(x: &[f64], y: &[f64]) -> f64 {
    x.iter().zip(y).map(|(x, y)| x * y).sum()
}

/// All rooted trees with `size` nodes: below the root a multiset of smaller trees, as positions in the list of those
/// that do not increase.
pub fn trees(size: usize) -> Vec<Tree> {
    fn forests(smaller: &[Tree], nodes: usize, largest: usize) -> Vec<Vec<usize>> {
        if nodes == 0 {
            return vec![vec![]];
        }
        let mut all = Vec::new();
        for first in (0..largest).filter(|&first| smaller[first].size() <= nodes) {
            for mut rest in forests(smaller, nodes - smaller[first].size(), first + 1) {
                rest.push(first);
                all.push(rest);
            }
        }
        all
    }
    fn copy(tree: &Tree) -> Tree {
        Tree(tree.0.iter().map(copy).collect())
    }
    let (mut smaller, mut latest) = (Vec::new(), vec![Tree(Vec::new())]);
    for nodes in 1..size {
        smaller.append(&mut latest);
        let below = forests(&smaller, nodes, smaller.len());
        latest = below.iter().map(|forest| Tree(forest.iter().map(|&at| copy(&smaller[at])).collect())).collect();
    }
    latest
}

/// The matrix of all stages, those that only dense output needs at its end.
fn full_matrix(tableau: &Tableau) -> Vec<Vec<f64>> {
    let stages = tableau.stages() + tableau.extra.len();
    let mut a = vec![vec![0.0; stages]; stages];
    let rows = tableau.a.iter().copied().chain(tableau.extra.iter().map(|(_, row)| *row));
    for (i, row) in rows.enumerate() {
        a[i + 1][..row.len()].copy_from_slice(row);
    }
    a
}

/// The matrix of the stages of the method.
pub fn matrix(tableau: &Tableau) -> Vec<Vec<f64>> {
    let stages = tableau.stages();
    full_matrix(tableau)[..stages].iter().map(|row| row[..stages].to_vec()).collect()
}

/// Residuals of the conditions of order exactly `order` at θ are within rounding: some units in the last place of the
/// sum of the absolute values of all terms; `sizes` are those of the terms that the weights are computed from.
pub fn hold(a: &[Vec<f64>], weights: &[f64], sizes: &[f64], order: usize, theta: f64) -> bool {
    let a_absolute: Vec<_> = a.iter().map(|row| absolute(row)).collect();
    trees(order).iter().all(|tree| {
        let sum = dot(sizes, &tree.stages(&a_absolute)) + theta.powi(order as i32);
        let residual = dot(weights, &tree.stages(a)) - theta.powi(order as i32) / tree.density();
        residual.abs() <= 8.0 * f64::EPSILON * sum
    })
}

fn absolute(x: &[f64]) -> Vec<f64> {
    x.iter().map(|x| x.abs()).collect()
}

/// The sum of the absolute values of the terms of every weight of dense output.
fn dense_sizes(tableau: &Tableau, theta: f64) -> Vec<f64> {
    tableau.dense.iter().map(|row| row.iter().rev().fold(0.0, |sum, p| theta * (p.abs() + sum))).collect()
}

/// Largest residual of the conditions of order exactly `order` for the weights, at θ.
pub fn residual(a: &[Vec<f64>], weights: &[f64], order: usize, theta: f64) -> f64 {
    let conditions = trees(order);
    conditions
        .iter()
        .map(|tree| (dot(weights, &tree.stages(a)) - theta.powi(order as i32) / tree.density()).abs())
        .fold(0.0, f64::max)
}

#[test]
fn there_are_as_many_trees_as_known() {
    // The Otter–Knuth numbers.
    let counts: Vec<usize> = (1..=9).map(|n| trees(n).len()).collect();
    assert_eq!(counts, [1, 1, 2, 4, 9, 20, 48, 115, 286]);
    let mut densities: Vec<f64> = trees(4).iter().map(Tree::density).collect();
    densities.sort_by(f64::total_cmp);
    assert_eq!(densities, [4.0, 8.0, 12.0, 24.0]);
}

#[test]
fn nodes_are_row_sums() {
    for method in Method::ALL {
        let tableau = method.tableau();
        let nodes = tableau.c.iter().copied().chain(tableau.extra.iter().map(|(c, _)| *c));
        for (row, c) in full_matrix(tableau).iter().zip(nodes) {
            let rounding = 4.0 * f64::EPSILON * row.iter().map(|a| a.abs()).sum::<f64>().max(1.0);
            assert!((row.iter().sum::<f64>() - c).abs() < rounding, "{}", method.name());
        }
    }
}

#[test]
fn weights_have_exactly_the_claimed_order() {
    for method in Method::ALL {
        let (tableau, a) = (method.tableau(), matrix(method.tableau()));
        let b = a.last().unwrap();
        for order in 1..=tableau.order {
            assert!(hold(&a, b, &absolute(b), order, 1.0), "{} order {order}", method.name());
        }
        assert!(residual(&a, b, tableau.order + 1, 1.0) > 1e-5, "{} is better than claimed", method.name());
    }
}

#[test]
fn embedded_weights_have_exactly_the_claimed_order() {
    for method in Method::ALL {
        let (tableau, a) = (method.tableau(), matrix(method.tableau()));
        let Some(embedded) = tableau.embedded_order else { continue };
        let hat: Vec<f64> = a.last().unwrap().iter().zip(tableau.error).map(|(b, e)| b - e).collect();
        for order in 1..=embedded {
            assert!(hold(&a, &hat, &absolute(&hat), order, 1.0), "{} order {order}", method.name());
        }
        assert!(residual(&a, &hat, embedded + 1, 1.0) > 1e-5, "{} has no error estimate", method.name());
    }
}

#[test]
fn dense_weights_have_exactly_the_claimed_order() {
    for method in Method::ALL {
        let (tableau, a) = (method.tableau(), full_matrix(method.tableau()));
        let stages = a.len();
        for theta in [0.0, 0.1, 0.37, 0.5, 0.81, 1.0] {
            let weights: Vec<f64> = (0..stages).map(|i| tableau.dense_weight(i, theta)).collect();
            for order in 1..=tableau.dense_order {
                assert!(
                    hold(&a, &weights, &dense_sizes(tableau, theta), order, theta),
                    "{} dense order {order} at {theta}",
                    method.name()
                );
            }
        }
        let middle: Vec<f64> = (0..stages).map(|i| tableau.dense_weight(i, 0.37)).collect();
        assert!(residual(&a, &middle, tableau.dense_order + 1, 0.37) > 1e-7, "{}", method.name());
    }
}

#[test]
fn dense_output_joins_the_steps() {
    for method in Method::ALL {
        let tableau = method.tableau();
        let last = tableau.stages() - 1;
        for i in 0..=last + tableau.extra.len() {
            let b = tableau.b().get(i).copied().unwrap_or(0.0);
            let rounding = 4.0 * f64::EPSILON * (1.0 + tableau.dense[i].iter().map(|p| p.abs()).sum::<f64>());
            assert!((tableau.dense_weight(i, 1.0) - b).abs() < rounding, "{} stage {i}", method.name());
            assert_eq!(tableau.dense_slope(i, 0.0), f64::from(u8::from(i == 0)), "{} stage {i}", method.name());
            if method != Method::Euler {
                let end = f64::from(u8::from(i == last));
                assert!((tableau.dense_slope(i, 1.0) - end).abs() < 8.0 * rounding, "{} stage {i}", method.name());
            }
        }
    }
}

/// The second estimate is of order 3, so that the two together follow the power 8 of the step length.
#[test]
fn coarse_weights_have_order_three() {
    let coarse = Method::ALL.map(Method::tableau).into_iter().filter(|tableau| !tableau.coarse_error.is_empty());
    for tableau in coarse {
        let a = matrix(tableau);
        let hat: Vec<f64> = a.last().unwrap().iter().zip(tableau.coarse_error).map(|(b, e)| b - e).collect();
        assert!((1..=3).all(|order| hold(&a, &hat, &absolute(&hat), order, 1.0)));
        assert!(residual(&a, &hat, 4, 1.0) > 1e-3);
        assert_eq!(tableau.error_power(), 8.0);
    }
    assert_eq!(Method::Tsit5.tableau().error_power(), 5.0);
}

#[test]
fn names_are_unique_and_found() {
    for method in Method::ALL {
        assert_eq!(Method::from_name(method.name()), Some(method));
    }
    assert_eq!(Method::from_name("adams"), Some(Method::Adams));
    assert_eq!(Method::from_name("rk45"), None);
}
