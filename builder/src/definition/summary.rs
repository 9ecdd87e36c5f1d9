//! A definition in a few lines, for `bedplate check`.

use std::fmt;

use bedplate_contract::{
    appliance::{Enforce, Promise, Requirement},
    backup::Backup,
    service::{Check, Kind},
};

use super::{Build, Definition, Service, Update};

/// Shows a definition; made by [`Definition::summary`].
#[derive(Debug)]
pub struct Summary<'a>(&'a Definition);

impl Definition {
    /// The definition in a few lines, one per service.
    pub fn summary(&self) -> Summary<'_> {
        Summary(self)
    }
}

impl fmt::Display for Summary<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Definition { image, profile, .. } = self.0;
        writeln!(f, "{} {} for {}", image.name, image.version, profile.name)?;
        let suites = self
            .0
            .base
            .repositories
            .iter()
            .map(|repository| repository.suite.as_str());
        line(f, "suites", suites)?;
        line(
            f,
            "packages",
            self.0.base.packages.iter().map(String::as_str),
        )?;
        line(f, "builds", self.0.builds.iter().map(built))?;
        line(f, "requires", profile.requirements.iter().map(promise))?;
        let images = self.0.oci.iter().map(|image| image.reference.to_string());
        line(f, "images", images)?;
        line(f, "left out", self.0.left_out.iter())?;
        line(
            f,
            "volumes",
            self.0.volumes.iter().map(|volume| volume.path.as_str()),
        )?;
        line(
            f,
            "secrets",
            self.0.secrets.iter().map(|secret| secret.name.as_str()),
        )?;
        line(f, "backups", self.0.backups.iter().map(backup))?;
        line(f, "upgrades", trust(&self.0.update).into_iter())?;
        for service in &self.0.services {
            writeln!(f, "  {:<10} {}", "service", describe(service))?;
        }
        let gate = &self.0.gate;
        let (stable, deadline) = (gate.stable_for_ms / 1000, gate.deadline_ms / 1000);
        write!(
            f,
            "  {:<10} ready for {stable} s within {deadline} s",
            "gate"
        )
    }
}

fn line<T: AsRef<str>>(
    f: &mut fmt::Formatter<'_>,
    title: &str,
    items: impl Iterator<Item = T>,
) -> fmt::Result {
    let items: Vec<_> = items.map(|item| item.as_ref().to_owned()).collect();
    match items.is_empty() {
        true => Ok(()),
        false => writeln!(f, "  {title:<10} {}", items.join(", ")),
    }
}

/// Nothing for an image that takes no upgrade.
fn trust(update: &Update) -> Option<String> {
    let keys = match update.keys.len() {
        0 => return None,
        1 => "1 key".to_owned(),
        count => format!("{count} keys"),
    };
    Some(format!("signed by {} of {keys}", update.threshold))
}

fn built(build: &Build) -> String {
    format!(
        "{} (of the {})",
        build.outputs.join(", "),
        build.origin.name()
    )
}

fn promise(requirement: &Requirement) -> String {
    let text = match requirement.promise {
        Promise::CpuCores(count) => format!("{count} cores"),
        Promise::MemoryMib(size) => format!("{size} MiB memory"),
        Promise::DiskGib(size) => format!("{size} GiB disk"),
        Promise::NicMbps(speed) => format!("{speed} Mbit/s"),
        Promise::GpuCount(count) => format!("{count} GPU"),
        Promise::GpuMemoryMib(size) => format!("{size} MiB GPU memory"),
    };
    match requirement.enforce {
        Enforce::Refuse => text,
        Enforce::Warn => format!("{text} (warn)"),
    }
}

fn describe(service: &Service) -> String {
    let mut words = vec![service.name.clone()];
    words.extend(kind(service));
    words.extend(service.ready.as_ref().map(|probe| check(&probe.check)));
    if !service.requires.is_empty() {
        words.push(format!("requires {}", service.requires.join(" ")));
    }
    words.join(", ")
}

/// How it runs, where that is not what services usually do.
fn kind(service: &Service) -> Vec<String> {
    let kind = match (service.kind, &service.schedule) {
        (Kind::Daemon, _) => None,
        (Kind::Oneshot, _) => Some("oneshot".to_owned()),
        (Kind::Scheduled, Some(cron)) => Some(format!("at `{cron}`")),
        (Kind::Scheduled, None) => Some("on demand".to_owned()),
    };
    let image = service.oci.as_ref();
    let image = image.map(|image| format!("of image {image}"));
    let optional = !service.essential && service.kind != Kind::Scheduled;
    let optional = optional.then(|| "optional".to_owned());
    [kind, image, optional].into_iter().flatten().collect()
}

fn backup(backup: &Backup) -> String {
    let kept = match backup.keep_seconds / 3600 {
        hours if hours % 24 == 0 => format!("{} d", hours / 24),
        hours => format!("{hours} h"),
    };
    format!("{} in {}, kept {kept}", backup.name, backup.directory)
}

fn check(check: &Check) -> String {
    match check {
        Check::Http { port, path, .. } => format!("ready by http :{port}{path}"),
        Check::Tcp { port, .. } => format!("ready by tcp :{port}"),
        Check::Exec { run } => format!("ready by `{}`", run.join(" ")),
    }
}
