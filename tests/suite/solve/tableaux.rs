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

/// All rooted trees with `size` nodes: a multiset of smaller ones, in non-increasing position of a list.
pub fn trees(size: usize) -> Vec<Tree> {
    fn forests(nodes: usize, largest: usize) -> Vec<Vec<Tree>> {
        if nodes == 0 {
            return vec![vec![]];
        }
        let mut all = Vec::new();
        for first in 1..=largest.min(nodes) {
            for tree in trees(first) {
                for mut rest in forests(nodes - first, first) {
                    rest.push(copy(&tree));
                    all.push(rest);
                }
            }
        }
        all
    }
    fn copy(tree: &Tree) -> Tree {
        Tree(tree.0.iter().map(copy).collect())
    }
    forests(size - 1, size - 1).into_iter().map(Tree).collect()
}

pub fn matrix(tableau: &Tableau) -> Vec<Vec<f64>> {
    let stages = tableau.stages();
    let mut a = vec![vec![0.0; stages]; stages];
    for (i, row) in tableau.a.iter().enumerate() {
        a[i + 1][..row.len()].copy_from_slice(row);
    }
    a
}

/// Residuals of the conditions of order exactly `order` at θ are within rounding: some units in the last place of the
/// sum of the absolute values of all terms.
pub fn hold(a: &[Vec<f64>], weights: &[f64], order: usize, theta: f64) -> bool {
    let absolute = |x: &[f64]| x.iter().map(|x| x.abs()).collect::<Vec<_>>();
    let a_absolute: Vec<_> = a.iter().map(|row| absolute(row)).collect();
    trees(order).iter().all(|tree| {
        let sum = dot(&absolute(weights), &tree.stages(&a_absolute)) + theta.powi(order as i32);
        let residual = dot(weights, &tree.stages(a)) - theta.powi(order as i32) / tree.density();
        residual.abs() <= 8.0 * f64::EPSILON * sum
    })
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
    assert_eq!((1..=5).map(|n| trees(n).iter().map(Tree::density).count()).collect::<Vec<_>>()[..4], [1, 1, 2, 4]);
    let mut densities: Vec<f64> = trees(4).iter().map(Tree::density).collect();
    densities.sort_by(f64::total_cmp);
    assert_eq!(densities, [4.0, 8.0, 12.0, 24.0]);
}

#[test]
fn nodes_are_row_sums() {
    for method in Method::ALL {
        let tableau = method.tableau();
        for (row, c) in matrix(tableau).iter().zip(tableau.c) {
            assert!((row.iter().sum::<f64>() - c).abs() < 4e-15, "{}", method.name());
        }
    }
}

#[test]
fn weights_have_exactly_the_claimed_order() {
    for method in Method::ALL {
        let (tableau, a) = (method.tableau(), matrix(method.tableau()));
        let b = a.last().unwrap();
        for order in 1..=tableau.order {
            assert!(hold(&a, b, order, 1.0), "{} order {order}", method.name());
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
            assert!(hold(&a, &hat, order, 1.0), "{} order {order}", method.name());
        }
        assert!(residual(&a, &hat, embedded + 1, 1.0) > 1e-5, "{} has no error estimate", method.name());
    }
}

#[test]
fn dense_weights_have_exactly_the_claimed_order() {
    for method in Method::ALL {
        let (tableau, a) = (method.tableau(), matrix(method.tableau()));
        for theta in [0.0, 0.1, 0.37, 0.5, 0.81, 1.0] {
            let weights: Vec<f64> = (0..tableau.stages()).map(|i| tableau.dense_weight(i, theta)).collect();
            for order in 1..=tableau.dense_order {
                assert!(hold(&a, &weights, order, theta), "{} dense order {order} at {theta}", method.name());
            }
        }
        let middle: Vec<f64> = (0..tableau.stages()).map(|i| tableau.dense_weight(i, 0.37)).collect();
        assert!(residual(&a, &middle, tableau.dense_order + 1, 0.37) > 1e-6, "{}", method.name());
    }
}

#[test]
fn dense_output_joins_the_steps() {
    for method in Method::ALL {
        let tableau = method.tableau();
        let last = tableau.stages() - 1;
        for i in 0..=last {
            let b = tableau.b().get(i).copied().unwrap_or(0.0);
            assert!((tableau.dense_weight(i, 1.0) - b).abs() < 2e-14, "{} stage {i}", method.name());
            assert_eq!(tableau.dense_slope(i, 0.0), f64::from(u8::from(i == 0)), "{} stage {i}", method.name());
            if method != Method::Euler {
                let end = f64::from(u8::from(i == last));
                assert!((tableau.dense_slope(i, 1.0) - end).abs() < 2e-13, "{} stage {i}", method.name());
            }
        }
    }
}

#[test]
fn names_are_unique_and_found() {
    for method in Method::ALL {
        assert_eq!(Method::from_name(method.name()), Some(method));
    }
    assert_eq!(Method::from_name("rk45"), None);
}
