//! The one integration test binary.

mod graphs;
mod random_graphs;
