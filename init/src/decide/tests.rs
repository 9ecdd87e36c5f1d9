//! Scenes of the core, event by event, and what holds in every order of events.

mod conditions;
mod leaving;
mod model;
mod operator;
mod properties;
mod scenes;
mod schedules;
mod upgrades;
mod world;
