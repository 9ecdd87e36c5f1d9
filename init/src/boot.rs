//! The boot story of PID 1 in the root, in the order of DESIGN 5.
//!
//! Every phase before the services is bounded in time and survivable: the loop that follows makes
//! the machine reachable, whatever they left undone.

use std::{collections::BTreeMap, convert::Infallible, fs, io, path::Path, rc::Rc, time::Duration};

use bedplate_contract::{
    Appliance, Digest, SchemaVersion,
    appliance::{self, Enforce, Gate, NetworkMode, OnFailure},
    control::BootReport,
    layout,
    meta::Outcome,
};
use bedplate_sys::{
    clock,
    reboot::{self, Down},
    signal::Signals,
};

use crate::{
    attend::attend,
    cgroup::Cgroups,
    console,
    decide::{Entry, Facts, How, ROW_MS, State},
    disk::{self, Source},
    firewall, gpu,
    graph::{self, CycleError},
    ground::Ground,
    hardware::Hardware,
    host::Linux,
    identity,
    meta::Meta,
    modules, mounts,
    network::Network,
    provision, secrets, shutdown,
    state::{self, Kind, StateError},
    story::{Failures, Story},
    supervise::{Place, Supervisor},
    tuning, volumes,
    wall::{self, Floor},
    watchdog,
};

/// Event of a promise that the hardware does not keep: `expected`, `found`, `enforce`.
const BROKEN: &str = "hardware.broken";

/// For how long the services wait for an address; probes and clients cope with a later one.
const NETWORK: Duration = Duration::from_secs(15);

/// There is no appliance to run.
#[derive(Debug, thiserror::Error)]
enum ApplianceError {
    /// The document cannot be read.
    #[error("reading `{}`", layout::APPLIANCE)]
    Read(#[source] io::Error),
    /// It is not what this version of `init` knows.
    #[error("parsing `{}`", layout::APPLIANCE)]
    Parse(#[source] serde_json::Error),
    /// Its services can never start.
    #[error("ordering the services")]
    Order(#[source] CycleError),
}

/// Runs the appliance until it ends; returns the exit status of a container.
pub fn run() -> Result<u8, io::Error> {
    let born = clock::since_boot_ms();
    let signals = Signals::block()?;
    let place = place();
    if place == Place::Container {
        console::fall_back_to_stdout();
    }
    let mut story = Story::default();
    let read = story.phase("appliance", read_appliance);
    let appliance = Rc::new(read.unwrap_or_else(nothing));
    let mut ground = Ground::default();
    let mut facts = match place {
        Place::Machine => prepare_machine(&appliance, &mut ground, &mut story),
        Place::Container => Facts::default(),
    };
    let disk = ground.source.as_ref().map(|source| source.disk.as_str());
    prepare_data(&appliance, (place, disk), (&mut facts, &mut story));
    facts.faults.extend(faults(&story));
    let cgroups = story.phase("cgroups", Cgroups::open);
    ground.phases = story.into_phases();
    let seed = identity::bytes().map_or(born, u64::from_le_bytes);
    let state = State::new(Rc::clone(&appliance), born, seed);
    let host = Linux::new(Rc::clone(&appliance), ground, cgroups);
    let (how, host) = Supervisor::new(state, host, signals, place).run(facts);
    let disk = host
        .ground
        .source
        .as_ref()
        .map(|source| source.disk.clone());
    if place == Place::Machine {
        // A dead disk is told of by what follows.
        let built_ms = appliance.built_ms;
        let _ = attend(disk.as_deref(), move || wall::keep(built_ms));
    }
    // Closed before the state partition is unmounted: logs and meta live until here.
    drop(host);
    match how {
        How::Reboot => shutdown::end(Down::Reboot, &appliance.volumes, disk.as_deref()),
        How::Poweroff => shutdown::end(Down::Poweroff, &appliance.volumes, disk.as_deref()),
        How::Exit(status) => {
            shutdown::end_processes();
            Ok(status)
        }
    }
}

/// A container has no record of stage 1; a machine always has one.
pub fn place() -> Place {
    if fs::exists(disk::SOURCE).unwrap_or(false) {
        Place::Machine
    } else {
        Place::Container
    }
}

fn read_appliance() -> Result<Appliance, ApplianceError> {
    let text = fs::read_to_string(layout::APPLIANCE).map_err(ApplianceError::Read)?;
    let appliance = Appliance::parse(&text).map_err(ApplianceError::Parse)?;
    graph::check(&appliance.services).map_err(ApplianceError::Order)?;
    Ok(appliance)
}

/// Stands in for an appliance that cannot be read: it runs nothing and stays reachable.
fn nothing() -> Appliance {
    Appliance {
        schema: SchemaVersion,
        name: "unknown".to_owned(),
        version: "0".to_owned(),
        profile: "unknown".to_owned(),
        built_ms: 0,
        requirements: Vec::new(),
        sysctl: BTreeMap::new(),
        hugepages: 0,
        network: appliance::Network {
            hostname: "unknown".to_owned(),
            mode: NetworkMode::Dhcp,
        },
        firewall: false,
        volumes: Vec::new(),
        secrets: Vec::new(),
        services: Vec::new(),
        backups: Vec::new(),
        gate: Gate::default(),
        log: appliance::Log {
            max_bytes: 0,
            keep: 0,
            lines_per_second: 0,
        },
        watchdog_ms: 0,
    }
}

/// Mounts, modules, record, state, hardware, kernel, network.
fn prepare_machine(appliance: &Appliance, ground: &mut Ground, story: &mut Story) -> Facts {
    story.phase("mounts", mounts::mount_essentials);
    raise_clock(Floor::Built(appliance.built_ms), ground, story);
    story.phase("keys", reboot::tame_ctrl_alt_del);
    story.phase("modules", || modules::load_listed(layout::ROOT_MODULES));
    if gpu::is_there() {
        story.phase("gpu", || gpu::make_nodes(Path::new("/dev")));
    }
    // Stage 1 left it ticking with a time of its own.
    story.phase("watchdog", || watchdog::arm(seconds(appliance.watchdog_ms)));
    ground.source = story.phase("slot", Source::load);
    let mut facts = Facts {
        entry: Entry::Trial,
        ..Facts::default()
    };
    if let Some(source) = ground.source.clone() {
        // Stage 1 has counted this boot.
        ground.meta = story.phase("meta", || open_meta(&source));
        let entered = story.phase("entry", || ground.enter(appliance).map_err(Failures::text));
        facts = entered.unwrap_or(facts);
        story.phase("state", || open_state(&source.disk, ground));
        raise_clock(Floor::Kept, ground, story);
    }
    ground.warnings.extend(wall::ahead(appliance.built_ms));
    check_hardware(appliance, ground, (&mut facts, story));
    story.phase("sysctl", || {
        tuning::set_sysctl(&appliance.sysctl).map_err(Failures::of)
    });
    story.phase("hugepages", || {
        tuning::reserve_hugepages(appliance.hugepages)
    });
    story.phase("hostname", || {
        tuning::set_hostname(&appliance.network.hostname)
    });
    let network = reachable(appliance, story);
    ground.network = story.phase("network", || Network::start(&network, clock::since_boot()));
    if let Some(network) = &mut ground.network {
        story.phase("address", || network.wait(NETWORK));
        facts.addressed = network.is_settled();
    }
    // Two MiB of reports, for those alone that ask for it.
    let restarts_count = matches!(appliance.gate.on_failure, OnFailure::Restart { .. });
    if let (true, Some(meta), Some(root)) = (restarts_count, &ground.meta, ground.root()) {
        facts.restarts = restarts(meta, root);
    }
    facts
}

fn raise_clock(floor: Floor, ground: &mut Ground, story: &mut Story) {
    let raised = story.phase("clock", || wall::raise(floor).map_err(Failures::text));
    ground.warnings.extend(raised.flatten());
}

/// The network that the machine may have: with rules that did not load, itself alone.
///
/// The rules are there before any address is; a machine without them would be open to everybody, and
/// console and control port reach it all the same.
fn reachable(appliance: &Appliance, story: &mut Story) -> appliance::Network {
    let network = appliance.network.clone();
    if !appliance.firewall || story.phase("firewall", firewall::load).is_some() {
        return network;
    }
    let mode = NetworkMode::None;
    appliance::Network { mode, ..network }
}

/// Machine id, secrets, volumes.
fn prepare_data(
    appliance: &Appliance,
    (place, disk): (Place, Option<&str>),
    (facts, story): (&mut Facts, &mut Story),
) {
    story.phase("machine-id", secrets::ensure_machine_id);
    // A container's engine puts them where they are kept.
    if place == Place::Machine && provision::is_needed(&appliance.secrets) {
        story.phase("provision", || provision::take(&appliance.secrets, disk));
    }
    if let Some(missing) = story.phase("secrets", || secrets::ensure(&appliance.secrets)) {
        facts.missing_secrets.extend(missing);
    }
    // A container's volumes are mounted by whoever runs it.
    if place == Place::Machine {
        story.phase("volumes", || {
            volumes::mount_all(&appliance.volumes).map_err(Failures::of)
        });
    }
}

/// Phases without which the version is not good, however well its services are.
fn faults(story: &Story) -> Vec<String> {
    let phases = ["appliance", "state", "firewall", "secrets", "volumes"];
    let failures = phases.into_iter().filter_map(|phase| {
        let error = story.failure(phase)?;
        Some(format!("phase `{phase}` failed: {error}"))
    });
    failures.collect()
}

/// Boots of `root` in a row that a failing service ended, as the reports have it.
///
/// Each was blessed before it failed. Reports that cannot be read count as too many: a machine that
/// could not tell would restart for ever.
fn restarts(meta: &Meta, root: Digest) -> u32 {
    let Ok(reports) = meta.reports() else {
        return u32::MAX;
    };
    let ended = |report: &&BootReport| report.outcome != Outcome::Blessed.word();
    let failing = |report: &&BootReport| {
        report.outcome == Outcome::Failing.word()
            && report.root_hash == root.hex()
            && report.ms < ROW_MS
    };
    let row = reports.iter().filter(ended).take_while(failing);
    u32::try_from(row.count()).unwrap_or(u32::MAX)
}

fn open_meta(source: &Source) -> Result<Meta, Failures> {
    let partition =
        disk::find(&source.disk, layout::META).map_err(|error| Failures::one(&error))?;
    Meta::open(&partition.device).map_err(|error| Failures::one(&error))
}

/// Whole seconds, at least one for any time at all.
fn seconds(ms: u64) -> u32 {
    u32::try_from(ms.div_ceil(1000)).unwrap_or(u32::MAX)
}

/// A state in memory is a failure: services run on it, but what they keep is lost. So is one that a
/// repair has taken apart: services that begin anew on what is left of it must not pass for healthy.
fn open_state(disk: &str, ground: &mut Ground) -> Result<(), StateError> {
    let state = state::open(disk, ground.meta.as_mut())?;
    ground.warnings.extend(state.warnings);
    match (state.kind, state.problem) {
        (Kind::Temporary, Some(problem)) => Err(problem),
        (_, Some(problem @ StateError::LostPlaces { .. })) => Err(problem),
        (_, Some(problem)) => {
            let line = console::event("state.problem");
            console::emit(&line.with("error", crate::stage1::chain(&problem)));
            Ok(())
        }
        (_, None) => Ok(()),
    }
}

fn check_hardware(
    appliance: &Appliance,
    ground: &mut Ground,
    (facts, story): (&mut Facts, &mut Story),
) {
    let disk = ground.source.as_ref().map(|source| source.disk.as_str());
    let check = || Ok::<_, Infallible>(Hardware::here(disk).check(&appliance.requirements));
    for broken in story.phase("hardware", check).unwrap_or_default() {
        let refuse = broken.enforce == Enforce::Refuse;
        let line = console::event(BROKEN)
            .with("expected", &broken.expected)
            .with("found", &broken.found);
        console::emit(&line.with("enforce", if refuse { "refuse" } else { "warn" }));
        if refuse {
            facts.faults.push(format!("hardware: {broken}"));
        }
        ground.warnings.push(broken.to_string());
    }
}
