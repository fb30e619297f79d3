//! The one integration test binary.

mod golden;
mod graphs;
mod random_graphs;
mod smoke;
mod smoke_examples;
