//! What a service cannot get out of: the program of `tests/images/escape`, and what a definition widens.

use std::{env, fs};

use anyhow::{Context, Result, ensure};
use bedplate_contract::{
    appliance::Volume,
    event::name,
    service::{Check, Permission, Service, ServiceNetwork},
};

use crate::{
    appliance::{appliance, probe, script, service},
    cases::Case,
    root::Container,
};

pub const ALL: &[(&str, Case)] = &[
    ("a_service_of_a_user_stays_in_its_confinement", user),
    ("a_service_of_root_stays_in_its_confinement", root),
    ("a_definition_widens_what_it_names", widened),
    ("a_service_has_the_capabilities_it_names", capable),
    ("a_service_without_a_network_has_its_loopback", alone),
    ("many_services_start", many),
];

const PROGRAM: &str = include_str!("../../../tests/images/escape/files/escape.pl");

/// Ways that the program tries where the kernel here limits nothing by cgroups.
const WAYS: usize = 60;

fn attacker(uid: u32) -> Service {
    let run = [
        "/usr/bin/perl",
        "/srv/escape.pl",
        "victim",
        "/srv/data",
        "0",
        "0",
    ];
    let mut attacker = service("attacker", &run);
    (attacker.uid, attacker.gid) = (uid, uid);
    attacker.secrets = vec!["token".to_owned()];
    attacker.runtime_directories = vec!["attacker".to_owned()];
    attacker.private_tmp_bytes = Some(1 << 20);
    let name = ("NAME".to_owned(), "attacker".to_owned());
    attacker.environment = [name].into();
    attacker.requires = vec!["victim".to_owned()];
    attacker
}

fn attack(uid: u32) -> Result<()> {
    let mut victim = script("victim", "echo something to hide; exec sleep 1000");
    (victim.uid, victim.gid) = (2000, 2000);
    victim.secrets = vec!["token".to_owned()];
    let mut appliance = appliance(vec![victim, attacker(uid)]);
    appliance.volumes = vec![Volume {
        name: "data".to_owned(),
        path: "/srv/data".to_owned(),
        uid,
        gid: uid,
        mode: 0o700,
        data_schema: 1,
        executable: false,
    }];
    let container = Container::start_with(&appliance, |root| {
        Ok(fs::write(root.join("srv/escape.pl"), PROGRAM)?)
    })?;
    container.wait_for(name::HEALTHY)?;
    let lines = container.wait("the end of the table", |_| {
        let lines = container.lines("attacker", 200).ok()?;
        lines.iter().any(|line| line == "end").then_some(lines)
    })?;
    if env::var_os("BEDPLATE_TABLE").is_some() {
        eprintln!("{}", lines.join("\n"));
    }
    let rows = lines.iter().filter_map(|line| line.split_once(" | "));
    let rows: Vec<_> = rows.collect();
    ensure!(rows.len() >= WAYS, "{} ways: {lines:?}", rows.len());
    let escaped: Vec<_> = rows
        .iter()
        .filter(|(_, how)| !how.starts_with("held"))
        .collect();
    ensure!(escaped.is_empty(), "{escaped:#?}");
    Ok(())
}

fn user() -> Result<()> {
    attack(1000)
}

fn root() -> Result<()> {
    attack(0)
}

/// Each in two services, with its word and without.
fn widened() -> Result<()> {
    let tries = [
        // What the kernel makes of nonsense; a user namespace needs a root that is no chroot.
        (
            Permission::Namespaces,
            "perl -e 'syscall(435, 0, 0); exit($!{ENOSYS} ? 1 : 0)'",
        ),
        (Permission::Exec, "cp /usr/bin/true /tmp/true && /tmp/true"),
        (Permission::Processes, "test -e /proc/1/status"),
        (
            Permission::Keyring,
            "perl -e 'exit(syscall(250, 0, -3, 1) < 0)'",
        ),
    ];
    let mut services = Vec::new();
    for (at, (permission, text)) in tries.iter().enumerate() {
        for allowed in [false, true] {
            let text = format!("{text} && echo yes || echo no; exec sleep 1000");
            let mut one = script(&format!("try-{at}-{allowed}"), &text);
            one.private_tmp_bytes = Some(1 << 20);
            one.sandbox.extend(allowed.then_some(*permission));
            services.push(one);
        }
    }
    let container = Container::start(&appliance(services))?;
    container.wait_for(name::HEALTHY)?;
    for (at, (permission, _)) in tries.iter().enumerate() {
        for (allowed, expected) in [(false, "no"), (true, "yes")] {
            let name = format!("try-{at}-{allowed}");
            let last = container.wait("an answer", |_| {
                let lines = container.lines(&name, 10).ok()?;
                lines
                    .last()
                    .filter(|line| *line == "yes" || *line == "no")
                    .cloned()
            })?;
            ensure!(last == expected, "{permission:?} with {allowed}: {last}");
        }
    }
    Ok(())
}

/// A user gets what it names and a program keeps it; root gets no more.
fn capable() -> Result<()> {
    let text = "grep -E 'Cap(Eff|Prm|Bnd|Amb)' /proc/self/status; echo end; exec sleep 1000";
    let mut services = Vec::new();
    for uid in [0, 1000] {
        let mut one = script(&format!("of-{uid}"), text);
        (one.uid, one.gid) = (uid, uid);
        // net_bind_service and sys_chroot.
        one.capabilities = vec![10, 18];
        services.push(one);
    }
    let container = Container::start(&appliance(services))?;
    container.wait_for(name::HEALTHY)?;
    for uid in [0, 1000] {
        let lines = container.wait("the capabilities", |_| {
            let lines = container.lines(&format!("of-{uid}"), 10).ok()?;
            lines.iter().any(|line| line == "end").then_some(lines)
        })?;
        let sets: Vec<_> = lines
            .iter()
            .filter(|line| line.starts_with("Cap"))
            .collect();
        let named = format!("{:016x}", (1_u64 << 10) | (1 << 18));
        let all = sets.iter().all(|line| line.ends_with(&named));
        ensure!(all && sets.len() == 4, "user {uid}: {sets:?}");
    }
    Ok(())
}

/// Nothing but `lo`, which is up; its probe is in the same network.
fn alone() -> Result<()> {
    let text = "cat /proc/net/dev | tail -n +3 | cut -d: -f1; exec perl -MIO::Socket::INET -e \
                'my $s = IO::Socket::INET->new(Listen => 1, LocalAddr => \"127.0.0.1:80\") or die $@; \
                print \"listens\\n\"; $| = 1; sleep 1 while $s->accept'";
    let mut alone = script("alone", text);
    alone.network = ServiceNetwork::None;
    alone.capabilities = vec![10];
    let ask = "IO::Socket::INET->new(\"127.0.0.1:80\") or die $@";
    let run = ["/usr/bin/perl", "-MIO::Socket::INET", "-e", ask];
    alone.ready = Some(probe(Check::Exec {
        run: run.map(str::to_owned).to_vec(),
    }));
    let container = Container::start(&appliance(vec![alone]))?;
    container.wait_for(name::HEALTHY)?;
    let lines = container.lines("alone", 10)?;
    let first = lines.first().context("no line")?;
    ensure!(first.trim() == "lo", "{lines:?}");
    Ok(())
}

/// How long PID 1 takes to start many, and what it holds then; `BEDPLATE_MANY` has another number.
fn many() -> Result<()> {
    let count = env::var("BEDPLATE_MANY")
        .ok()
        .and_then(|text| text.parse().ok());
    let count: usize = count.unwrap_or(50);
    let services = (0..count).map(|at| {
        let mut one = service(&format!("s{at}"), &["/usr/bin/sleep", "100000"]);
        one.private_tmp_bytes = Some(1 << 20);
        one
    });
    let container = Container::start(&appliance(services.collect()))?;
    container.wait_for(name::HEALTHY)?;
    let events = container.events();
    let first = events.first().map_or(0, |event| event.at_ms);
    let healthy = container.wait_for(name::HEALTHY)?.at_ms;
    let status = fs::read_to_string(format!("/proc/{}/status", container.init_pid()?))?;
    let resident = status.lines().find(|line| line.starts_with("VmRSS"));
    let took = healthy.saturating_sub(first);
    let resident = resident.unwrap_or_default();
    eprintln!("{count} services: healthy in {took} ms, 300 of them the gate's; {resident}");
    Ok(())
}
