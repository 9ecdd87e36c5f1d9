//! When a boot is good, and when it is so no more.

use std::fs;

use anyhow::{Result, ensure};
use bedplate_contract::{
    appliance::OnFailure,
    control::{BootState, Reply, Request},
    event::{Event, name},
    service::{Check, NamedCheck},
};

use crate::{
    appliance::{appliance, probe, script},
    root::Container,
};

pub fn probe_words() -> Result<()> {
    let mut late = script("late", "while :; do sleep 1; done");
    let words = "head -c 100000 /dev/zero; echo; echo no database >&2; exit 3";
    late.ready = Some(probe(Check::Exec {
        run: ["/usr/bin/sh", "-c", words].map(str::to_owned).into(),
    }));
    let mut above = script("above", "while :; do sleep 1; done");
    above.requires = vec!["late".to_owned()];
    let mut appliance = appliance(vec![late, above]);
    appliance.gate.deadline_ms = 3000;
    let container = Container::start(&appliance)?;
    let failed = container.wait_for(name::GATE_FAILED)?;
    let reason = failed.field("reason").unwrap_or_default();
    let expected =
        "not ready: late, above within 3 s; late: ready probe: exit status 3: no database";
    ensure!(reason == expected, "{reason}");
    Ok(())
}

pub fn gate_check() -> Result<()> {
    let mut data = script("data", "while :; do sleep 1; done");
    let check = |name: &str, words: &str, gate| NamedCheck {
        name: name.to_owned(),
        probe: probe(Check::Exec {
            run: ["/usr/bin/sh", "-c", words].map(str::to_owned).into(),
        }),
        gate,
    };
    data.checks = vec![
        check(
            "tables",
            "test -e /tmp/tables || { echo no tables; exit 1; }",
            true,
        ),
        check("lag", "exit 3", false),
    ];
    let container = Container::start(&appliance(vec![data]))?;
    // Both are asked at once, and answer in whatever order.
    let of_tables =
        |event: &&Event| event.name == name::CHECK_FAILED && event.field("check") == Some("tables");
    let failed = container.wait("the check", |events| events.iter().find(of_tables).cloned())?;
    ensure!(
        failed.field("reason") == Some("exit status 1: no tables"),
        "{failed}"
    );
    ensure!(container.service("data")?.state == "ready");
    ensure!(container.status()?.boot == BootState::Gating);
    fs::write(container.path("/tmp/tables"), "")?;
    container.wait_for(name::HEALTHY)?;
    let checks = container.service("data")?.checks;
    let good: Vec<_> = checks.iter().map(|check| check.good).collect();
    ensure!(good == [Some(true), Some(false)], "{checks:?}");
    Ok(())
}

/// A machine that is healthy until its service is told to fall ill.
fn falls_ill(on_failure: OnFailure) -> Result<Container> {
    let words = "while test ! -e /tmp/ill; do sleep 0.1; done; echo no more >&2; exit 7";
    let mut data = script("data", words);
    data.restart.budget = 1;
    let mut appliance = appliance(vec![data]);
    appliance.gate.on_failure = on_failure;
    let container = Container::start(&appliance)?;
    container.wait_for(name::HEALTHY)?;
    fs::write(container.path("/tmp/ill"), "")?;
    let failing = container.wait_for(name::FAILING)?;
    ensure!(failing.field("services") == Some("data"), "{failing}");
    Ok(container)
}

pub fn failing() -> Result<()> {
    let container = falls_ill(OnFailure::Stay)?;
    let status = container.status()?;
    ensure!(status.boot == BootState::Failing, "{status:?}");
    let reason = status.reason.unwrap_or_default();
    ensure!(reason.starts_with("service `data` failed: "), "{reason}");
    fs::remove_file(container.path("/tmp/ill"))?;
    let service = "data".to_owned();
    ensure!(container.ask(&Request::Start { service })? == Reply::Done);
    container.wait_for(name::RECOVERED)?;
    ensure!(container.status()?.boot == BootState::Healthy);
    // An engine that restarts what ends with a failure starts it again.
    let mut container = falls_ill(OnFailure::Restart { attempts: 1 })?;
    ensure!(container.finish()?.code() == Some(1));
    Ok(())
}
