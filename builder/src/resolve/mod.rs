//! Names → digests: the only stage that reads repository indexes.

pub mod lock;
