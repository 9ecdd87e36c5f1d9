//! `[service.gpu]`: which GPUs a service works on.

use std::collections::BTreeMap;

use super::{
    decode::Table,
    problem::Problem,
    source::{At, Place},
};

/// Variable by which CUDA is told which GPUs there are.
const VARIABLE: &str = "CUDA_VISIBLE_DEVICES";
/// More than any machine has.
const LIMIT: u32 = 256;

/// The GPUs of a service.
#[derive(Debug)]
pub(super) struct Assigned {
    /// By index; none: it works on no GPU.
    devices: Vec<u32>,
    place: Place,
}

/// `gpu` of a service; `None`: nothing is said, and it has none.
pub(super) fn read(table: &Table<'_>) -> Option<Assigned> {
    table.table("gpu")?.decode(|table| {
        table.require("devices");
        let listed = table.numbers_or_strings("devices");
        let devices = listed.iter().filter_map(|text| indices(text, table));
        Some(Assigned {
            devices: devices.flatten().collect(),
            place: table.header(),
        })
    })
}

/// The numbers of a text such as `0,1`, which a value of the profile may be; none of an empty one.
fn indices(text: &At<String>, table: &Table<'_>) -> Option<Vec<u32>> {
    let words = text.value.split(',').map(str::trim);
    let number = |word: &str| word.parse().ok().filter(|index| *index < LIMIT);
    let numbers: Option<Vec<u32>> = match text.value.is_empty() {
        true => Some(Vec::new()),
        false => words.map(number).collect(),
    };
    let expected = "expected indices of GPUs such as `0` or `\"0,1\"`".to_owned();
    table
        .problems()
        .keep(text, "invalid `devices`", numbers.ok_or(expected))
}

impl Assigned {
    /// Whether it works on any.
    pub(super) fn is_any(&self) -> bool {
        !self.devices.is_empty()
    }

    /// Adds the variable to `environment`, reported where it is there.
    pub(super) fn tell(&self, table: &Table<'_>, environment: &mut BTreeMap<String, String>) {
        let devices: Vec<String> = self.devices.iter().map(u32::to_string).collect();
        if environment
            .insert(VARIABLE.to_owned(), devices.join(","))
            .is_some()
        {
            let title = format!("`{VARIABLE}` is set twice");
            let problem = Problem::error(title).at(&self.place, "sets it too");
            let help = "leave it out of the environment: `gpu` sets it";
            table.problems().add(problem.help(help));
        }
    }
}
