//! Bad input to the real `bedplate`: the exit code, the words, and nothing half-written.
//!
//! Every case works on a definition of its own. Its output directory holds an earlier output, which
//! must stay as it was; where a build gets as far as the store, a good build afterwards succeeds.

mod case;
mod definitions;
mod interruption;
mod privileges;
mod sources;
mod space;
