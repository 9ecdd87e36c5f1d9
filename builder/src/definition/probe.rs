//! `startup`, `ready`, `live` and `[[service.check]]`: one question, and how often.
//!
//! Fields and meaning are those of a Kubernetes probe; the defaults suit a machine that boots
//! (ask every 2 s, wait 5 s) rather than a cluster (10 s and 1 s).

use std::net::IpAddr;

use bedplate_contract::{
    gpu_check::{self, GpuCheck},
    layout,
    service::{Check, NamedCheck, Probe},
};

use super::{content, decode::Table, image::address, model::Service, name, source::At, unit};

/// What a probe is for; its defaults differ.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Purpose {
    /// Holds the others back.
    Startup,
    /// Lets dependants start.
    Ready,
    /// Kills.
    Live,
    /// Is told, and may hold the gate.
    Check,
}

impl Purpose {
    fn key(self) -> &'static str {
        match self {
            Self::Startup => "startup",
            Self::Ready => "ready",
            Self::Live => "live",
            Self::Check => "check",
        }
    }

    /// What a probe kills or takes out is asked often; a check may be dear, and is only told.
    fn period_ms(self) -> u64 {
        match self {
            Self::Startup | Self::Ready | Self::Live => 2_000,
            Self::Check => 60_000,
        }
    }

    /// A minute to start up; three failures in a row otherwise; a check is told at once.
    fn failure_threshold(self) -> u32 {
        match self {
            Self::Startup => 30,
            Self::Ready | Self::Live => 3,
            Self::Check => 1,
        }
    }
}

/// Reads the probe of `table` for `purpose`; adds the port it asks to `ports`.
pub(super) fn read(table: &Table<'_>, purpose: Purpose, ports: &mut Vec<At<u16>>) -> Option<Probe> {
    let in_image = !table.is_absent("oci");
    let probe = table.table(purpose.key())?;
    Some(probe.decode(|table| fields(table, (purpose, in_image), ports)))
}

/// `[[service.check]]` of `service`; whose port they ask is no matter.
pub(super) fn checks(service: &Table<'_>) -> Vec<NamedCheck> {
    let in_image = !service.is_absent("oci");
    let mut names = Vec::new();
    let mut read = |table: &Table<'_>| {
        let name = table.required("name", name::service);
        content::check_unique(table.problems(), "check", &name, &mut names);
        NamedCheck {
            name: name.value,
            probe: fields(table, (Purpose::Check, in_image), &mut Vec::new()),
            gate: table.boolean("gate").unwrap_or(false),
        }
    };
    let tables = service.tables("check").into_iter();
    tables.map(|table| table.decode(&mut read)).collect()
}

/// The probe of `table` itself.
fn fields(
    table: &Table<'_>,
    (purpose, in_image): (Purpose, bool),
    ports: &mut Vec<At<u16>>,
) -> Probe {
    if in_image && !table.is_absent("gpu") {
        let label = "the root of an image has no `gpu-probe`";
        table.fail("a `gpu` of a service of an image", label);
    }
    let check = read_check(table, ports);
    let time = |key, default| {
        let period = table.parsed(key, unit::duration_ms);
        period.map_or(default, |found| found.value)
    };
    let probe = Probe {
        // The stand-in is never seen: its absence is a problem.
        check: check.unwrap_or(Check::Exec { run: Vec::new() }),
        delay_ms: time("delay", 0),
        period_ms: time("period", purpose.period_ms()),
        timeout_ms: time("timeout", 5_000),
        success_threshold: count(table, "success_threshold").unwrap_or(1),
        failure_threshold: count(table, "failure_threshold").unwrap_or(purpose.failure_threshold()),
    };
    check_figures(table, purpose, &probe);
    probe
}

fn count(table: &Table<'_>, key: &'static str) -> Option<u32> {
    table.integer(key, 1..1 << 20).map(|count| count.value)
}

fn check_figures(table: &Table<'_>, purpose: Purpose, probe: &Probe) {
    if probe.period_ms < 100 {
        table.fail("too short a `period`", "expected at least `100ms`");
    }
    if probe.timeout_ms == 0 {
        table.fail("too short a `timeout`", "expected more than zero");
    }
    let is_killer = matches!(purpose, Purpose::Startup | Purpose::Live);
    if is_killer && probe.success_threshold != 1 {
        table.fail(
            "wrong `success_threshold`",
            "must be 1 for `startup` and `live`",
        );
    }
}

fn read_check(table: &Table<'_>, ports: &mut Vec<At<u16>>) -> Option<Check> {
    let http = read_http(table, ports);
    let tcp = read_tcp(table, ports);
    let exec = read_exec(table);
    let gpu = read_gpu(table);
    let mut found = [http, tcp, exec, gpu].into_iter().flatten();
    match (found.next(), found.next()) {
        (Some(check), None) => Some(check),
        _ => {
            table.fail(
                "not one question",
                "needs one of `http`, `tcp`, `exec`, `gpu`",
            );
            None
        }
    }
}

/// `http` of `table`.
pub(super) fn read_http(table: &Table<'_>, ports: &mut Vec<At<u16>>) -> Option<Check> {
    let read = |table: &Table<'_>| {
        let (address, port) = endpoint(table, ports);
        Check::Http {
            address,
            port,
            path: url_path(table).unwrap_or_else(|| "/".to_owned()),
        }
    };
    table.table("http").map(|table| table.decode(read))
}

/// `tcp` of `table`.
pub(super) fn read_tcp(table: &Table<'_>, ports: &mut Vec<At<u16>>) -> Option<Check> {
    let read = |table: &Table<'_>| {
        let (address, port) = endpoint(table, ports);
        Check::Tcp { address, port }
    };
    table.table("tcp").map(|table| table.decode(read))
}

fn read_exec(table: &Table<'_>) -> Option<Check> {
    let run = command(table, "exec")?;
    Some(Check::Exec { run })
}

/// `gpu` of `table`: a program of the appliance that asks the driver, and is killed past the timeout.
fn read_gpu(table: &Table<'_>) -> Option<Check> {
    let check = table.table("gpu")?.decode(|table| GpuCheck {
        devices: devices(table),
        count: table.integer("count", 1..256).map(|n| n.value),
        memory_mib: table.parsed("memory", unit::size_mib).map(|n| n.value),
        temperature_c: table.integer("temperature", 1..151).map(|n| n.value),
        driver: table.parsed("driver", driver).map(|text| text.value),
    });
    let program = [layout::GPU_PROBE.to_owned()].into_iter();
    let run = program.chain(check.words()).collect();
    Some(Check::Exec { run })
}

/// Whether a probe of `service` asks the driver, as the service's user.
pub(super) fn ask_gpu(service: &Service) -> bool {
    let probes = [&service.startup, &service.ready, &service.live];
    let named = service.checks.iter().map(|check| &check.probe);
    let probes = probes.into_iter().flatten().chain(named);
    let mut checks = probes.map(|probe| &probe.check);
    checks.any(|check| match check {
        Check::Exec { run } => run
            .first()
            .is_some_and(|program| program == layout::GPU_PROBE),
        _ => false,
    })
}

fn devices(table: &Table<'_>) -> Vec<u32> {
    let devices = table.integers("devices", 0..256).into_iter();
    devices.map(|index| index.value).collect()
}

fn driver(text: &str) -> Result<String, String> {
    match gpu_check::version(text) {
        Some(_) => Ok(text.to_owned()),
        None => Err("expected a version of the driver such as `550` or `550.163.01`".to_owned()),
    }
}

/// Numeric address (loopback by default) and port; a port of this machine is added to `ports`.
pub(super) fn endpoint(table: &Table<'_>, ports: &mut Vec<At<u16>>) -> (String, u16) {
    table.require("port");
    let port = table.integer("port", 1..65_536);
    let number = port.as_ref().map_or(0, |port| port.value);
    let host = table.parsed("address", address);
    let host = host.map_or_else(|| "127.0.0.1".to_owned(), |host| host.value);
    let local = host.parse::<IpAddr>().is_ok_and(|ip| ip.is_loopback());
    ports.extend(port.filter(|_| local));
    (host, number)
}

/// `path` of an endpoint.
pub(super) fn url_path(table: &Table<'_>) -> Option<String> {
    let check = |text: &str| match text.starts_with('/') && !text.contains([' ', '\r', '\n']) {
        true => Ok(text.to_owned()),
        false => Err("expected a path that begins with `/` and has no space".to_owned()),
    };
    table.parsed("path", check).map(|path| path.value)
}

/// Program and arguments; the program is absolute, for there is no shell and no `PATH`.
pub(super) fn command(table: &Table<'_>, key: &'static str) -> Option<Vec<String>> {
    let words = table.strings(key);
    let program = words.first()?;
    let title = format!("`{key}` begins with no program");
    table
        .problems()
        .keep(program, &title, name::absolute(&program.value));
    Some(words.into_iter().map(|word| word.value).collect())
}
