//! `[[user]]`, and which names an owner or a service's user may have.

use super::{
    User,
    decode::Table,
    name,
    problem::{Problem, Problems},
    source::At,
};

/// Accounts of every Debian root (base-passwd, `passwd.master`), group of the same name included.
const BASE_USERS: [&str; 18] = [
    "root", "daemon", "bin", "sys", "sync", "games", "man", "lp", "mail", "news", "uucp", "proxy",
    "www-data", "backup", "list", "irc", "_apt", "nobody",
];

/// Groups without an account of their name (base-passwd, `group.master`).
const BASE_GROUPS: [&str; 22] = [
    "adm", "tty", "disk", "dialout", "fax", "voice", "cdrom", "floppy", "tape", "sudo", "audio",
    "dip", "operator", "src", "shadow", "utmp", "video", "sasl", "plugdev", "staff", "users",
    "nogroup",
];

/// Names that may be used.
#[derive(Debug)]
pub(super) struct Accounts {
    users: Vec<String>,
    groups: Vec<String>,
}

impl Accounts {
    /// The definition's users, and Debian's when its Essential packages are part of the root.
    pub fn new(users: &[User], essential: bool) -> Self {
        let (base, groups): (&[&str], &[&str]) = match essential {
            true => (&BASE_USERS, &BASE_GROUPS),
            false => (&["root"], &[]),
        };
        let named = users.iter().map(|user| user.name.as_str());
        let users: Vec<_> = named
            .chain(base.iter().copied())
            .map(str::to_owned)
            .collect();
        let groups = users
            .iter()
            .cloned()
            .chain(groups.iter().map(|&g| g.to_owned()))
            .collect();
        Self { users, groups }
    }

    /// Reports `user` unless it is known.
    pub fn check_user(&self, user: &At<String>, problems: &Problems) {
        check(user, "user", &self.users, problems);
    }

    /// Reports `group` unless it is known.
    pub fn check_group(&self, group: &At<String>, problems: &Problems) {
        check(group, "group", &self.groups, problems);
    }

    /// `owner` as `user` or `user:group`; `root` by default.
    pub fn owner(&self, table: &Table<'_>) -> String {
        let Some(owner) = table.string("owner") else {
            return "root".to_owned();
        };
        let (user, group) = match owner.value.split_once(':') {
            Some((user, group)) => (user, Some(group)),
            None => (owner.value.as_str(), None),
        };
        self.check_user(&owner.with(user.to_owned()), table.problems());
        if let Some(group) = group {
            self.check_group(&owner.with(group.to_owned()), table.problems());
        }
        owner.value
    }
}

fn check(found: &At<String>, noun: &str, known: &[String], problems: &Problems) {
    if known.contains(&found.value) {
        return;
    }
    let names: Vec<_> = known.iter().map(String::as_str).collect();
    let help = match name::nearest(&found.value, names) {
        Some(near) => format!("did you mean `{near}`? else declare it with `[[user]]`"),
        None => "declare it with `[[user]]`".to_owned(),
    };
    let title = format!("unknown {noun} `{}`", found.value);
    let problem = Problem::error(title).at(&found.place, format!("no such {noun}"));
    problems.add(problem.help(help));
}

/// `[[user]]`, each once.
pub(super) fn read(root: &Table<'_>) -> Vec<User> {
    let mut users: Vec<User> = Vec::new();
    for table in root.tables("user") {
        let place = table.header();
        let user = table.decode(read_user);
        let twin = users
            .iter()
            .find(|u| u.name == user.name || u.uid == user.uid);
        if let Some(twin) = twin.filter(|_| !user.name.is_empty()) {
            let label = format!("same name or uid as `{}`", twin.name);
            let title = format!("user `{}` is declared twice", user.name);
            root.problems().add(Problem::error(title).at(&place, label));
        }
        users.push(user);
    }
    users
}

fn read_user(table: &Table<'_>) -> User {
    table.require("uid");
    let home = table.parsed("home", name::absolute);
    User {
        name: table.required("name", name::login).value,
        uid: table.integer("uid", 1..60_000).map_or(0, |uid| uid.value),
        groups: table
            .strings("groups")
            .into_iter()
            .map(|group| group.value)
            .collect(),
        home: home.map_or_else(|| "/nonexistent".to_owned(), |home| home.value),
    }
}
