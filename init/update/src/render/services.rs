//! Services with their state, and why they are not ready.

use bedplate_contract::control::ServiceStatus;

use super::{
    table,
    text::{or_dash, printable},
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
    vec![
        printable(&service.name),
        printable(&service.state),
        need.to_owned(),
        or_dash(pid.as_deref()),
        service.restarts.to_string(),
        because.unwrap_or_default(),
    ]
}

#[cfg(test)]
mod tests {
    use super::super::sample;

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
