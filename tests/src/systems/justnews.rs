//! JustNews: an article in, a summary out.

use anyhow::{Context, Result, ensure};
use bedplate_contract::backup::BackupStep;
use serde_json::Value;

use super::{Figures, Stage};

const BUS: &str = "justnews@mcp_bus";
const ANALYST: &str = "justnews@analyst";
const BACKUP: &str = "justnews";

const LATER: &str =
    r#"{"url": "https://example.com/2", "title": "Bridge", "text": "The bridge opens in May."}"#;
const ARTICLE: &str = r#"{"url": "https://example.com/1", "title": "Harbour plan",
  "text": "The city council voted on the harbour plan. According to the mayor, the harbour plan costs 40 million euros. It rained."}"#;

/// An article becomes a summary; a backup brings it back as it was; a killed agent comes back; while PostgreSQL is away the agents are
/// unready and none is killed; all of it is there after a reboot.
pub(super) fn play(profile: &str) -> Result<Figures> {
    let stage = Stage::boot("images/justnews", profile, 2048, 80)?;
    check_services(&stage)?;
    let posted = stage.ask("POST", "/articles", ARTICLE)?;
    let summary = posted["summary"].as_str().unwrap_or_default();
    ensure!(summary.contains("harbour"), "{posted}");
    let path = format!("/articles/{}", posted["id"]);

    restores_a_backup(&stage, &path, &posted)?;
    stage.comes_back(ANALYST)?;
    loses_its_database(&stage)?;
    reads(&stage, &path, &posted)?;

    let stage = stage.reboot()?;
    reads(&stage, &path, &posted)?;
    stage.end()
}

fn reads(stage: &Stage, path: &str, posted: &Value) -> Result<()> {
    let found = stage.ask("GET", path, "")?;
    ensure!(found["summary"] == posted["summary"], "{found}");
    Ok(())
}

/// What came after the backup is gone, what was there before is there.
fn restores_a_backup(stage: &Stage, path: &str, posted: &Value) -> Result<()> {
    stage.backup(BACKUP, BackupStep::Create)?;
    stage.backup(BACKUP, BackupStep::Verify)?;
    let later = stage.ask("POST", "/articles", LATER)?;
    stage.backup(BACKUP, BackupStep::Restore)?;
    // The agents were stopped meanwhile, and the front door with them.
    for name in [BUS, ANALYST, "nginx"] {
        stage.until(name, |service| service.state == "ready")?;
    }
    reads(stage, path, posted)?;
    let path = format!("/articles/{}", later["id"]);
    let (code, answer) = stage.machine.http("GET", &path, "")?;
    ensure!(code == 404, "GET {path}: {code} {answer}");
    Ok(())
}

/// Without PostgreSQL the bus says 503 and is left alone: it is not its fault.
fn loses_its_database(stage: &Stage) -> Result<()> {
    stage.comes_back("postgres")?;
    let before = stage.service(BUS)?;
    stage.stop("postgres")?;
    stage.until(BUS, |service| service.state == "unready")?;
    let because = stage.service(BUS)?.because;
    ensure!(because.is_some(), "nothing says why the bus is not ready");
    stage.start("postgres")?;
    stage.until(BUS, |service| service.state == "ready")?;
    let after = stage.service(BUS)?;
    ensure!(after.pid == before.pid, "{after:?} was restarted");
    Ok(())
}

fn check_services(stage: &Stage) -> Result<()> {
    let status = stage.machine.status()?;
    let entry = status.entry.as_deref();
    ensure!(entry == Some("justnews_4.0.0.efi"), "{entry:?}");
    for name in [
        "postgres",
        "redis",
        "nginx",
        "node-exporter",
        "justnews@mcp_bus",
    ] {
        let service = status.services.iter().find(|service| service.name == name);
        let service = service.with_context(|| format!("no service {name}"))?;
        ensure!(service.state == "ready", "{name} is {}", service.state);
    }
    // The gate has passed, so a request went through the front door.
    let checks = stage.service("nginx")?.checks;
    let through = checks.iter().find(|check| check.name == "front-door");
    ensure!(
        through.and_then(|check| check.good) == Some(true),
        "{checks:?}"
    );
    Ok(())
}
