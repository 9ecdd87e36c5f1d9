//! Scenes of the core, event by event, and what holds in every order of events.

mod checks;
mod conditions;
mod failing;
mod leaving;
mod model;
mod operator;
mod properties;
mod scenes;
mod schedules;
mod upgrades;
mod world;
