//! What the tests have in common: provisioned machines, places that bundles come from.

use std::{path::PathBuf, sync::Arc, time::Duration};

use anyhow::{Result, ensure};
use bedplate_contract::{
    control::{BootReport, Reply, SlotState, Status},
    event::name,
};
use bedplate_tests::{
    machine::Machine,
    release::{self, Release},
    story::Boot,
    vm::Vm,
    web::Web,
};
use tempfile::TempDir;

/// For one boot: generous for two machines at once on two cores under TCG.
pub const BOOT: Duration = Duration::from_secs(240);
/// For the boots of a version that fails three times, and the one after it.
pub const BOOTS: Duration = Duration::from_secs(600);

/// A machine that runs [`release::GOOD`], and is offered other versions.
pub struct Scene {
    /// The machine's disk and files.
    pub vm: Vm,
    /// It, running.
    pub machine: Machine,
    /// Where bundles are.
    pub shelf: Shelf,
}

/// Bundles by name, in a directory that is served.
pub struct Shelf {
    directory: TempDir,
    /// The server; the paths of its troubles begin with a bundle's name.
    pub server: Web,
}

impl Shelf {
    pub fn new() -> Result<Self> {
        let directory = tempfile::tempdir()?;
        let server = Web::start(directory.path())?;
        Ok(Self { directory, server })
    }

    /// A place for one bundle or more.
    pub fn path(&self, name: &str) -> PathBuf {
        self.directory.path().join(name)
    }

    /// The same place as a machine reaches it: 10.0.2.2 is the host's loopback in QEMU's network.
    pub fn url(&self, name: &str) -> String {
        format!("http://10.0.2.2:{}/{name}", self.server.port())
    }

    /// Publishes a release under its version; returns its URL.
    pub fn publish(&self, release: &Release) -> Result<String> {
        let target = format!("dir:{}", self.path(&release.version).display());
        release::publish(&[release], &target)?;
        Ok(self.url(&release.version))
    }
}

impl Scene {
    /// A machine on its first boot, healthy and blessed.
    pub fn new() -> Result<Self> {
        let good = release::lab(release::GOOD)?;
        let vm = Vm::of(&good)?;
        let machine = Machine::healthy(&vm, 8080, BOOT)?;
        let shelf = Shelf::new()?;
        Ok(Self { vm, machine, shelf })
    }

    /// Publishes a version of `lab`; returns it and its URL.
    pub fn offer(&self, version: &str) -> Result<(Arc<Release>, String)> {
        let release = release::lab(version)?;
        let url = self.shelf.publish(&release)?;
        Ok((release, url))
    }

    /// The boots so far must be these lines of [`Boot::line`], and of these releases.
    pub fn expect(&self, boots: &[(&Release, &str)]) -> Result<()> {
        let found: Vec<_> = self.machine.story.boots.iter().map(described).collect();
        let expected: Vec<_> = boots
            .iter()
            .map(|(release, line)| (release.root_hash.clone(), (*line).to_owned()))
            .collect();
        ensure!(
            found == expected,
            "expected the boots\n{expected:#?}\nfound\n{found:#?}\n{}",
            self.machine.story.tail()
        );
        Ok(())
    }

    /// The service that everything is about answers.
    pub fn serves(&self) -> Result<()> {
        let (code, page) = self.machine.http("GET", "/boots", "")?;
        ensure!(code == 200 && page.starts_with("boot\n"), "{code} {page:?}");
        Ok(())
    }
}

fn described(boot: &Boot) -> (String, String) {
    (boot.root_hash.clone(), boot.line())
}

/// Both slots in words: `a 1.0.0 blessed active, b 1.0.1 trial`.
pub fn slots(status: &Status) -> String {
    let slots = status.slots.iter().map(|slot| {
        let version = slot.version.as_deref().unwrap_or("nothing");
        let state = match slot.state {
            SlotState::Empty => "empty",
            SlotState::Trial => "trial",
            SlotState::Blessed => "blessed",
            SlotState::Bad => "bad",
        };
        let active = if slot.active { " active" } else { "" };
        format!("{} {version} {state}{active}", slot.slot)
    });
    slots.collect::<Vec<_>>().join(", ")
}

/// The reply must be a refusal whose words have all of `parts`.
pub fn refuses(reply: &Reply, parts: &[&str]) -> Result<()> {
    let Reply::Refused { reason } = reply else {
        anyhow::bail!("expected a refusal with {parts:?}, found {reply:?}")
    };
    for part in parts {
        ensure!(reason.contains(part), "`{part}` is not in `{reason}`");
    }
    Ok(())
}

/// The newest report of `version`.
pub fn report_of<'a>(reports: &'a [BootReport], version: &str) -> Result<&'a BootReport> {
    let found = reports.iter().find(|report| report.version == version);
    found.ok_or_else(|| anyhow::anyhow!("no report of {version} in {reports:#?}"))
}

/// The version must be in quarantine, and no other.
pub fn quarantined(status: &Status, release: &Release) -> Result<()> {
    let found: Vec<_> = status
        .quarantine
        .iter()
        .map(|q| (q.root.hex(), &*q.version))
        .collect();
    let expected = [(release.root_hash.clone(), &*release.version)];
    ensure!(found == expected, "in quarantine: {found:?}");
    Ok(())
}

/// Events whose names say that a machine boots again or tries to.
pub fn reboots(name: &str) -> bool {
    name == name::SHUTDOWN || name == name::SLOT
}
