//! Appliances for tests.

use std::collections::BTreeMap;

use bedplate_contract::{
    Appliance, SchemaVersion,
    appliance::{Gate, Log, Network, NetworkMode},
    service::{Check, Condition, Kind, Limits, Probe, Restart, RestartWhen, Service, Stop, Wait},
};

/// An essential daemon without probes: two restarts a minute, half a second to stop.
pub(crate) fn service(name: &str) -> Service {
    Service {
        name: name.to_owned(),
        kind: Kind::Daemon,
        schedule: None,
        run: vec!["/bin/true".to_owned()],
        uid: 1000,
        gid: 1000,
        groups: Vec::new(),
        environment: BTreeMap::new(),
        secret_environment: BTreeMap::new(),
        secrets: Vec::new(),
        working_directory: "/".to_owned(),
        root: None,
        mounts: Vec::new(),
        runtime_directories: Vec::new(),
        config: Vec::new(),
        private_tmp_bytes: None,
        gpu: false,
        devices: Vec::new(),
        capabilities: Vec::new(),
        sandbox: Vec::new(),
        network: Default::default(),
        wait: Vec::new(),
        requires: Vec::new(),
        after: Vec::new(),
        essential: true,
        restart: Restart {
            when: RestartWhen::Always,
            delay_ms: 1000,
            max_delay_ms: 10_000,
            budget: 2,
            window_ms: 60_000,
        },
        startup: None,
        ready: None,
        live: None,
        checks: Vec::new(),
        limits: Limits::default(),
        stop: Stop {
            http: None,
            signal: 15,
            timeout_ms: 500,
        },
    }
}

/// Asks every second; two successes are good, two failures bad.
pub(crate) fn probe() -> Probe {
    Probe {
        check: Check::Tcp {
            address: "127.0.0.1".to_owned(),
            port: 1,
        },
        delay_ms: 0,
        period_ms: 1000,
        timeout_ms: 500,
        success_threshold: 2,
        failure_threshold: 2,
    }
}

/// Asks every second whether somebody listens.
pub(crate) fn wait() -> Wait {
    Wait {
        condition: Condition::Check(probe().check),
        period_ms: 1000,
        timeout_ms: 500,
    }
}

/// An appliance with a gate of five stable seconds within a minute.
pub(crate) fn appliance(services: Vec<Service>) -> Appliance {
    Appliance {
        schema: SchemaVersion,
        name: "test".to_owned(),
        version: "1".to_owned(),
        profile: "min".to_owned(),
        built_ms: 0,
        requirements: Vec::new(),
        sysctl: BTreeMap::new(),
        hugepages: 0,
        network: Network {
            hostname: "test".to_owned(),
            mode: NetworkMode::None,
        },
        firewall: false,
        volumes: Vec::new(),
        secrets: Vec::new(),
        services,
        backups: Vec::new(),
        gate: Gate {
            deadline_ms: 60_000,
            stable_for_ms: 5000,
            ..Gate::default()
        },
        log: Log {
            max_bytes: 1 << 20,
            keep: 1,
            lines_per_second: 100,
        },
        watchdog_ms: 0,
    }
}
