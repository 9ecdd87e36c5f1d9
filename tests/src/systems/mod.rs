//! The stacks of `images/` as their users meet them, one scene each: a request through the front
//! door, a service that is killed, a database that is away, a reboot.
//!
//! CI plays some of them (`tests/tests/systems.rs`), `cargo xtask images --boot` all, on the profiles
//! asked for.

mod ai_system;
mod juliasphere;
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
pub const SYSTEMS: [System; 5] = [
    System {
        image: "images/justnews",
        play: justnews::play,
    },
    System {
        image: "images/juliasphere",
        play: juliasphere::play,
    },
    System {
        image: "images/reddit-watcher",
        play: reddit_watcher::play,
    },
    System {
        image: "images/reactdjango-hub",
        play: reactdjango_hub::play,
    },
    // Of two images: `images/ai-system-pc2` is the other machine of the scene.
    System {
        image: "images/ai-system-main",
        play: ai_system::play,
    },
];

/// The stack of an image, when it has a scene of its own.
pub fn find(image: &str) -> Option<&'static System> {
    SYSTEMS.iter().find(|system| system.image == image)
}

/// Plays the scene of an image.
///
/// # Errors
/// No such image, or what the scene found.
pub fn play(image: &str, profile: &str) -> Result<Figures> {
    let system = find(image).ok_or_else(|| anyhow::anyhow!("`{image}` has no scene"))?;
    (system.play)(profile)
}
