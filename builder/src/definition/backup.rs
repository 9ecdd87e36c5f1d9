//! `[[backup]]`: what is archived, each by a scheduled service `backup-<name>`.

use bedplate_contract::{
    backup::{Backup, Content},
    layout,
    service::{Kind, RestartWhen},
};

use super::{
    Known, Service,
    content::check_unique,
    cron,
    decode::Table,
    name, probe,
    problem::{Problem, Problems},
    service::{self, Draft},
    source::At,
    unit,
};

/// Seconds that an archive is kept: a week.
const KEEP: u64 = 7 * 86_400;

/// A backup whose `stops` are still to be resolved.
#[derive(Debug)]
pub(super) struct Unresolved {
    backup: Backup,
    stops: Vec<At<String>>,
}

/// Every `[[backup]]` with its service, in the order of the file.
pub(super) fn read(root: &Table<'_>, known: &Known<'_>) -> Vec<(Unresolved, Draft)> {
    let mut names = Vec::new();
    let mut read = |table: &Table<'_>| {
        let name = table.required("name", name::service);
        check_unique(table.problems(), "backup", &name, &mut names);
        let service = read_service(table, known, &name.value);
        let backup = Backup {
            service: service.name.clone(),
            directory: read_directory(table, known, &name.value),
            content: read_content(table),
            keep_seconds: table
                .parsed("keep", unit::age_seconds)
                .map_or(KEEP, |keep| keep.value),
            stops: Vec::new(),
            name: name.value,
        };
        check_directory(table, &backup);
        let draft = Draft {
            template: service.name.clone(),
            service,
            requires: table.strings("requires"),
            after: Vec::new(),
            listens: Vec::new(),
            probed: Vec::new(),
            awaited: Vec::new(),
            place: table.header(),
            left_out: false,
        };
        let stops = table.strings("stops");
        (Unresolved { backup, stops }, draft)
    };
    let tables = root.tables("backup").into_iter();
    let tables = tables.map(|table| table.with_scope(known.scope));
    tables.map(|table| table.decode(&mut read)).collect()
}

/// Never tried again before its next time: whoever fails at night may fail each minute of it.
fn read_service(table: &Table<'_>, known: &Known<'_>, name: &str) -> Service {
    Service {
        name: format!("backup-{name}"),
        kind: Kind::Scheduled,
        schedule: cron::read(table),
        run: [layout::BEDPLATECTL, "archive", name]
            .map(str::to_owned)
            .into(),
        restart: service::restart_defaults(RestartWhen::Never),
        ..service::read_process(table, (known, known.scope))
    }
}

/// A directory of its own on the volume: volumes are shared, archives are not.
fn read_directory(table: &Table<'_>, known: &Known<'_>, name: &str) -> String {
    let volume = table.required("volume", |text| Ok(text.to_owned()));
    let found = known.volumes.iter().find(|v| v.name == volume.value);
    if found.is_none() && !volume.value.is_empty() {
        let names: Vec<_> = known.volumes.iter().map(|v| v.name.as_str()).collect();
        let title = format!("unknown volume `{}`", volume.value);
        let problem = Problem::error(title).at(&volume.place, "no such volume");
        let help = name::suggestion(&volume.value, &names);
        table.problems().add(problem.help(help));
    }
    let path = found.map(|volume| volume.path.as_str()).unwrap_or_default();
    format!("{path}/{name}")
}

fn read_content(table: &Table<'_>) -> Content {
    let command = |key| probe::command(table, key);
    let verify = command("verify");
    let path = table.parsed("path", name::absolute);
    match (path, command("create"), command("restore")) {
        (Some(path), None, None) if verify.is_none() => Content::Directory(path.value),
        (None, Some(create), Some(restore)) => Content::Commands {
            create,
            restore,
            verify,
        },
        _ => {
            let label = "needs `create` and `restore` (and may have `verify`), or `path` alone";
            table.fail("not one content", label);
            Content::Directory(String::new())
        }
    }
}

/// An archive of a directory that it lies in would hold all archives before it.
fn check_directory(table: &Table<'_>, backup: &Backup) {
    if let Content::Directory(path) = &backup.content
        && !path.is_empty()
        && format!("{}/", backup.directory).starts_with(&format!("{path}/"))
    {
        let label = format!("`{}` is below `{path}`", backup.directory);
        table.fail("archives inside of what is archived", label);
    }
}

/// The backups, once the services are known: a template's name stands for all its instances, and
/// what is left out needs neither an archive nor to be stopped.
pub(super) fn resolve(
    backups: Vec<Unresolved>,
    (services, left_out): (&[Service], &[String]),
    problems: &Problems,
) -> Vec<Backup> {
    let kept = |unresolved: &Unresolved| !left_out.contains(&unresolved.backup.service);
    let known = Services {
        names: services.iter().map(|s| s.name.as_str()).collect(),
        left_out,
    };
    let resolve = |unresolved: Unresolved| {
        let stops = unresolved.stops.iter();
        Backup {
            stops: stops.flat_map(|stop| known.find(stop, problems)).collect(),
            ..unresolved.backup
        }
    };
    backups.into_iter().filter(kept).map(resolve).collect()
}

/// Names that `stops` may have.
struct Services<'a> {
    names: Vec<&'a str>,
    left_out: &'a [String],
}

impl Services<'_> {
    fn find(&self, stop: &At<String>, problems: &Problems) -> Vec<String> {
        let template = format!("{}@", stop.value);
        let fits = |name: &str| name == stop.value || name.starts_with(&template);
        let names = self.names.iter().filter(|name| fits(name));
        let found: Vec<_> = names.map(|name| (*name).to_owned()).collect();
        let left_out = self.left_out.iter().any(|name| fits(name));
        // Without services their graph is broken, and that is what must be mended.
        if found.is_empty() && !left_out && !self.names.is_empty() {
            let title = format!("unknown service `{}`", stop.value);
            let problem = Problem::error(title).at(&stop.place, "no such service");
            problems.add(problem.help(name::suggestion(&stop.value, &self.names)));
        }
        found
    }
}
