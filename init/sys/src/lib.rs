//! The system calls that `std` lacks, as safe typed functions without policy.
//!
//! The only crate of the workspace with `unsafe` code. A function takes paths, descriptors and
//! plain values, does one thing to the kernel and returns [`std::io::Result`]; what an error means
//! is for its caller to say.

pub mod beneath;
pub mod block;
pub mod clock;
pub mod dm;
pub mod file;
pub mod host;
pub mod module;
pub mod mount;
pub mod netlink;
pub mod overlay;
pub mod packet;
pub mod pipe;
pub mod poll;
pub mod process;
pub mod random;
pub mod reboot;
pub mod sandbox;
pub mod seccomp;
pub mod signal;
pub mod socket;
pub mod userns;
pub mod view;
pub mod watchdog;
pub mod xfs;
