//! Replies that the tests of this module render.

use bedplate_contract::{
    Digest,
    control::{BootReport, BootState, PhaseTime, ServiceStatus, SlotState, SlotStatus, Status},
    meta::Quarantined,
};

fn slot(slot: &str, root: u8, entry: &str, version: &str, state: SlotState) -> SlotStatus {
    SlotStatus {
        slot: slot.to_owned(),
        active: version == "4.0.1",
        root_hash: Some(Digest::from_bytes([root; 32])),
        entry: Some(entry.to_owned()),
        version: Some(version.to_owned()),
        state,
    }
}

/// The running version in a, another staged in b.
fn staged() -> Vec<SlotStatus> {
    vec![
        slot("a", 1, "justnews_4.0.1.efi", "4.0.1", SlotState::Blessed),
        slot("b", 2, "justnews_4.0.2+3.efi", "4.0.2", SlotState::Trial),
    ]
}

/// The running version in b, bad; nothing in a.
fn alone() -> Vec<SlotStatus> {
    let empty = SlotStatus {
        slot: "a".to_owned(),
        active: false,
        root_hash: None,
        entry: None,
        version: None,
        state: SlotState::Empty,
    };
    let bad = slot("b", 1, "justnews_4.0.1+0-3.efi", "4.0.1", SlotState::Bad);
    vec![empty, bad]
}

/// One ready, one waiting, one optional service.
pub fn services() -> Vec<ServiceStatus> {
    let ready = |name: &str, pid| ServiceStatus {
        name: name.to_owned(),
        state: "ready".to_owned(),
        essential: true,
        pid: Some(pid),
        restarts: 0,
        because: None,
        schedule: None,
        checks: Vec::new(),
    };
    let waiting = ServiceStatus {
        name: "mcp_bus".to_owned(),
        state: "waiting".to_owned(),
        essential: true,
        pid: None,
        restarts: 3,
        because: Some("waiting for postgres because it is not ready".to_owned()),
        schedule: None,
        checks: Vec::new(),
    };
    let optional = ServiceStatus {
        essential: false,
        ..ready("exporter", 215)
    };
    vec![ready("postgres", 212), waiting, optional]
}

fn phase(phase: &str, ms: u64, error: Option<&str>) -> PhaseTime {
    PhaseTime {
        phase: phase.to_owned(),
        ms,
        error: error.map(str::to_owned),
    }
}

/// Slot a, blessed, one service.
pub fn healthy() -> Status {
    Status {
        name: "justnews".to_owned(),
        version: "4.0.1".to_owned(),
        profile: "min".to_owned(),
        slot: Some("a".to_owned()),
        entry: Some("justnews_4.0.1.efi".to_owned()),
        slots: staged(),
        quarantine: vec![],
        boot: BootState::Healthy,
        reason: None,
        uptime_ms: 3_725_000,
        init_rss_kib: 2987,
        address: Some("10.0.2.15/24".to_owned()),
        warnings: vec![],
        services: services().into_iter().take(1).collect(),
        phases: vec![phase("mounts", 12, None), phase("state", 1834, None)],
    }
}

/// Slot b, bad, with all that can go wrong.
pub fn degraded() -> Status {
    Status {
        slot: Some("b".to_owned()),
        slots: alone(),
        quarantine: vec![Quarantined {
            root: Digest::from_bytes([2; 32]),
            version: "4.0.2".to_owned(),
        }],
        entry: Some("justnews_4.0.1+0-3.efi".to_owned()),
        boot: BootState::Degraded,
        reason: Some("not ready: web within 300 s".to_owned()),
        address: None,
        warnings: vec![
            "expected 16384 MiB of memory, found 3900".to_owned(),
            "expected 100 GiB of disk, found 20".to_owned(),
        ],
        services: services(),
        phases: failed_phases(),
        ..healthy()
    }
}

fn failed_phases() -> Vec<PhaseTime> {
    vec![
        phase("mounts", 12, None),
        phase("network", 30_000, Some("found no lease")),
    ]
}

/// A bad boot and the good one before it.
pub fn reports() -> Vec<BootReport> {
    let good = BootReport {
        version: "4.0.1".to_owned(),
        entry: "justnews_4.0.1.efi".to_owned(),
        root_hash: "0123456789abcdef".repeat(4),
        outcome: "blessed".to_owned(),
        reason: None,
        ms: 21_400,
        services: vec![],
        phases: vec![phase("mounts", 12, None)],
    };
    let bad = BootReport {
        version: "4.0.2".to_owned(),
        entry: "justnews_4.0.2+0-3.efi".to_owned(),
        outcome: "gate-failed".to_owned(),
        reason: Some("mcp_bus was not ready within 180 s".to_owned()),
        ms: 180_004,
        services: services().into_iter().skip(1).take(1).collect(),
        phases: failed_phases(),
        ..good.clone()
    };
    vec![bad, good]
}
