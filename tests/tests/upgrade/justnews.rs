//! The JustNews stack upgraded as its operators do it: articles survive, a bad version does not.

use std::{sync::Arc, time::Duration};

use anyhow::{Result, ensure};
use bedplate_contract::control::UpgradeStep;
use bedplate_tests::{
    machine::Machine,
    release::{Edit, Recipe, Release},
    vm::Vm,
};
use serde_json::Value;

use crate::scene::{Shelf, quarantined, report_of};

/// A boot takes about a minute alone; here it may share two cores with another machine.
const BOOT: Duration = Duration::from_secs(600);

const ARTICLE: &str = r#"{"url": "https://example.com/1", "title": "Harbour plan",
  "text": "The city council voted on the harbour plan. According to the mayor, the harbour plan costs 40 million euros. It rained."}"#;

/// The analyst listens where nobody asks, and it is noticed sooner than the stack's ten minutes.
const NO_ANALYST: [Edit<'_>; 2] = [
    Edit::Replace {
        file: "files/env/analyst.env",
        from: "ANALYST_AGENT_PORT=8004",
        to: "ANALYST_AGENT_PORT=8904",
    },
    Edit::Replace {
        file: "image.toml",
        from: "deadline = \"10m\"",
        to: "deadline = \"150s\"",
    },
];

fn justnews(version: &str, edits: &[Edit<'_>]) -> Result<Arc<Release>> {
    Release::make(Recipe {
        image: "images/justnews",
        version,
        edits,
    })
}

#[test]
fn articles_survive_a_good_upgrade_and_a_bad_one() -> Result<()> {
    let shelf = Shelf::new()?;
    let vm = Vm::of(&*justnews("4.0.0", &[])?)?;
    let mut machine = Machine::healthy(&vm, 80, BOOT)?;
    let path = post(&machine)?;

    let url = shelf.publish(&*justnews("4.0.1", &[])?)?;
    machine.upgrade(&url, UpgradeStep::All, false)?;
    machine.healthy_as("4.0.1", BOOT)?;
    reads(&machine, &path)?;

    let bad = justnews("4.0.2", &NO_ANALYST)?;
    machine.upgrade(&shelf.publish(&bad)?, UpgradeStep::All, false)?;
    machine.healthy_as("4.0.1", 2 * BOOT)?;
    reads(&machine, &path)?;
    quarantined(&machine.status()?, &bad)?;
    let reports = machine.reports()?;
    let report = report_of(&reports, "4.0.2")?;
    let reason = report.reason.as_deref().unwrap_or_default();
    ensure!(
        report.outcome == "gate-failed" && reason.contains("justnews@analyst"),
        "the report does not name the agent: {report:#?}"
    );
    let boots: Vec<_> = machine.story.boots.iter().map(|boot| boot.line()).collect();
    let expected = [
        "a: justnews_4.0.0+2-1.efi: healthy",
        "b: justnews_4.0.0.efi justnews_4.0.1+2-1.efi: healthy",
        "a: justnews_4.0.1.efi justnews_4.0.2+2-1.efi: gate failed",
        "b: justnews_4.0.1.efi justnews_4.0.2+0-1.efi: healthy",
    ];
    ensure!(boots == expected, "{boots:#?}\n{}", machine.story.tail());
    machine.power_off()
}

/// Posts an article; returns where it is.
fn post(machine: &Machine) -> Result<String> {
    let (code, body) = machine.http("POST", "/articles", ARTICLE)?;
    ensure!(code == 200, "POST /articles: {code} {body}");
    let posted: Value = serde_json::from_str(&body)?;
    Ok(format!("/articles/{}", posted["id"]))
}

/// The article must be there, with its summary.
fn reads(machine: &Machine, path: &str) -> Result<()> {
    let (code, body) = machine.http("GET", path, "")?;
    ensure!(code == 200, "GET {path}: {code} {body}");
    let found: Value = serde_json::from_str(&body)?;
    let summary = found["summary"].as_str().unwrap_or_default();
    ensure!(summary.contains("harbour"), "{body}");
    Ok(())
}
