//! What a service may do besides what every service may: `sandbox`, `capabilities`, `devices`, `network`.

use bedplate_contract::service::{CAPABILITIES, Check, PERMISSIONS, Permission, ServiceNetwork};

use super::{
    Service,
    decode::Table,
    name,
    problem::{Problem, Problems},
    service::Draft,
};

/// Name and default of the first port that everybody may listen on (ip(7)).
pub(super) const PORT_START: (&str, u16) = ("net.ipv4.ip_unprivileged_port_start", 1024);
/// Number of the capability that listens below it.
const NET_BIND_SERVICE: u8 = 10;

/// `sandbox`: permissions by name, each once.
pub(super) fn permissions(table: &Table<'_>) -> Vec<Permission> {
    by_name(table, "sandbox", &PERMISSIONS)
}

/// `capabilities`, by name, each once.
pub(super) fn capabilities(table: &Table<'_>) -> Vec<u8> {
    by_name(table, "capabilities", &CAPABILITIES)
}

fn by_name<T: Copy + PartialEq>(table: &Table<'_>, key: &'static str, all: &[(&str, T)]) -> Vec<T> {
    let mut found = Vec::new();
    for word in table.strings(key) {
        let one = all.iter().find(|(name, _)| *name == word.value);
        match one {
            Some((_, value)) if !found.contains(value) => found.push(*value),
            Some(_) => {}
            None => {
                let names: Vec<_> = all.iter().map(|(name, _)| *name).collect();
                let title = format!("unknown word `{}` in `{key}`", word.value);
                let help = match name::nearest(&word.value, names.iter().copied()) {
                    Some(near) => format!("did you mean `{near}`?"),
                    None => format!("expected some of {}", names.join(", ")),
                };
                let problem = Problem::error(title).at(&word.place, "no such word");
                table.problems().add(problem.help(help));
            }
        }
    }
    found
}

/// `devices`: nodes below `/dev`.
pub(super) fn devices(table: &Table<'_>) -> Vec<String> {
    let mut found = Vec::new();
    for path in table.strings("devices") {
        let expected = "expected an absolute path below `/dev`, such as `/dev/fuse`";
        let below = name::absolute(&path.value)
            .ok()
            .filter(|path| path.starts_with("/dev/"))
            .ok_or_else(|| expected.to_owned());
        found.extend(table.problems().keep(&path, "invalid device", below));
    }
    found
}

/// `network`: the machine's, or none.
pub(super) fn network(table: &Table<'_>) -> ServiceNetwork {
    let choices = [
        ("host", ServiceNetwork::Host),
        ("none", ServiceNetwork::None),
    ];
    table.choice("network", &choices).unwrap_or_default()
}

/// Reports what asks a service over the network that has none.
pub(super) fn check(table: &Table<'_>, service: &Service) {
    if service.network == ServiceNetwork::Host {
        return;
    }
    let probes = [&service.startup, &service.ready, &service.live];
    let probes = probes.into_iter().flatten().map(|probe| &probe.check);
    let checks = service.checks.iter().map(|check| &check.probe.check);
    let asks = |check: &Check| !matches!(check, Check::Exec { .. });
    if probes.chain(checks).any(asks) || service.stop.http.is_some() {
        let label = "init does not reach it; expected `exec`, which runs in its network";
        table.fail("a service without a network that is asked over it", label);
    }
    if !service.ports.is_empty() {
        table.fail(
            "`ports` of a service without a network",
            "nobody reaches them",
        );
    }
}

/// Reports ports that the kernel keeps for those who may have them; `start` is the first that it does not.
pub(super) fn check_ports(drafts: &[Draft], start: u16, problems: &Problems) {
    for draft in drafts {
        if draft.service.capabilities.contains(&NET_BIND_SERVICE) {
            continue;
        }
        for port in draft.listens.iter().filter(|port| port.value < start) {
            let name = &draft.service.name;
            let title = format!("`{name}` may not listen on port {}", port.value);
            let label = format!("the kernel keeps the ports below {start}");
            let problem = Problem::error(title).at(&port.place, label);
            let help = "add `capabilities = [\"net_bind_service\"]` to the service";
            problems.add(problem.help(help));
        }
    }
}
