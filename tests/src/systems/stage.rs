//! What all scenes do: boot, ask the front door, kill, look at a service, reboot.

use std::{
    ffi::OsString,
    fs, thread,
    time::{Duration, Instant},
};

use anyhow::{Context, Result, bail, ensure};
use bedplate_contract::{
    backup::BackupStep,
    control::{BootState, Reply, Request, ServiceStatus},
    event::name,
};
use serde_json::Value;

use crate::{bedplate, machine::Machine, vm::Vm};

/// A boot of many services takes some minutes under TCG, more beside another machine.
const BOOT: Duration = Duration::from_secs(900);
/// As `bedplate run` gives a machine.
const CPUS: u32 = 2;
/// How long a service may take to come back, or a fault to be noticed.
const TURN: Duration = Duration::from_secs(240);
/// Between two looks.
const LOOK: Duration = Duration::from_millis(500);
/// `SIGKILL`.
const KILL: i32 = 9;

/// A system that is up.
#[derive(Debug)]
pub struct Stage {
    vm: Vm,
    port: u16,
    more: Vec<OsString>,
    /// The machine that runs.
    pub machine: Machine,
    figures: Figures,
}

/// What a boot took.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Figures {
    /// Services of the appliance.
    pub services: usize,
    /// Milliseconds from the start of the kernel until the gate passed.
    pub healthy_ms: u64,
    /// Resident memory of PID 1 in KiB.
    pub init_kib: u64,
}

/// What a profile keeps from every program that does not ask for huge pages.
fn hugepages_mib(profile: &str) -> Result<u32> {
    let path = bedplate::workspace().join(format!("profiles/{profile}.toml"));
    let text =
        fs::read_to_string(&path).with_context(|| format!("reading `{}`", path.display()))?;
    let profile: toml::Table = text.parse()?;
    let pages = profile.get("hugepages").and_then(toml::Value::as_integer);
    Ok(u32::try_from(pages.unwrap_or_default())? * 2)
}

impl Stage {
    /// Boots the image for `profile` with so much memory besides its huge pages; `port` is its front door.
    ///
    /// # Errors
    /// The build fails, or the boot is not healthy.
    pub fn boot(image: &str, profile: &str, memory_mib: u32, port: u16) -> Result<Self> {
        Self::boot_with(image, profile, (memory_mib, port), Vec::new())
    }

    /// As [`Stage::boot`], each boot with more arguments of `bedplate run`.
    ///
    /// # Errors
    /// As [`Stage::boot`].
    pub fn boot_with(
        image: &str,
        profile: &str,
        (memory_mib, port): (u32, u16),
        more: Vec<OsString>,
    ) -> Result<Self> {
        let memory_mib = memory_mib + hugepages_mib(profile)?;
        let vm = Vm::of_profile(image, profile)?.with(memory_mib, CPUS);
        Self::on(vm, port, more)
    }

    fn on(vm: Vm, port: u16, more: Vec<OsString>) -> Result<Self> {
        let mut machine = Machine::start_with(&vm, port, &more)?;
        let healthy = machine.wait_for(name::HEALTHY, BOOT)?;
        let status = machine.status()?;
        ensure!(status.boot == BootState::Healthy, "{:?}", status.boot);
        let figures = Figures {
            services: status.services.len(),
            healthy_ms: healthy.at_ms,
            init_kib: status.init_rss_kib,
        };
        Ok(Self {
            vm,
            port,
            more,
            machine,
            figures,
        })
    }

    /// Powers off in order and boots again from the same disk.
    ///
    /// # Errors
    /// The end is not clean, or the boot not healthy.
    pub fn reboot(self) -> Result<Self> {
        self.machine.power_off()?;
        Self::on(self.vm, self.port, self.more)
    }

    /// Powers off in order; what the last boot took.
    ///
    /// # Errors
    /// The end is not clean.
    pub fn end(self) -> Result<Figures> {
        self.machine.power_off()?;
        Ok(self.figures)
    }

    /// The JSON answer of the front door, which must be a good one.
    ///
    /// # Errors
    /// Another status than 200 to 299, or no JSON.
    pub fn ask(&self, method: &str, path: &str, body: &str) -> Result<Value> {
        let (code, answer) = self.machine.http(method, path, body)?;
        ensure!(
            (200..300).contains(&code),
            "{method} {path}: {code} {answer}"
        );
        serde_json::from_str(&answer).with_context(|| format!("{method} {path}: {answer}"))
    }

    /// One service as it is now.
    ///
    /// # Errors
    /// No such service.
    pub fn service(&self, name: &str) -> Result<ServiceStatus> {
        let services = self.machine.status()?.services;
        let found = services.into_iter().find(|service| service.name == name);
        found.with_context(|| format!("no service `{name}`"))
    }

    /// Waits until a service is as `wanted`.
    ///
    /// # Errors
    /// It is not in time; with what it is.
    pub fn until(&self, name: &str, wanted: impl Fn(&ServiceStatus) -> bool) -> Result<()> {
        self.wait(name, || Ok(wanted(&self.service(name)?)))
            .with_context(|| format!("{:?}", self.service(name)))
    }

    /// Waits until `holds`; `what` names it.
    ///
    /// # Errors
    /// It does not in time, or cannot be asked.
    pub fn wait(&self, what: &str, holds: impl Fn() -> Result<bool>) -> Result<()> {
        let deadline = Instant::now() + TURN;
        while !holds()? {
            ensure!(Instant::now() < deadline, "in {TURN:?} not: {what}");
            thread::sleep(LOOK);
        }
        Ok(())
    }

    /// Kills a service's process.
    ///
    /// # Errors
    /// It has none.
    pub fn kill(&self, name: &str) -> Result<()> {
        let service = name.to_owned();
        let signal = KILL;
        self.taken(&Request::Signal { service, signal })
    }

    /// Stops a service, and waits until it is stopped.
    ///
    /// # Errors
    /// It is refused, or does not end in time.
    pub fn stop(&self, name: &str) -> Result<()> {
        let service = name.to_owned();
        self.taken(&Request::Stop { service })?;
        self.until(name, |service| service.state == "stopped")
    }

    /// Starts a service, and waits until it is ready.
    ///
    /// # Errors
    /// It is refused, or not ready in time.
    pub fn start(&self, name: &str) -> Result<()> {
        let service = name.to_owned();
        self.taken(&Request::Start { service })?;
        self.until(name, |service| service.state == "ready")
    }

    /// Runs one step of a backup to its end, with the newest archive.
    ///
    /// # Errors
    /// It fails or is refused; with what it said.
    pub fn backup(&self, name: &str, step: BackupStep) -> Result<()> {
        let request = Request::Backup {
            backup: name.to_owned(),
            step,
            archive: None,
        };
        match self.machine.ask_within(&request, TURN)? {
            Reply::Ran { good: true, .. } => Ok(()),
            other => bail!("to {} backup `{name}`: {other:?}", step.word()),
        }
    }

    fn taken(&self, request: &Request) -> Result<()> {
        let reply = self.machine.ask(request)?;
        ensure!(reply == Reply::Done, "{request:?}: {reply:?}");
        Ok(())
    }

    /// Kills a service and waits until it is ready again, by a restart.
    ///
    /// # Errors
    /// It does not come back in time.
    pub fn comes_back(&self, name: &str) -> Result<()> {
        let before = self.service(name)?.restarts;
        self.kill(name)?;
        self.until(name, |service| {
            service.restarts > before && service.state == "ready"
        })
    }

    /// The last lines that a service wrote.
    ///
    /// # Errors
    /// No such service.
    pub fn logs(&self, name: &str) -> Result<String> {
        let service = name.to_owned();
        match self.machine.ask(&Request::Logs {
            service,
            lines: 1000,
        })? {
            Reply::Logs { lines } => Ok(lines.join("\n")),
            other => bail!("logs of `{name}`: {other:?}"),
        }
    }
}
