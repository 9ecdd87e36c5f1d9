//! Upgrades as hosts meet them, over several real boots each: slot, counter and version of every
//! boot are asserted, as mtools, the console and PID 1 tell them.

mod bad;
mod good;
mod interrupted;
mod justnews;
mod offline;
mod refused;
mod scene;
