//! The one integration test binary.

mod graphs;
mod random_graphs;
mod smoke;
mod smoke_examples;
