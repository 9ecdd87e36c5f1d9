//! Upgrades on plain files: bundles that the tests make, sources that fail, targets that lose power.

mod faults;
mod layout;
mod machine;
mod power;
mod server;
mod sources;
mod verbs;
