//! The stacks of `images/` as their users meet them, one scene each: a request through the front
//! door, a service that is killed, a database that is away, a reboot.
//!
//! CI plays some of them (`tests/tests/systems.rs`), `cargo xtask images --boot` all, on the profiles
//! asked for.

mod ai_system;
mod justnews;
mod reactdjango_hub;
mod reddit_watcher;
mod stage;

use anyhow::Result;

pub use stage::{Figures, Stage};

/// A stack with its scene.
#[derive(Debug, Clone, Copy)]
pub struct System {
    /// Directory of the image, relative to the workspace.
    pub image: &'static str,
    /// Plays the scene on one profile.
    pub play: fn(&str) -> Result<Figures>,
}

/// Every stack, in the order of the seeds.
pub const SYSTEMS: [System; 3] = [
    System {
        image: "images/justnews",
        play: justnews::play,
    },
    System {
        image: "images/reddit-watcher",
        play: reddit_watcher::play,
    },
    System {
        image: "images/reactdjango-hub",
        play: reactdjango_hub::play,
    },
];

/// Plays the scene of an image.
///
/// # Errors
/// No such image, or what the scene found.
pub fn play(image: &str, profile: &str) -> Result<Figures> {
    let system = SYSTEMS.iter().find(|system| system.image == image);
    let system = system.ok_or_else(|| anyhow::anyhow!("`{image}` has no scene"))?;
    (system.play)(profile)
}
