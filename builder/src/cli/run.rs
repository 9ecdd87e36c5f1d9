//! `bedplate run`: builds what is missing, boots it, tells how the boot ends.

use std::{path::PathBuf, process::ExitCode, time::Duration};

use anyhow::{Result, bail};

use super::{
    build::{self, OutputArguments},
    image::ImageArguments,
    source::SourceArguments,
};
use crate::{
    definition::Definition,
    privilege,
    resolve::{self, Lock, Sources, tools},
    run::{
        self, DiskChoice, Outcome, RunRequest, Show, Until,
        accelerator::Choice,
        link,
        ports::{self, Forward},
        secret::{self, Given},
    },
    tool::Tools,
};

/// The run could not be made.
const FAILED: u8 = 1;
/// The gate failed, or an upgrade did.
const UNHEALTHY: u8 = 4;
/// No verdict in time.
const TIMED_OUT: u8 = 5;
/// Ctrl-C, as shells count it: 128 and `SIGINT`.
const INTERRUPTED: u8 = 130;

/// Arguments of `bedplate run`.
///
/// Exit codes: 0 healthy, or powered off; 1 the run could not be made; 4 the gate failed, or the
/// upgrade was refused or rolled back; 5 no verdict in time; 130 interrupted.
#[derive(Debug, clap::Args)]
pub struct Arguments {
    #[command(flatten)]
    image: ImageArguments,
    #[command(flatten)]
    source: SourceArguments,
    #[command(flatten)]
    output: OutputArguments,
    #[command(flatten)]
    machine: MachineArguments,
    /// Profile.
    #[arg(long)]
    profile: String,
    /// Once the boot is healthy, offer it this bundle: a build's output directory, a published
    /// directory, or a tar file of one. The guest sees it as `/dev/vdb`.
    #[arg(long, value_name = "BUNDLE")]
    upgrade: Option<PathBuf>,
    /// End when the boot is healthy, or the gate failed; with --upgrade, when the new version is
    /// healthy, the old one again, or the bundle refused. Else the machine runs until Ctrl-C.
    #[arg(long, value_parser = ["healthy"])]
    until: Option<String>,
    /// Seconds that `--until` waits.
    #[arg(long, default_value_t = 900, value_name = "SECONDS")]
    timeout: u64,
    /// Show the boot story alone, not the whole console.
    #[arg(long)]
    story: bool,
    /// Show events as the guest writes them, for programs.
    #[arg(long, conflicts_with = "story")]
    events: bool,
}

/// The machine.
#[derive(Debug, Clone, clap::Args)]
struct MachineArguments {
    /// MiB of memory.
    #[arg(long, default_value_t = 2048, value_name = "MIB")]
    memory: u64,
    /// Virtual CPUs.
    #[arg(long, default_value_t = 2)]
    cpus: u32,
    /// Keep the disk here between runs; made on the first one.
    #[arg(long, value_name = "FILE")]
    disk: Option<PathBuf>,
    /// GiB of a new disk; by default 4 GiB more than the image takes.
    #[arg(long, value_name = "GIB")]
    disk_size: Option<u64>,
    /// Let the guest see a file as a read-only disk, after the one of --upgrade; may be repeated.
    #[arg(long, value_name = "FILE")]
    attach: Vec<PathBuf>,
    /// Provision the machine with a secret: the whole file is its value. May be repeated.
    #[arg(long, value_name = "NAME=FILE")]
    secret: Vec<Given>,
    /// Record what the guest writes to its disk, write by write (dm-log-writes); for tests.
    #[arg(long, value_name = "FILE")]
    record_writes: Option<PathBuf>,
    /// Forward a port of this host; ports on which services listen, or are
    /// probed, are forwarded anyway, unless the firewall of the image keeps them shut.
    #[arg(long, value_name = "HOST:GUEST")]
    port: Vec<Forward>,
    /// Put the machine on one wire with another that is run with the same directory, which is made;
    /// both have a fixed address. Either may start first, end and start again.
    #[arg(long, value_name = "DIRECTORY")]
    link: Option<PathBuf>,
    /// `tcg`, `kvm`, or `auto`: KVM once it has booted a guest.
    #[arg(long, default_value = "auto", value_name = "NAME")]
    accelerator: Choice,
    /// Write the whole console here too.
    #[arg(long, value_name = "FILE")]
    serial_log: Option<PathBuf>,
    /// Put the machine's control socket here.
    #[arg(long, value_name = "SOCKET")]
    control: Option<PathBuf>,
}

/// Builds and boots.
pub fn run(arguments: &Arguments) -> Result<ExitCode> {
    privilege::acquire()?;
    let profiles = arguments.image.load(&arguments.profile)?;
    let [definition] = profiles.wanted() else {
        bail!("expected one profile, found `all`")
    };
    // Before anything is built: an address that cannot be linked is the definition's fault.
    let is_linked = arguments.machine.link.is_some();
    let network = link::user_network(&definition.network.mode, is_linked)?;
    secret::check(&arguments.machine.secret, definition)?;
    let sources = arguments
        .source
        .sources_of(&arguments.image, profiles.all())?;
    let lock = arguments
        .source
        .lock(&arguments.image, profiles.all(), &sources)?;
    let artifact = artifact(arguments, definition, &lock, &sources)?;
    resolve::fetch(&lock, &[tools::RUN.name], &sources)?;
    let tools = Tools::assemble(&lock, tools::RUN.name, &sources.store)?;
    let asked = &arguments.machine.port;
    let forwards = ports::forwards(asked, definition, network.host());
    for forward in &forwards {
        eprintln!("run: {forward}");
    }
    let memory = sources.store.root().to_owned();
    let outcome = run::run(
        &request(arguments, definition, (artifact, forwards), memory),
        &tools,
    )?;
    Ok(exit_code(&outcome))
}

/// The disk that a machine is made from; a kept one needs no build.
fn artifact(
    arguments: &Arguments,
    definition: &Definition,
    lock: &Lock,
    sources: &Sources,
) -> Result<PathBuf> {
    let kept = arguments.machine.disk.clone();
    if let Some(disk) = kept.filter(|disk| disk.exists()) {
        eprintln!("run: {} as it is", disk.display());
        return Ok(disk);
    }
    let build = build::build(definition, lock, sources, &arguments.output)?;
    Ok(build.directory.join(&build.artifacts.disk.name))
}

fn request(
    arguments: &Arguments,
    definition: &Definition,
    (artifact, forwards): (PathBuf, Vec<Forward>),
    memory: PathBuf,
) -> RunRequest {
    let machine = arguments.machine.clone();
    RunRequest {
        artifact,
        disk: DiskChoice {
            path: machine.disk,
            size: machine.disk_size.map(|gib| gib << 30),
        },
        upgrade: arguments.upgrade.clone(),
        attached: machine.attach,
        secrets: machine.secret,
        record: machine.record_writes,
        memory_mib: machine.memory,
        cpus: machine.cpus,
        forwards,
        network: definition.network.mode.clone(),
        link: machine.link,
        until: if arguments.until.is_some() {
            Until::Verdict
        } else {
            Until::PowerOff
        },
        timeout: Duration::from_secs(arguments.timeout),
        show: show(arguments),
        serial_log: machine.serial_log,
        control: machine.control,
        accelerator: machine.accelerator,
        memory,
    }
}

fn show(arguments: &Arguments) -> Show {
    match (arguments.story, arguments.events) {
        (true, _) => Show::Story,
        (_, true) => Show::Events,
        _ => Show::Console,
    }
}

fn exit_code(outcome: &Outcome) -> ExitCode {
    let (words, code) = match outcome {
        Outcome::Healthy => ("healthy".to_owned(), 0),
        Outcome::Ended => ("the machine powered off".to_owned(), 0),
        Outcome::NoVerdict => (
            "QEMU ended before the boot had a verdict".to_owned(),
            FAILED,
        ),
        Outcome::Unhealthy(reason) => (format!("the gate failed: {reason}"), UNHEALTHY),
        Outcome::RolledBack(reason) => (format!("back on the version before: {reason}"), UNHEALTHY),
        Outcome::Refused(reason) => (format!("the upgrade was refused: {reason}"), UNHEALTHY),
        Outcome::TimedOut => ("no verdict in time".to_owned(), TIMED_OUT),
        Outcome::Interrupted => ("interrupted".to_owned(), INTERRUPTED),
    };
    eprintln!("run: {words}");
    ExitCode::from(code)
}
