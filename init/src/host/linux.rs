//! The real host.

use std::{
    collections::{BTreeMap, BTreeSet},
    fs::{self, Permissions},
    os::unix::fs::PermissionsExt,
    path::Path,
    rc::Rc,
};

use bedplate_contract::{
    Appliance,
    control::{RAN_LINES, Reply},
    event::{self, name},
    layout,
    service::{Check, Condition, Service},
};
use bedplate_sys::{
    clock,
    process::{self, Ended as ProcessEnd},
};

use super::{
    Host, Ran, config,
    process::{Place, launch, make_archives, make_directories},
    view::Views,
};
use crate::{
    cgroup::Cgroups,
    console,
    control::Control,
    decide::{Checked, Event, Exit, How, Order, ProbeKind, ServiceId, Soundness, Verdict},
    ground::Ground,
    inspect::Inspection,
    log::{Capture, Disk},
    probe::{self, Asker, Checks, Method, Program, Purpose, Request},
    secrets,
    stage1::chain,
    upgrade::Upgrade,
};

/// Event of a service that runs without its cgroup: `name`, `error`.
const NO_CGROUP: &str = "cgroup.failed";
/// Event of a probe whose answer is good, but says more: `name`, `text`.
const WARNED: &str = "probe.warning";
/// Event of a report that could not be kept: `error`.
const NO_REPORT: &str = "report.failed";

/// Output lines that the console shows while a boot is not decided: it is a slow line.
const ECHO: usize = 1000;

/// Output lines that the console shows when a service fails later.
const LAST_WORDS: usize = 10;

/// Everything that the loop holds open for the appliance.
#[derive(Debug)]
pub struct Linux {
    /// What the phases found.
    pub ground: Ground,
    /// Who may ask.
    pub control: Control,
    /// Checks in flight.
    pub checks: Checks,
    /// Output of each service, by its place.
    pub captures: Vec<Capture>,
    /// The same on the state partition.
    logs: Disk,
    /// The upgrade that runs, or prints its last words.
    pub upgrade: Option<Upgrade>,
    /// The check of the other slot that runs.
    pub inspection: Option<Inspection>,
    /// How the machine ends, once it does.
    pub ended: Option<How>,
    appliance: Rc<Appliance>,
    cgroups: Option<Cgroups>,
    /// What services see.
    views: Views,
    /// Processes that are not reaped, with their services.
    pids: BTreeMap<u32, ServiceId>,
    /// The last process of each service, which leads its group.
    leaders: BTreeMap<ServiceId, u32>,
    /// Output lines that the console still shows.
    echo: usize,
    /// Services of whose probes a warning was told.
    warned: BTreeSet<ServiceId>,
}

impl Linux {
    /// The process of a service, while it runs.
    pub fn pid(&self, service: ServiceId) -> Option<u32> {
        let running = self.pids.iter().find(|(_, owner)| **owner == service);
        running.map(|(pid, _)| *pid)
    }

    /// A host that runs `appliance` on `ground`.
    pub fn new(appliance: Rc<Appliance>, ground: Ground, cgroups: Option<Cgroups>) -> Self {
        let logs = Path::new(layout::LOGS_DIR);
        let services = appliance.services.iter();
        let captures = services.map(|_| Capture::new(&appliance.log));
        Self {
            control: Control::new(clock::since_boot_ms()),
            checks: Checks::default(),
            captures: captures.collect(),
            logs: Disk::start(logs, &appliance.services, &appliance.log),
            upgrade: None,
            inspection: None,
            ended: None,
            cgroups,
            views: make_views(&appliance),
            pids: BTreeMap::new(),
            leaders: BTreeMap::new(),
            echo: if ground.source.is_some() {
                ECHO
            } else {
                usize::MAX
            },
            warned: BTreeSet::new(),
            ground,
            appliance,
        }
    }

    /// The event that the end of process `pid` means; an adopted orphan means none.
    pub fn reaped(&mut self, pid: u32, end: ProcessEnd) -> Option<Event> {
        if let Some(ended) = self.checks.reaped(pid, end) {
            return Some(self.conclude(ended));
        }
        if self.inspection.as_ref().is_some_and(|i| i.pid() == pid) {
            return self.inspected(end);
        }
        if self.upgrade.as_ref().is_some_and(|u| u.pid() == pid) {
            let outcome = self.upgrade.take().map(|upgrade| upgrade.ended(end));
            return outcome.map(Event::UpgradeEnded);
        }
        let service = self.pids.remove(&pid)?;
        self.take_output(service, Capture::drain_all);
        self.service(service).map(config::remove);
        let exit = match end {
            ProcessEnd::Status(status) => Exit::Status(status),
            ProcessEnd::Signal(signal) => Exit::Signal(signal),
        };
        Some(Event::Exited { service, exit })
    }

    /// Takes what a service printed; the console shows it while the boot is not decided.
    pub fn drain(&mut self, service: ServiceId) {
        self.take_output(service, Capture::drain);
    }

    fn take_output(&mut self, service: ServiceId, take: fn(&mut Capture, u64) -> Vec<String>) {
        let now = self.now();
        let Some(capture) = self.captures.get_mut(service.0) else {
            return;
        };
        let lines = take(capture, now);
        self.logs.append(service.0, &lines, now);
        let shown = lines.len().min(self.echo);
        self.echo -= shown;
        self.show(service, &lines[..shown]);
    }

    /// Takes what the upgrade printed.
    pub fn drain_upgrade(&mut self) {
        if let Some(upgrade) = &mut self.upgrade {
            upgrade.drain();
        }
    }

    fn show(&self, service: ServiceId, lines: &[String]) {
        let name = self.service(service).map_or("", |spec| &spec.name);
        for text in lines {
            let line = console::event(name::LOG).with("name", name);
            console::emit(&line.with("text", text));
        }
    }

    fn service(&self, id: ServiceId) -> Option<&Service> {
        self.appliance.services.get(id.0)
    }

    /// The cgroup of a service; without one it runs all the same, and the console says so.
    fn cgroup(&self, service: &Service) -> Option<std::fs::File> {
        let prepared = self.cgroups.as_ref()?.prepare(service);
        prepared
            .inspect_err(|error| {
                let line = console::event(NO_CGROUP).with("name", &service.name);
                console::emit(&line.with("error", chain(error)));
            })
            .ok()
    }

    /// What a probe does; an exec probe's process is made here.
    fn method(
        &self,
        (id, service): (ServiceId, &Service),
        check: &Check,
    ) -> Result<Method, String> {
        match check {
            Check::Tcp { address, port } => probe::socket_address(address, *port).map(Method::Tcp),
            Check::Http {
                address,
                port,
                path,
            } => {
                let address = probe::socket_address(address, *port)?;
                Ok(Method::Http(Request::new("GET", address, path)))
            }
            Check::Exec { run } => self.program((id, service), run).map(Method::Exec),
        }
    }

    fn program(
        &self,
        (id, service): (ServiceId, &Service),
        run: &[String],
    ) -> Result<Program, String> {
        let opened = probe::Output::open();
        let (output, writer) = opened.map_err(|error| format!("make a pipe: {error}"))?;
        let place = Place {
            cgroup: self.cgroup(service),
            view: self.views.of(service, self.pid(id))?,
            leader: self.pid(id),
            output: Some(writer),
        };
        let pid = launch(service, run, place)?;
        Ok(Program { pid, output })
    }

    fn begin(&mut self, asker: Asker, method: Result<Method, String>, ms: u64) -> Option<Event> {
        let deadline = self.now().saturating_add(ms);
        let ended = match method {
            Ok(method) => self.checks.begin(asker, method, deadline),
            Err(reason) => Some(probe::Ended::new(asker, Err(reason))),
        };
        ended.map(|ended| self.conclude(ended))
    }

    /// What a finished check means; what is to be said of it is said once for each service.
    pub fn conclude(&mut self, ended: probe::Ended) -> Event {
        let id = ended.asker.service;
        if let Some(text) = &ended.warning
            && self.warned.insert(id)
        {
            let name = self.service(id).map_or("", |spec| &spec.name);
            let line = console::event(WARNED).with("name", name);
            console::emit(&line.with("text", text));
        }
        into_event(ended)
    }
}

fn into_event(ended: probe::Ended) -> Event {
    let Asker {
        service,
        run,
        purpose,
    } = ended.asker;
    let outcome = ended.outcome;
    match purpose {
        Purpose::Stop => Event::StopPosted {
            service,
            run,
            outcome,
        },
        Purpose::Await(condition) => Event::Awaited {
            service,
            run,
            condition,
            outcome,
        },
        Purpose::Probe(probe) => Event::Probed {
            service,
            run,
            check: Checked { probe, outcome },
        },
    }
}

/// Makes what services see; the directory of their secrets is a part of it.
fn make_views(appliance: &Appliance) -> Views {
    // Of a container, whose directories nobody else closed; it may have none.
    let _ = fs::set_permissions(layout::LOGS_DIR, Permissions::from_mode(0o711));
    if let Err(error) = secrets::make_directory(Path::new(layout::RUN_SECRETS_DIR), 0o711) {
        return Views::Failed(chain(&error));
    }
    Views::make(&appliance.volumes)
}

impl Host for Linux {
    fn now(&self) -> u64 {
        clock::since_boot_ms()
    }

    fn wall_ms(&self) -> u64 {
        clock::wall_ms()
    }

    fn start(&mut self, id: ServiceId, arguments: &[String]) -> Result<u32, String> {
        let appliance = Rc::clone(&self.appliance);
        let service = appliance.services.get(id.0).ok_or("no such service")?;
        make_directories(service, self.ground.source.is_some())?;
        let mut backups = appliance.backups.iter();
        if let Some(backup) = backups.find(|backup| backup.service == service.name) {
            make_archives(&backup.directory, service)?;
        }
        let cgroup = self.cgroup(service);
        let capture = self.captures.get_mut(id.0).ok_or("no such service")?;
        let output = capture
            .open()
            .map_err(|error| format!("make a pipe: {error}"))?;
        let run = [&service.run, arguments].concat();
        let place = Place {
            cgroup,
            view: self.views.of(service, None)?,
            leader: None,
            output: Some(output),
        };
        let started = config::write(service).and_then(|()| launch(service, &run, place));
        let pid = started.inspect_err(|_| config::remove(service))?;
        self.pids.insert(pid, id);
        self.leaders.insert(id, pid);
        Ok(pid)
    }

    fn signal(&mut self, service: ServiceId, signal: i32) {
        if let Some(pid) = self.pid(service) {
            // A process that is gone already is reaped next; no signal can be missed by it.
            let _ = process::signal(pid, signal);
        }
    }

    fn kill(&mut self, service: ServiceId) {
        let name = self.service(service).map(|spec| spec.name.as_str());
        let killed = match (&self.cgroups, name) {
            (Some(cgroups), Some(name)) => cgroups.kill(name).is_ok(),
            _ => false,
        };
        if !killed && let Some(leader) = self.leaders.get(&service) {
            // The group may be empty, which is what is wanted.
            let _ = process::kill_group(*leader);
        }
    }

    fn post_stop(&mut self, service: ServiceId, run: u32) -> Option<Event> {
        let stop = self.service(service)?.stop.clone();
        let http = stop.http?;
        let method = probe::socket_address(&http.address, http.port)
            .map(|address| Method::Http(Request::new("POST", address, &http.path)));
        let asker = Asker {
            service,
            run,
            purpose: Purpose::Stop,
        };
        self.begin(asker, method, stop.timeout_ms)
    }

    fn probe(&mut self, service: ServiceId, run: u32, kind: ProbeKind) -> Option<Event> {
        let appliance = Rc::clone(&self.appliance);
        let spec = appliance.services.get(service.0)?;
        let probe = kind.of(spec)?;
        let asker = Asker {
            service,
            run,
            purpose: Purpose::Probe(kind),
        };
        let method = self.method((service, spec), &probe.check);
        self.begin(asker, method, probe.timeout_ms)
    }

    fn await_condition(&mut self, service: ServiceId, run: u32, condition: usize) -> Option<Event> {
        let appliance = Rc::clone(&self.appliance);
        let spec = appliance.services.get(service.0)?;
        let wait = spec.wait.get(condition)?;
        let asker = Asker {
            service,
            run,
            purpose: Purpose::Await(condition),
        };
        match &wait.condition {
            Condition::Check(check) => {
                let method = self.method((service, spec), check);
                self.begin(asker, method, wait.timeout_ms)
            }
            Condition::Path(path) => {
                let outcome = probe::exists(Path::new(path));
                Some(self.conclude(probe::Ended::new(asker, outcome)))
            }
        }
    }

    fn cancel_probes(&mut self, service: ServiceId) {
        self.checks.cancel(service);
    }

    fn emit(&mut self, line: &event::Event) {
        console::emit(line);
        match line.name.as_str() {
            // A container's engine collects what its services print.
            name::HEALTHY | name::DEGRADED if self.ground.source.is_some() => self.echo = 0,
            name::SERVICE_FAILED if self.echo == 0 => self.show_last_words(line),
            _ => {}
        }
    }

    fn bless(&mut self) -> Result<String, String> {
        self.ground.bless()
    }

    fn mark_bad(&mut self) -> Result<String, String> {
        self.ground.mark_bad()
    }

    fn check_other(&mut self) -> Option<Soundness> {
        let begun = self.begin_inspection();
        begun.err().map(Soundness::Unknown)
    }

    fn kill_check(&mut self) {
        if let Some(inspection) = self.inspection.take() {
            inspection.kill();
        }
    }

    fn mark_other_bad(&mut self) -> Result<String, String> {
        self.ground.mark_other_bad()
    }

    fn report(&mut self, verdict: &Verdict) {
        let now = self.now();
        if let Err(error) = self.ground.keep_report(&self.appliance, verdict, now) {
            console::emit(&console::event(NO_REPORT).with("error", error));
        }
    }

    fn upgrade(&mut self, order: &Order) -> Result<(), String> {
        let cgroup = self.cgroups.as_ref().map(Cgroups::prepare_upgrade);
        let cgroup = cgroup.transpose().unwrap_or_else(|error| {
            let line = console::event(NO_CGROUP).with("name", "upgrade");
            console::emit(&line.with("error", chain(&error)));
            None
        });
        self.upgrade = Some(Upgrade::start(order, cgroup)?);
        Ok(())
    }

    fn kill_upgrade(&mut self) {
        if let Some(upgrade) = &self.upgrade {
            upgrade.kill();
        }
    }

    fn ran(&mut self, client: u64, ran: &Ran) {
        let capture = self.captures.get(ran.service.0);
        let reply = Reply::Ran {
            good: ran.good,
            result: ran.result.clone(),
            lines: capture
                .map(|capture| capture.last_of_run(RAN_LINES as usize))
                .unwrap_or_default(),
        };
        self.control.reply(client, &reply);
    }

    fn reply(&mut self, client: u64, reply: &Reply) {
        self.control.reply(client, reply);
    }

    fn end(&mut self, how: How) {
        self.ended = Some(how);
    }
}

impl Linux {
    fn begin_inspection(&mut self) -> Result<(), String> {
        let source = self.ground.source.as_ref();
        let disk = source.map(|source| source.disk.as_str());
        let other = disk.zip(self.ground.other_slot());
        let (disk, (slot, root)) = other.ok_or("there is no other slot")?;
        let line = console::event(name::SLOT_CHECK).with("slot", slot.letter());
        console::emit(&line);
        self.inspection = Some(Inspection::start(disk, &root)?);
        Ok(())
    }

    /// What the end of the check of the other slot means, which is told.
    fn inspected(&mut self, end: ProcessEnd) -> Option<Event> {
        let soundness = self.inspection.take()?.ended(end);
        let (sound, reason) = match &soundness {
            Soundness::Sound => ("yes", None),
            Soundness::Rotten(reason) => ("no", Some(reason)),
            Soundness::Unknown(reason) => ("unknown", Some(reason)),
        };
        let slot = self.ground.other_slot();
        let slot = slot.map_or("", |(slot, _)| slot.letter());
        let line = console::event(name::SLOT_CHECKED).with("slot", slot);
        let line = line.with("sound", sound);
        console::emit(&match reason {
            Some(reason) => line.with("reason", reason),
            None => line,
        });
        Some(Event::OtherChecked(soundness))
    }

    /// The last lines of the service that failed, for whoever looks at the console.
    fn show_last_words(&self, line: &event::Event) {
        let name = line.field("name").unwrap_or_default();
        let mut services = self.appliance.services.iter();
        if let Some(at) = services.position(|spec| spec.name == name) {
            let lines = self.captures.get(at).map(|c| c.last(LAST_WORDS));
            self.show(ServiceId(at), &lines.unwrap_or_default());
        }
    }
}
