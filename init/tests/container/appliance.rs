//! Appliances to be run, in few words.

use std::collections::BTreeMap;

use bedplate_contract::{
    Appliance, SchemaVersion,
    appliance::{Gate, Log, Network, NetworkMode},
    service::{Check, Kind, Limits, Probe, Restart, RestartWhen, Service, Stop},
};

/// An appliance of these services, whose gate needs them for 300 ms within 20 s.
pub fn appliance(services: Vec<Service>) -> Appliance {
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
            deadline_ms: 20_000,
            stable_for_ms: 300,
            ..Gate::default()
        },
        log: Log {
            max_bytes: 1 << 20,
            keep: 1,
            lines_per_second: 1000,
        },
        watchdog_ms: 0,
    }
}

/// A daemon that is ready once started and is restarted twice, quickly.
pub fn service(name: &str, run: &[&str]) -> Service {
    Service {
        name: name.to_owned(),
        kind: Kind::Daemon,
        schedule: None,
        run: run.iter().map(|word| (*word).to_owned()).collect(),
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
            delay_ms: 50,
            max_delay_ms: 400,
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
            timeout_ms: 1000,
        },
    }
}

/// A shell script as a service.
pub fn script(name: &str, text: &str) -> Service {
    service(name, &["/usr/bin/sh", "-c", text])
}

/// A probe that asks every 100 ms and believes each answer.
pub fn probe(check: Check) -> Probe {
    Probe {
        check,
        delay_ms: 0,
        period_ms: 100,
        timeout_ms: 1000,
        success_threshold: 1,
        failure_threshold: 1,
    }
}

/// `GET /health` on `port`.
pub fn http(port: u16) -> Check {
    Check::Http {
        address: "127.0.0.1".to_owned(),
        port,
        path: "/health".to_owned(),
    }
}
