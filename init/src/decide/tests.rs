//! Scenes of the core, event by event, and what holds in every order of events.

mod properties;
mod scenes;
mod world;
