//! Roots made of tiny packages, which the tests make themselves.

mod build;
mod layer;
mod packages;
mod planted;
#[path = "../support/skip.rs"]
mod skip;
mod unpack;
