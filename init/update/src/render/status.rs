//! The state of everything on one screen.

use bedplate_contract::control::{BootState, PhaseTime, Status};

use super::{
    services, slots, table,
    text::{long_time, mib, or_dash, printable, seconds},
};

/// Facts, then slots and quarantine, then services, then phases; an empty line between them.
pub fn render(status: &Status) -> String {
    let mut text = table::align(&facts(status));
    if !status.slots.is_empty() {
        text.push('\n');
        text.push_str(&slots::render(&status.slots));
    }
    if !status.quarantine.is_empty() {
        text.push('\n');
        text.push_str(&slots::quarantine(&status.quarantine));
    }
    if !status.services.is_empty() {
        text.push('\n');
        text.push_str(&services::render(&status.services));
    }
    if !status.phases.is_empty() {
        text.push('\n');
        text.push_str(&phases(&status.phases));
    }
    text
}

fn facts(status: &Status) -> Vec<Vec<String>> {
    let image = format!("{} {}", status.name, status.version);
    let mut facts = vec![
        fact("image", printable(&image)),
        fact("profile", printable(&status.profile)),
        fact("slot", or_dash(status.slot.as_deref())),
        fact("entry", or_dash(status.entry.as_deref())),
        fact("boot", boot(status.boot).to_owned()),
    ];
    let reason = status.reason.iter();
    facts.extend(reason.map(|reason| fact("because", printable(reason))));
    facts.extend([
        fact("uptime", long_time(status.uptime_ms)),
        fact("address", or_dash(status.address.as_deref())),
        fact("init", format!("{} resident", mib(status.init_rss_kib))),
    ]);
    let warnings = status.warnings.iter();
    facts.extend(warnings.map(|warning| fact("warning", printable(warning))));
    facts
}

fn fact(name: &str, value: String) -> Vec<String> {
    vec![name.to_owned(), value]
}

fn boot(state: BootState) -> &'static str {
    match state {
        BootState::Starting => "starting",
        BootState::Gating => "gating: services are started, the gate is pending",
        BootState::Healthy => "healthy",
        BootState::Failing => "failing: it was healthy before",
        BootState::Degraded => "degraded: the gate failed and nothing else can boot",
        BootState::Stopping => "stopping",
    }
}

/// One line per phase with its time, below a heading; an error follows the time.
pub fn phases(phases: &[PhaseTime]) -> String {
    let heading = vec!["PHASE".to_owned(), "TIME".to_owned(), "ERROR".to_owned()];
    let failed = phases.iter().any(|phase| phase.error.is_some());
    let rows = phases.iter().map(|phase| {
        let error = phase.error.as_deref().map(printable);
        vec![
            printable(&phase.phase),
            seconds(phase.ms),
            error.unwrap_or_default(),
        ]
    });
    let columns = if failed { 3 } else { 2 };
    let heading = heading.into_iter().take(columns).collect();
    let rows: Vec<_> = std::iter::once(heading).chain(rows).collect();
    table::align(&rows)
}

#[cfg(test)]
mod tests {
    use super::super::sample;
    use super::*;

    #[test]
    fn a_healthy_machine_in_slot_a() {
        let expected = "\
image    justnews 4.0.1
profile  min
slot     a
entry    justnews_4.0.1.efi
boot     healthy
uptime   1 h 2 min
address  10.0.2.15/24
init     2.9 MiB resident

SLOT  STATE    VERSION  ENTRY                 ROOT HASH
a *   blessed  4.0.1    justnews_4.0.1.efi    010101010101
b     trial    4.0.2    justnews_4.0.2+3.efi  020202020202

SERVICE   STATE  NEED       PID  RESTARTS  BECAUSE
postgres  ready  essential  212  0

PHASE   TIME
mounts  0.012 s
state   1.834 s
";
        assert_eq!(render(&sample::healthy()), expected);
    }

    #[test]
    fn a_degraded_machine_in_slot_b() {
        let expected = "\
image    justnews 4.0.1
profile  min
slot     b
entry    justnews_4.0.1+0-3.efi
boot     degraded: the gate failed and nothing else can boot
because  not ready: web within 300 s
uptime   1 h 2 min
address  -
init     2.9 MiB resident
warning  expected 16384 MiB of memory, found 3900
warning  expected 100 GiB of disk, found 20

SLOT  STATE  VERSION  ENTRY                   ROOT HASH
a     empty  -        -                       -
b *   bad    4.0.1    justnews_4.0.1+0-3.efi  010101010101

QUARANTINED  ROOT HASH
4.0.2        020202020202

SERVICE   STATE    NEED       PID  RESTARTS  BECAUSE
postgres  ready    essential  212  0
mcp_bus   waiting  essential  -    3         waiting for postgres because it is not ready
exporter  ready    optional   215  0

PHASE    TIME      ERROR
mounts   0.012 s
network  30.000 s  found no lease
";
        assert_eq!(render(&sample::degraded()), expected);
    }

    #[test]
    fn a_container_has_no_slot() {
        let status = Status {
            slot: None,
            entry: None,
            slots: vec![],
            services: vec![],
            phases: vec![],
            ..sample::healthy()
        };
        let text = render(&status);
        assert!(text.contains("slot     -\nentry    -\n"), "{text}");
        assert!(text.ends_with("resident\n"), "{text}");
    }
}
