//! The event loop: waits for signals, exits, output, checks, requests, packets and time, and hands
//! each to the core as an event.
//!
//! One thread, one `poll` per turn. It ends only when the core has ended everything.

use std::{
    os::fd::{AsFd, BorrowedFd},
    path::Path,
    rc::Rc,
};

use bedplate_contract::{
    backup::BackupStep,
    control::{Reply, Request, Status},
    layout,
    service::SIGNALS,
};
use bedplate_sys::{
    clock,
    poll::{self, Interest, Wait},
    process,
    signal::{Signal, Signals},
};

use crate::{
    console,
    control::{Source, names},
    decide::{Event, Facts, How, Order, ServiceId, State, Work},
    host::{Host, Linux, drive},
    network::Network,
    stage1::chain,
    wall, watchdog,
};

/// Event of a loop that could not wait: `error`.
const POLL_FAILED: &str = "poll.failed";
/// Event of a link in trouble: `error`.
const NETWORK_FAILED: &str = "network.failed";
/// Event of a socket that nobody can connect to: `error`.
const CONTROL_FAILED: &str = "control.failed";

/// Milliseconds between two looks at a console that takes nothing.
const CONSOLE_MS: u64 = 50;

/// Most lines that a request may ask for.
const MAX_LINES: u32 = 1000;

/// What ends when nothing else says how.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Place {
    /// PID 1 of a machine.
    Machine,
    /// PID 1 of a container.
    Container,
}

impl Place {
    /// How a request to power off ends it.
    const fn off(self) -> How {
        match self {
            Self::Machine => How::Poweroff,
            Self::Container => How::Exit(0),
        }
    }

    /// How a request to reboot ends it; a container's engine starts it again.
    const fn again(self) -> How {
        match self {
            Self::Machine => How::Reboot,
            Self::Container => How::Exit(0),
        }
    }
}

/// The running appliance.
#[derive(Debug)]
pub struct Supervisor {
    state: State,
    host: Linux,
    signals: Signals,
    place: Place,
    /// Whether the core knows of an address.
    addressed: bool,
    /// When the time is kept next.
    keep_clock: u64,
}

/// Who became ready.
#[derive(Debug, Clone, Copy)]
enum Token {
    Signals,
    Output(ServiceId),
    Check(usize),
    Control(Source),
    Network,
    Upgrade,
}

impl Supervisor {
    /// Opens the control socket; a failure is told and leaves the other ways in.
    pub fn new(state: State, mut host: Linux, signals: Signals, place: Place) -> Self {
        if let Err(error) = host.control.listen(Path::new(layout::CONTROL_SOCKET)) {
            console::emit(&console::event(CONTROL_FAILED).with("error", error));
        }
        Self {
            state,
            host,
            signals,
            place,
            addressed: false,
            keep_clock: clock::since_boot_ms().saturating_add(wall::KEEP_MS),
        }
    }

    /// Starts the services and runs until everything has ended.
    pub fn run(mut self, facts: Facts) -> (How, Linux) {
        self.addressed = facts.addressed;
        drive(&mut self.state, &mut self.host, Event::Begin(facts));
        loop {
            if let Some(how) = self.host.ended {
                return (how, self.host);
            }
            self.turn();
        }
    }

    fn turn(&mut self) {
        let ready = match self.wait() {
            Ok(ready) => ready,
            // Told and tried again: there is nothing else that PID 1 could do.
            Err(error) => {
                console::emit(&console::event(POLL_FAILED).with("error", error));
                Vec::new()
            }
        };
        self.take_checks(&ready);
        for token in ready {
            self.take(token);
        }
        self.take_time();
        watchdog::pet();
        console::flush();
    }

    fn wait(&self) -> std::io::Result<Vec<Token>> {
        let now = self.host.now();
        let deadline = self.next_deadline();
        let timeout = deadline.map(|at| at.saturating_sub(now));
        poll::wait(&self.watched(now), timeout)
    }

    fn watched(&self, now: u64) -> Vec<Wait<'_, Token>> {
        let mut all = vec![wait_for(
            Token::Signals,
            self.signals.as_fd(),
            Interest::Read,
        )];
        for (at, capture) in self.host.captures.iter().enumerate() {
            let pipe = capture.watch().into_iter();
            all.extend(pipe.map(|fd| wait_for(Token::Output(ServiceId(at)), fd, Interest::Read)));
        }
        let checks = self.host.checks.watch();
        all.extend(checks.map(|(at, fd, interest)| wait_for(Token::Check(at), fd, interest)));
        let control = self.host.control.watch(now).into_iter();
        all.extend(
            control.map(|(from, fd, interest)| wait_for(Token::Control(from), fd, interest)),
        );
        let network = self.host.ground.network.as_ref().and_then(|n| n.fd());
        all.extend(network.map(|fd| wait_for(Token::Network, fd, Interest::Read)));
        let upgrade = self
            .host
            .upgrade
            .as_ref()
            .and_then(|upgrade| upgrade.watch());
        all.extend(upgrade.map(|fd| wait_for(Token::Upgrade, fd, Interest::Read)));
        all
    }

    fn next_deadline(&self) -> Option<u64> {
        let network = self.host.ground.network.as_ref();
        let network = network.and_then(|n| n.deadline());
        // Rounded up: a timer that fires early would spin until its millisecond has come.
        let network = network.map(|at| u64::try_from(at.as_millis()).map_or(u64::MAX, |ms| ms + 1));
        let console = (!console::is_drained()).then(|| self.host.now() + CONSOLE_MS);
        let all = [
            self.state.next_deadline(),
            self.host.checks.next_deadline(),
            self.host.control.next_deadline(),
            network,
            console,
            watchdog::next_deadline(),
            Some(self.keep_clock),
        ];
        all.into_iter().flatten().min()
    }

    /// Checks first and together: their tokens are places that any other event may renumber.
    fn take_checks(&mut self, ready: &[Token]) {
        let places = ready.iter().filter_map(|token| match token {
            Token::Check(at) => Some(*at),
            _ => None,
        });
        let places: Vec<_> = places.collect();
        let now = self.host.now();
        let mut ended = self.host.checks.advance(&places);
        ended.extend(self.host.checks.expire(now));
        for ended in ended {
            let event = self.host.conclude(ended);
            self.drive(event);
        }
    }

    fn take(&mut self, token: Token) {
        match token {
            Token::Check(_) => {}
            Token::Signals => self.take_signals(),
            Token::Output(service) => self.host.drain(service),
            Token::Control(source) => self.take_requests(source),
            Token::Network => self.turn_network(),
            Token::Upgrade => self.host.drain_upgrade(),
        }
    }

    fn take_signals(&mut self) {
        while let Some(signal) = self.signals.next() {
            match signal {
                Signal::Child => {}
                Signal::Terminate | Signal::Power => self.drive(Event::Down(self.place.off())),
                Signal::Interrupt => self.drive(Event::Down(self.place.again())),
            }
        }
        // Signals of one kind are not counted, so every child that has ended is looked for.
        while let Some((pid, end)) = process::reap() {
            if let Some(event) = self.host.reaped(pid, end) {
                self.drive(event);
            }
        }
    }

    fn take_requests(&mut self, source: Source) {
        let now = self.host.now();
        for (client, request) in self.host.control.advance(source, now) {
            if let Some(reply) = self.answer(client, request) {
                self.host.control.reply(client, &reply);
            }
        }
    }

    fn take_time(&mut self) {
        let now = self.host.now();
        self.host.control.tick(now);
        if self.state.next_deadline().is_some_and(|at| at <= now) {
            self.drive(Event::Tick);
        }
        if self.keep_clock <= now {
            self.keep_clock = now.saturating_add(wall::KEEP_MS);
            self.keep_clock();
        }
        let network = self.host.ground.network.as_ref();
        let due = network.and_then(|n| n.deadline());
        if due.is_some_and(|at| at <= clock::since_boot()) {
            self.turn_network();
        }
    }

    /// A container's clock is its host's.
    fn keep_clock(&self) {
        if self.place == Place::Machine {
            wall::keep_beside(self.state.appliance().built_ms);
        }
    }

    fn turn_network(&mut self) {
        if let Some(network) = &mut self.host.ground.network
            && let Err(error) = network.turn(clock::since_boot())
        {
            console::emit(&console::event(NETWORK_FAILED).with("error", chain(&error)));
        }
        let network = self.host.ground.network.as_ref();
        let addressed = network.is_some_and(Network::is_settled);
        if addressed != self.addressed {
            self.addressed = addressed;
            self.drive(Event::Addressed(addressed));
        }
    }

    fn drive(&mut self, event: Event) {
        drive(&mut self.state, &mut self.host, event);
    }

    /// The answer to what only asks; what changes something is answered by the core.
    fn answer(&mut self, client: u64, request: Request) -> Option<Reply> {
        match request {
            Request::Status => Some(Reply::Status(Box::new(self.status()))),
            Request::Report => Some(self.reports()),
            Request::Logs { service, lines } => Some(self.logs(&service, lines)),
            Request::Restart { service } => {
                self.turn_service(&service, |service| Event::Restart { service, client })
            }
            Request::Stop { service } => {
                self.turn_service(&service, |service| Event::Stop { service, client })
            }
            Request::Start { service } => {
                self.turn_service(&service, |service| Event::Start { service, client })
            }
            Request::Signal { service, signal } => Some(self.signal(&service, signal)),
            Request::Run { service } => self.run_now(&service, Work::default(), client),
            Request::Backup {
                backup,
                step,
                archive,
            } => self.run_backup((&backup, step, archive), client),
            Request::Upgrade {
                source,
                step,
                force,
            } => {
                let order = Order {
                    source,
                    step,
                    force,
                };
                self.drive(Event::Upgrade { order, client });
                None
            }
            Request::Rollback => self.roll_back(client),
            Request::Rescan => Some(self.rescan()),
            Request::Forgive { root } => Some(done(self.host.ground.forgive(&root))),
            Request::Poweroff => self.go_down(client, self.place.off()),
            Request::Reboot => self.go_down(client, self.place.again()),
        }
    }

    fn run_now(&mut self, service: &str, work: Work, client: u64) -> Option<Reply> {
        let Some(service) = self.state.find(service) else {
            return Some(self.unknown(service));
        };
        self.drive(Event::Run {
            service,
            work,
            client,
        });
        None
    }

    /// A backup is a service; what is done with it are its arguments.
    fn run_backup(
        &mut self,
        (name, step, archive): (&str, BackupStep, Option<String>),
        client: u64,
    ) -> Option<Reply> {
        let appliance = Rc::clone(self.state.appliance());
        let backup = match names::backup(name, &appliance) {
            Ok(backup) => backup,
            Err(refused) => return Some(refused),
        };
        let word = step.word().to_owned();
        let work = Work {
            arguments: std::iter::once(word).chain(archive).collect(),
            stops: match step {
                BackupStep::Restore => backup.stops.clone(),
                BackupStep::Create | BackupStep::Verify => Vec::new(),
            },
        };
        self.run_now(&backup.service, work, client)
    }

    fn unknown(&self, service: &str) -> Reply {
        names::unknown_service(service, self.state.appliance())
    }

    fn go_down(&mut self, client: u64, how: How) -> Option<Reply> {
        // Answered before it begins: a machine without services is gone at once.
        self.host.control.reply(client, &Reply::Done);
        self.drive(Event::Down(how));
        None
    }

    /// Looks again first: whoever wrote an entry may have been killed before it said so.
    fn roll_back(&mut self, client: u64) -> Option<Reply> {
        if self.place == Place::Machine
            && let refused @ Reply::Refused { .. } = self.rescan()
        {
            return Some(refused);
        }
        self.drive(Event::Rollback { client });
        None
    }

    fn rescan(&mut self) -> Reply {
        let looked = self.host.ground.look();
        done(looked.map(|fallback| self.drive(Event::Rescanned(fallback))))
    }

    fn turn_service(
        &mut self,
        name: &str,
        event: impl FnOnce(ServiceId) -> Event,
    ) -> Option<Reply> {
        let Some(service) = self.state.find(name) else {
            return Some(self.unknown(name));
        };
        self.drive(event(service));
        None
    }

    /// What follows is the process's own doing: if it ends, that is an exit like any other.
    fn signal(&mut self, service: &str, signal: i32) -> Reply {
        let Some(id) = self.state.find(service) else {
            return self.unknown(service);
        };
        if !SIGNALS.iter().any(|(_, number)| *number == signal) {
            return refused(format!("signal {signal} is none that a service is sent"));
        }
        if self.host.pid(id).is_none() {
            return refused(format!("`{service}` has no process"));
        }
        self.host.signal(id, signal);
        Reply::Done
    }

    fn logs(&self, service: &str, lines: u32) -> Reply {
        let found = self.state.find(service);
        match found.and_then(|id| self.host.captures.get(id.0)) {
            None => self.unknown(service),
            Some(capture) => Reply::Logs {
                lines: capture.last(lines.min(MAX_LINES) as usize),
            },
        }
    }

    fn reports(&self) -> Reply {
        let meta = self.host.ground.meta.as_ref();
        match meta.map_or_else(|| Ok(Vec::new()), |meta| meta.reports()) {
            Ok(reports) => Reply::Reports { reports },
            Err(error) => Reply::Refused {
                reason: chain(&error),
            },
        }
    }

    fn status(&self) -> Status {
        let appliance = self.state.appliance();
        let ground = &self.host.ground;
        Status {
            name: appliance.name.clone(),
            version: appliance.version.clone(),
            profile: appliance.profile.clone(),
            slot: ground.slot(),
            entry: ground.entry_name(),
            slots: ground.slots.status(),
            quarantine: ground.quarantine(),
            boot: self.state.boot(),
            reason: self.state.reason().map(str::to_owned),
            uptime_ms: self.host.now(),
            init_rss_kib: resident_kib(),
            address: ground.network.as_ref().and_then(|n| n.address()),
            warnings: [
                ground.warnings.clone(),
                self.state.warning().into_iter().collect(),
            ]
            .concat(),
            services: self.state.services(),
            phases: ground.phases.clone(),
        }
    }
}

const fn wait_for(token: Token, fd: BorrowedFd<'_>, interest: Interest) -> Wait<'_, Token> {
    Wait {
        token,
        fd,
        interest,
    }
}

fn done(outcome: Result<(), String>) -> Reply {
    match outcome {
        Ok(()) => Reply::Done,
        Err(reason) => Reply::Refused { reason },
    }
}

const fn refused(reason: String) -> Reply {
    Reply::Refused { reason }
}

/// `VmRSS` of this process in KiB; 0 where `/proc` is not mounted.
pub fn resident_kib() -> u64 {
    let status = std::fs::read_to_string("/proc/self/status").unwrap_or_default();
    let line = status.lines().find_map(|line| line.strip_prefix("VmRSS:"));
    let number = line.and_then(|rest| rest.split_ascii_whitespace().next());
    number.and_then(|number| number.parse().ok()).unwrap_or(0)
}
