//! PID 1 of an appliance: first `/init` of the initramfs, then `init` of the root.
//!
//! Nothing here panics, blocks without a deadline or exits by itself: a broken disk, link or
//! service leaves a machine that says what is wrong.

#![forbid(unsafe_code)]

pub mod attempt;
pub mod attend;
pub mod boot;
pub mod cgroup;
pub mod child;
pub mod console;
pub mod control;
pub mod course;
pub mod decide;
pub mod disk;
pub mod driver;
pub mod durable;
pub mod esp;
pub mod firewall;
pub mod gpu;
pub mod graph;
pub mod ground;
pub mod hardware;
pub mod host;
pub mod identity;
pub mod inspect;
pub mod log;
pub mod meta;
pub mod modules;
pub mod mounts;
pub mod network;
pub mod probe;
pub mod provision;
pub mod rescue;
pub mod secrets;
pub mod shutdown;
pub mod slots;
pub mod stage1;
pub mod state;
pub mod story;
pub mod supervise;
pub mod tuning;
pub mod upgrade;
pub mod verity;
pub mod volumes;
pub mod wall;
pub mod watchdog;
