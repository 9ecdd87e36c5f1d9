//! PID 1; see the library.
fn main() {}
