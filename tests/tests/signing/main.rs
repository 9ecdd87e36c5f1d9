//! A build is signed, published and verified: by `bedplate`, and by programs that are not ours.
//!
//! Signers get the sign request and nothing else. Every case works on a copy of one build, for what
//! lies in an output directory is linked to the store.

mod cosign;
mod keys;
mod offline;
mod publish;
mod release;
mod usage;
