//! Services with their state, and why they are not ready.

use bedplate_contract::control::{CheckStatus, ScheduleStatus, ServiceStatus};

use super::{
    table,
    text::{or_dash, printable, seconds},
};

/// One line per service, in start order, below a heading.
pub fn render(services: &[ServiceStatus]) -> String {
    let heading = ["SERVICE", "STATE", "NEED", "PID", "RESTARTS", "BECAUSE"];
    let heading = heading.map(str::to_owned).to_vec();
    let rows = services.iter().map(row);
    let rows: Vec<_> = std::iter::once(heading).chain(rows).collect();
    table::align(&rows)
}

fn row(service: &ServiceStatus) -> Vec<String> {
    let need = if service.essential {
        "essential"
    } else {
        "optional"
    };
    let pid = service.pid.map(|pid| pid.to_string());
    let because = service.because.as_deref().map(printable);
    let times = service.schedule.as_ref().map(times);
    let checks = service.checks.iter().filter_map(failed);
    let because: Vec<_> = because.into_iter().chain(times).chain(checks).collect();
    vec![
        printable(&service.name),
        printable(&service.state),
        need.to_owned(),
        or_dash(pid.as_deref()),
        service.restarts.to_string(),
        because.join("; "),
    ]
}

/// A check that does not hold, and why.
fn failed(check: &CheckStatus) -> Option<String> {
    let because = check.because.as_deref()?;
    Some(format!(
        "check {}: {}",
        printable(&check.name),
        printable(because)
    ))
}

/// When a scheduled service runs next, and how it ran last.
fn times(schedule: &ScheduleStatus) -> String {
    let next = match schedule.next {
        Some(next) => format!("next at {next}"),
        None => "on demand".to_owned(),
    };
    let last = schedule.last.as_ref().map(|last| {
        let ended = last.ended.map(|time| format!(" at {time}"));
        let (word, ended) = (
            if last.good { "done" } else { "failed" },
            ended.unwrap_or_default(),
        );
        format!("last {word}{ended} in {}", seconds(last.ms))
    });
    [Some(next), last]
        .into_iter()
        .flatten()
        .collect::<Vec<_>>()
        .join(", ")
}

#[cfg(test)]
mod tests {
    use bedplate_contract::{
        control::{CheckStatus, LastRun, ScheduleStatus},
        utc::Time,
    };

    use super::super::sample;

    #[test]
    fn a_scheduled_service_says_when() {
        let mut services = sample::services();
        services.truncate(1);
        let mut status = ScheduleStatus {
            cron: None,
            next: None,
            last: None,
        };
        services[0].schedule = Some(status.clone());
        assert!(super::render(&services).ends_with("0         on demand\n"));
        status.next = Some(Time::new(1_785_549_600));
        status.last = Some(LastRun {
            ended: Some(Time::new(1_785_463_201)),
            ms: 1500,
            good: false,
            result: "exit status 3".to_owned(),
        });
        services[0].schedule = Some(status);
        let expected =
            "next at 2026-08-01T02:00:00Z, last failed at 2026-07-31T02:00:01Z in 1.500 s\n";
        assert!(super::render(&services).ends_with(expected));
    }

    #[test]
    fn a_check_that_does_not_hold_says_why() {
        let mut services = sample::services();
        services.truncate(1);
        let check = |name: &str, because: Option<&str>| CheckStatus {
            name: name.to_owned(),
            gate: false,
            good: Some(because.is_none()),
            because: because.map(str::to_owned),
        };
        services[0].checks = vec![check("tables", None), check("lag", Some("exit status 1"))];
        assert!(super::render(&services).ends_with("0         check lag: exit status 1\n"));
    }

    #[test]
    fn a_waiting_service_says_for_what() {
        let expected = "\
SERVICE   STATE    NEED       PID  RESTARTS  BECAUSE
postgres  ready    essential  212  0
mcp_bus   waiting  essential  -    3         waiting for postgres because it is not ready
exporter  ready    optional   215  0
";
        assert_eq!(super::render(&sample::services()), expected);
    }

    #[test]
    fn a_long_name_widens_its_column() {
        let mut services = sample::services();
        services[1].name = "a-service-with-a-name-of-forty-characters".to_owned();
        let text = super::render(&services);
        let column = text.find("STATE").unwrap();
        let words = ["STATE", "ready", "waiting", "ready"];
        for (line, word) in text.lines().zip(words) {
            assert_eq!(line.find(word), Some(column), "{text}");
        }
    }

    #[test]
    fn no_services_leave_the_heading() {
        assert_eq!(super::render(&[]).lines().count(), 1);
    }
}
