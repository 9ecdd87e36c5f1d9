//! `[[service]]`: processes, expanded to one draft per instance.

use std::collections::BTreeMap;

use bedplate_contract::{
    appliance::Secret,
    service::{Kind, Limits, PIDS, Restart, RestartWhen, SIGNALS, Stop, StopHttp},
};

use super::{
    Known, Mount, Service,
    account::Accounts,
    config, confinement,
    content::Sources,
    cron,
    decode::Table,
    environment,
    gpu::{self, Assigned},
    instance::{self, Instance},
    literal, mount, name, port,
    probe::{self, Purpose},
    problem::Problem,
    source::{At, Place},
    template::Scope,
    unit, wait,
};

/// A service whose `requires` and `after` are still to be resolved.
#[derive(Debug)]
pub(super) struct Draft {
    /// The service, but for `requires` and `after`.
    pub service: Service,
    /// Name of the `[[service]]` table.
    pub template: String,
    /// As written.
    pub requires: Vec<At<String>>,
    /// As written.
    pub after: Vec<At<String>>,
    /// Ports that it listens on.
    pub listens: Vec<At<u16>>,
    /// Ports that its probes ask on the loopback.
    pub probed: Vec<At<u16>>,
    /// Ports that it waits for on the loopback.
    pub awaited: Vec<At<u16>>,
    /// Its header.
    pub place: Place,
    /// Whether its image cannot be had, so that it is left out.
    pub left_out: bool,
}

/// What may ask a service to end; a kill asks nothing.
fn stop_signals() -> Vec<(&'static str, i32)> {
    let asks = SIGNALS.into_iter().filter(|(name, _)| *name != "SIGKILL");
    asks.collect()
}

/// Every `[[service]]`, instances expanded, in the order of the file.
pub(super) fn read(root: &Table<'_>, known: &Known<'_>) -> Vec<Draft> {
    let mut drafts = Vec::new();
    for table in root.tables("service") {
        for instance in instance::read(&table, known) {
            let scoped = table.with_scope(&instance.scope);
            drafts.push(scoped.decode(|table| read_one(table, instance, known)));
        }
    }
    drafts
}

fn read_one(table: &Table<'_>, instance: Instance, known: &Known<'_>) -> Draft {
    // `instance::read` asked an unscoped copy of this table for them.
    table.know(&["instance", "instances"]);
    let template = table.required("name", name::service).value;
    let (mut probed, mut awaited) = (Vec::new(), Vec::new());
    let listens = [port::read(table), instance.ports.clone()].concat();
    let kind = read_kind(table);
    let oci = known.images.find(table, "oci").map(|image| image.value);
    let service = Service {
        name: match &instance.name {
            Some(name) => format!("{template}@{name}"),
            None => template.clone(),
        },
        kind,
        schedule: cron::read(table),
        run: read_run(table),
        mounts: read_mounts(table, known),
        wait: wait::read(table, &mut awaited),
        ports: listens.iter().map(|port| port.value).collect(),
        essential: read_essential(table, kind, instance.essential),
        restart: read_restart(table, kind),
        startup: probe::read(table, Purpose::Startup, &mut probed),
        ready: probe::read(table, Purpose::Ready, &mut probed),
        live: probe::read(table, Purpose::Live, &mut probed),
        checks: probe::checks(table),
        oci,
        ..read_process(table, (known, &instance.scope))
    };
    let gpu = gpu::read(table);
    let works_on_gpu = gpu.as_ref().is_some_and(Assigned::is_any) || probe::ask_gpu(&service);
    let mut environment = over(service.environment, instance.environment);
    if let Some(assigned) = &gpu {
        assigned.tell(table, &mut environment);
    }
    let service = Service {
        environment,
        gpu: works_on_gpu,
        ..service
    };
    check_probes(table, &service);
    check_schedule(table, &service);
    confinement::check(table, &service);
    Draft {
        template,
        requires: [table.strings("requires"), instance.requires].concat(),
        after: [table.strings("after"), instance.after].concat(),
        listens,
        probed,
        awaited,
        place: table.header(),
        left_out: service
            .oci
            .as_ref()
            .is_some_and(|image| known.images.is_absent(image)),
        service,
    }
}

/// What any process is told, whatever makes it run: an unnamed daemon without a program.
pub(super) fn read_process(table: &Table<'_>, (known, scope): (&Known<'_>, &Scope)) -> Service {
    let runtime_directories = read_runtime_directories(table);
    Service {
        name: String::new(),
        kind: Kind::Daemon,
        schedule: None,
        run: Vec::new(),
        oci: None,
        mounts: Vec::new(),
        user: read_user(table, known.accounts),
        groups: read_groups(table, known.accounts),
        environment: read_environment(table, known.sources),
        secret_environment: read_secret_environment(table, known.secrets),
        secrets: read_secrets(table, known.secrets),
        working_directory: read_working_directory(table),
        config: config::read(table, &runtime_directories, (known, scope)),
        runtime_directories,
        private_tmp_bytes: read_private_tmp(table),
        gpu: false,
        devices: confinement::devices(table),
        capabilities: confinement::capabilities(table),
        sandbox: confinement::permissions(table),
        network: confinement::network(table),
        wait: Vec::new(),
        ports: Vec::new(),
        requires: Vec::new(),
        after: Vec::new(),
        essential: false,
        restart: restart_defaults(RestartWhen::Always),
        startup: None,
        ready: None,
        live: None,
        checks: Vec::new(),
        limits: table
            .table("limits")
            .map(|t| t.decode(read_limits))
            .unwrap_or(Limits {
                pids: Some(PIDS),
                ..Limits::default()
            }),
        stop: read_stop(table),
    }
}

/// `base` with the variables of `instance` laid over it.
fn over(
    mut base: BTreeMap<String, String>,
    instance: BTreeMap<String, String>,
) -> BTreeMap<String, String> {
    base.extend(instance);
    base
}

fn read_kind(table: &Table<'_>) -> Kind {
    let kinds = [
        ("daemon", Kind::Daemon),
        ("oneshot", Kind::Oneshot),
        ("scheduled", Kind::Scheduled),
    ];
    table.choice("kind", &kinds).unwrap_or(Kind::Daemon)
}

/// A service of an image may leave it to the image's configuration.
fn read_run(table: &Table<'_>) -> Vec<String> {
    if table.is_absent("oci") {
        table.require("run");
    } else if table.is_absent("run") {
        return Vec::new();
    }
    let run = probe::command(table, "run").unwrap_or_default();
    for word in table.strings("run") {
        literal::check_variable("", &word, table.problems());
    }
    run
}

fn read_mounts(table: &Table<'_>, known: &Known<'_>) -> Vec<Mount> {
    let mounts = mount::read(table, known.volumes);
    if table.is_absent("oci") && !mounts.is_empty() {
        let label = "it sees the whole appliance; `mounts` belongs to services with `oci`";
        table.fail("`mounts` of a service without `oci`", label);
    }
    mounts
}

/// Root is never the default: whoever wants it says so.
fn read_user(table: &Table<'_>, accounts: &Accounts) -> String {
    let user = table.required("user", |text| Ok(text.to_owned()));
    if !user.value.is_empty() {
        accounts.check_user(&user, table.problems());
    }
    user.value
}

fn read_groups(table: &Table<'_>, accounts: &Accounts) -> Vec<String> {
    let groups = table.strings("groups");
    groups
        .iter()
        .for_each(|group| accounts.check_group(group, table.problems()));
    groups.into_iter().map(|group| group.value).collect()
}

fn read_environment(table: &Table<'_>, sources: &Sources<'_>) -> BTreeMap<String, String> {
    let mut environment = BTreeMap::new();
    environment::read(table, sources, &mut environment);
    environment
}

fn read_secret_environment(table: &Table<'_>, known: &[Secret]) -> BTreeMap<String, String> {
    let mut variables = BTreeMap::new();
    for (variable, secret) in table.map("secret_environment") {
        let title = "invalid variable in `secret_environment`";
        table
            .problems()
            .keep(&variable, title, name::variable(&variable.value));
        check_secret(table, &secret, known);
        variables.insert(variable.value, secret.value);
    }
    variables
}

fn read_secrets(table: &Table<'_>, known: &[Secret]) -> Vec<String> {
    let secrets = table.strings("secrets");
    secrets
        .iter()
        .for_each(|secret| check_secret(table, secret, known));
    secrets.into_iter().map(|secret| secret.value).collect()
}

/// Reports `found` unless it is a secret of the definition.
pub(super) fn check_secret(table: &Table<'_>, found: &At<String>, known: &[Secret]) {
    let names: Vec<_> = known.iter().map(|secret| secret.name.as_str()).collect();
    if names.contains(&found.value.as_str()) {
        return;
    }
    let help = match name::nearest(&found.value, names) {
        Some(near) => format!("did you mean `{near}`?"),
        None => "declare it with `[[secret]]`".to_owned(),
    };
    let title = format!("unknown secret `{}`", found.value);
    let problem = Problem::error(title).at(&found.place, "no such secret");
    table.problems().add(problem.help(help));
}

fn read_working_directory(table: &Table<'_>) -> Option<String> {
    let check = |text: &str| match text {
        "/" => Ok(text.to_owned()),
        _ => name::absolute(text),
    };
    let directory = table.parsed("working_directory", check);
    directory.map(|directory| directory.value)
}

fn read_runtime_directories(table: &Table<'_>) -> Vec<String> {
    let directories = table.strings("runtime_directories");
    for directory in &directories {
        let relative = directory.value.trim_start_matches('/');
        let inside = name::absolute(&format!("/{relative}"));
        let own = ["bedplate", "credentials"];
        let expected = match relative.split('/').next() {
            Some(top) if own.contains(&top) => Err(format!("`/run/{top}` is init's own")),
            _ => inside.map_err(|_| "expected a path relative to `/run`".to_owned()),
        };
        table
            .problems()
            .keep(directory, "invalid runtime directory", expected);
    }
    directories
        .into_iter()
        .map(|directory| directory.value)
        .collect()
}

/// `private_tmp`: its own, of a size that suits most, or of another.
fn read_private_tmp(table: &Table<'_>) -> Option<u64> {
    // Enough for uploads and sorts; a service with a memory limit pays for it from that.
    const SIZE: u64 = 256 << 20;
    if table.is_string("private_tmp") {
        let size = table.parsed("private_tmp", unit::size_bytes);
        return Some(size.map_or(SIZE, |size| size.value));
    }
    let own = table.boolean("private_tmp").unwrap_or(true);
    own.then_some(SIZE)
}

fn read_essential(table: &Table<'_>, kind: Kind, over: Option<bool>) -> bool {
    let own = table.boolean("essential");
    over.or(own).unwrap_or(kind != Kind::Scheduled)
}

fn check_probes(table: &Table<'_>, service: &Service) {
    let probed = [&service.startup, &service.ready, &service.live];
    if probed.iter().all(|probe| probe.is_none()) && service.checks.is_empty() {
        return;
    }
    match service.kind {
        Kind::Daemon => {}
        Kind::Oneshot => table.fail(
            "a probe or check on a oneshot",
            "a oneshot is ready when it has exited with 0",
        ),
        Kind::Scheduled => table.fail(
            "a probe or check on a scheduled service",
            "a scheduled service is done when it has exited with 0",
        ),
    }
}

/// The gate cannot wait for a run that may come in a week.
fn check_schedule(table: &Table<'_>, service: &Service) {
    match service.kind {
        Kind::Scheduled if service.essential => table.fail(
            "an essential scheduled service",
            "it cannot be ready: the gate would not know what to wait for",
        ),
        Kind::Scheduled if service.restart.when == RestartWhen::Always => table.fail(
            "a scheduled service that is always restarted",
            "expected `on-failure` or `never`: its next run is at its next time",
        ),
        Kind::Daemon | Kind::Oneshot if service.schedule.is_some() => table.fail(
            "a `schedule` on another kind of service",
            "expected `kind = \"scheduled\"`",
        ),
        _ => {}
    }
}

/// Delays of 1, 2, 4, 8 and 16 s: half a minute of trying before the service has failed.
pub(super) fn restart_defaults(when: RestartWhen) -> Restart {
    Restart {
        when,
        delay_ms: 1_000,
        max_delay_ms: 30_000,
        budget: 5,
        window_ms: 300_000,
    }
}

/// `restart = "always"`, or a table; daemons are always restarted, oneshots when they fail, what
/// is scheduled waits for its next time.
fn read_restart(table: &Table<'_>, kind: Kind) -> Restart {
    const WHEN: [(&str, RestartWhen); 3] = [
        ("always", RestartWhen::Always),
        ("on-failure", RestartWhen::OnFailure),
        ("never", RestartWhen::Never),
    ];
    let default = match kind {
        Kind::Daemon => RestartWhen::Always,
        Kind::Oneshot => RestartWhen::OnFailure,
        Kind::Scheduled => RestartWhen::Never,
    };
    let restart = restart_defaults;
    if table.is_string("restart") {
        return restart(table.choice("restart", &WHEN).unwrap_or(default));
    }
    let Some(details) = table.table("restart") else {
        return restart(default);
    };
    details.decode(|table| {
        let restart = restart(table.choice("when", &WHEN).unwrap_or(default));
        let time = |key, default| {
            let found = table.parsed(key, unit::duration_ms);
            found.map_or(default, |found| found.value)
        };
        Restart {
            when: restart.when,
            delay_ms: time("delay", restart.delay_ms),
            max_delay_ms: time("max_delay", restart.max_delay_ms),
            budget: table
                .integer("budget", 0..1 << 20)
                .map_or(restart.budget, |n| n.value),
            window_ms: time("window", restart.window_ms),
        }
    })
}

fn read_limits(table: &Table<'_>) -> Limits {
    Limits {
        memory_bytes: table
            .parsed("memory", unit::size_bytes)
            .map(|size| size.value),
        cpu_percent: table.integer("cpu_percent", 1..1 << 20).map(|n| n.value),
        pids: table
            .integer("pids", 1..1 << 22)
            .map_or(Some(PIDS), |n| Some(n.value)),
        runtime_bytes: table
            .parsed("runtime", unit::size_bytes)
            .map(|size| size.value),
        nofile: table.integer("nofile", 1..1 << 30).map(|n| n.value),
        memlock_bytes: table
            .parsed("memlock", unit::size_or_unlimited)
            .map(|size| size.value),
    }
}

/// `SIGTERM` and ten seconds unless said otherwise.
fn read_stop(table: &Table<'_>) -> Stop {
    let default = Stop {
        http: None,
        signal: 15,
        timeout_ms: 10_000,
    };
    let read = |table: &Table<'_>| Stop {
        http: table.table("http").map(|t| t.decode(read_stop_http)),
        signal: table.choice("signal", &stop_signals()).unwrap_or(15),
        timeout_ms: table
            .parsed("timeout", unit::duration_ms)
            .map_or(10_000, |t| t.value),
    };
    table
        .table("stop")
        .map_or(default, |table| table.decode(read))
}

fn read_stop_http(table: &Table<'_>) -> StopHttp {
    let (address, port) = probe::endpoint(table, &mut Vec::new());
    table.require("path");
    StopHttp {
        address,
        port,
        path: probe::url_path(table).unwrap_or_default(),
    }
}
