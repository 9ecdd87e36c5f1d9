//! Archives made, verified and restored by the real program, and what is left when it is cut short.

mod bench;
mod directories;
mod faults;
mod programs;
