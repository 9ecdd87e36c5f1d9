//! A service that tries every way out of itself, on a machine: `tests/images/escape` prints what came of it.

use anyhow::{Context, Result, ensure};
use bedplate_contract::event::name;
use bedplate_tests::vm::{Boot, Vm};

/// Generous for two machines at once on two cores under TCG.
const TIMEOUT_SECS: u32 = 300;
/// Ways that are tried at the least, with those that need a machine's cgroups and memory.
const WAYS: usize = 62;

/// Rows of the table that a service printed: escape, outcome.
fn table<'a>(boot: &'a Boot, service: &str) -> Vec<(&'a str, &'a str)> {
    let lines = boot.events.iter().filter(|event| event.name == name::LOG);
    let lines = lines.filter(|event| event.field("name") == Some(service));
    let texts = lines.filter_map(|event| event.field("text"));
    texts.filter_map(|text| text.split_once(" | ")).collect()
}

#[test]
fn no_service_gets_out() -> Result<()> {
    let boot = Vm::new("tests/images/escape")?.boot(TIMEOUT_SECS)?;
    ensure!(boot.code == Some(0), "{:?}:\n{}", boot.code, boot.tail());
    for service in ["attacker", "root"] {
        let rows = table(&boot, service);
        for (escape, outcome) in &rows {
            println!("{service} | {escape} | {outcome}");
        }
        ensure!(rows.len() >= WAYS, "{service}: {} ways", rows.len());
        let escaped: Vec<_> = rows
            .iter()
            .filter(|(_, how)| !how.starts_with("held"))
            .collect();
        ensure!(escaped.is_empty(), "{service}: {escaped:#?}");
        for limit in ["fill /run", "a fork bomb"] {
            let row = rows.iter().find(|(escape, _)| *escape == limit);
            row.with_context(|| format!("{service} did not try: {limit}"))?;
        }
    }
    Ok(())
}
