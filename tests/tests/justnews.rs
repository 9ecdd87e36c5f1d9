//! The JustNews stack as its users meet it: an article in through the front door, a summary out,
//! and all of it there after a reboot.

use std::time::Duration;

use anyhow::{Context, Result, ensure};
use bedplate_contract::control::BootState;
use bedplate_tests::{machine::Machine, vm::Vm};
use serde_json::Value;

/// A boot takes about a minute alone; here it may share two cores with another machine.
const BOOT: Duration = Duration::from_secs(600);

const ARTICLE: &str = r#"{"url": "https://example.com/1", "title": "Harbour plan",
  "text": "The city council voted on the harbour plan. According to the mayor, the harbour plan costs 40 million euros. It rained."}"#;

#[test]
fn an_article_becomes_a_summary_and_survives_a_reboot() -> Result<()> {
    let vm = Vm::new("images/justnews")?;
    let machine = Machine::healthy(&vm, 80, BOOT)?;
    check_services(&machine)?;
    let (code, body) = machine.http("POST", "/articles", ARTICLE)?;
    ensure!(code == 200, "POST /articles: {code} {body}");
    let posted: Value = serde_json::from_str(&body)?;
    ensure!(
        posted["summary"]
            .as_str()
            .is_some_and(|s| s.contains("harbour")),
        "{body}"
    );
    let path = format!("/articles/{}", posted["id"]);
    machine.power_off()?;

    let machine = Machine::healthy(&vm, 80, BOOT)?;
    let (code, body) = machine.http("GET", &path, "")?;
    ensure!(code == 200, "GET {path}: {code} {body}");
    let found: Value = serde_json::from_str(&body)?;
    ensure!(found["summary"] == posted["summary"], "{body}");
    machine.power_off()
}

fn check_services(machine: &Machine) -> Result<()> {
    let status = machine.status()?;
    ensure!(status.boot == BootState::Healthy, "{:?}", status.boot);
    ensure!(
        status.entry.as_deref() == Some("justnews_4.0.0.efi"),
        "{:?}",
        status.entry
    );
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
    // The aim for PID 1 with ten services is 4 MiB; here there are more.
    println!(
        "init: {} KiB resident, {} services",
        status.init_rss_kib,
        status.services.len()
    );
    Ok(())
}
