//! Users and groups of a root: names → numbers, and new users.
//!
//! Source: passwd(5), group(5), shadow(5). Reads and writes the four files of `etc`, made when the
//! root has none. Every password is locked: nobody logs in with one.

use std::{collections::BTreeMap, path::Path};

use super::{
    LayerError,
    normalise::EPOCH_DAY,
    tree::{Metadata, Tree},
};
use crate::definition::User;

/// Users of a root that has none.
const PASSWD: &str = "root:x:0:0:root:/root:/usr/sbin/nologin\n\
    nobody:x:65534:65534:nobody:/nonexistent:/usr/sbin/nologin\n";
/// Groups of a root that has none.
const GROUP: &str = "root:x:0:\nnogroup:x:65534:\n";

/// A name without a number, or a number that is taken.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum AccountError {
    /// No such user.
    #[error("expected a user of the root, found `{0}`")]
    User(String),
    /// No such group.
    #[error("expected a group of the root, found `{0}`")]
    Group(String),
    /// The id of a new user belongs to another.
    #[error("expected a free id for user `{name}`, found that {id} is `{other}`")]
    Taken {
        /// The new user.
        name: String,
        /// The id.
        id: u32,
        /// Whose it is.
        other: String,
    },
    /// A package made the user with another id.
    #[error("expected id {wanted} for user `{name}`, found that the packages gave it {found}")]
    Differs {
        /// The user.
        name: String,
        /// The id of the definition.
        wanted: u32,
        /// The id in the root.
        found: u32,
    },
}

/// Numeric user and group.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Owner {
    /// User id.
    pub uid: u32,
    /// Group id.
    pub gid: u32,
}

/// The account files of a root.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Accounts {
    passwd: String,
    group: String,
    shadow: String,
    gshadow: Option<String>,
}

impl Accounts {
    /// Reads the files below `root`.
    ///
    /// # Errors
    /// A file that is there cannot be read.
    pub fn load(root: &Path) -> Result<Self, LayerError> {
        let tree = Tree::open(root)?;
        let read = |path: &str| tree.read_text(Path::new(path));
        let passwd = read("etc/passwd")?.unwrap_or_else(|| PASSWD.to_owned());
        let shadow = match read("etc/shadow")? {
            Some(text) => text,
            None => fields(&passwd).map(|user| shadow_line(user[0])).collect(),
        };
        Ok(Self {
            passwd,
            group: read("etc/group")?.unwrap_or_else(|| GROUP.to_owned()),
            shadow,
            gshadow: read("etc/gshadow")?,
        })
    }

    /// User and group of `user`, `user:group` or numbers; the group is the user's own by default.
    ///
    /// # Errors
    /// A name that the root does not have.
    pub fn owner(&self, text: &str) -> Result<Owner, AccountError> {
        let (user, group) = match text.split_once(':') {
            Some((user, group)) => (user, Some(group)),
            None => (text, None),
        };
        let owner = self.user(user)?;
        match group {
            Some(group) => Ok(Owner {
                gid: self.group(group)?,
                ..owner
            }),
            None => Ok(owner),
        }
    }

    /// A user and the user's own group; a number is a user with the group of that number.
    ///
    /// # Errors
    /// No such user.
    pub fn user(&self, name: &str) -> Result<Owner, AccountError> {
        let known = fields(&self.passwd).find(|user| user[0] == name);
        let ids =
            known.and_then(|user| Some((user.get(2)?.parse().ok()?, user.get(3)?.parse().ok()?)));
        let number = || name.parse().ok().map(|id| (id, id));
        ids.or_else(number)
            .map(|(uid, gid)| Owner { uid, gid })
            .ok_or_else(|| AccountError::User(name.to_owned()))
    }

    /// The number of a group.
    ///
    /// # Errors
    /// No such group.
    pub fn group(&self, name: &str) -> Result<u32, AccountError> {
        let known = fields(&self.group).find(|group| group[0] == name);
        let id = known.and_then(|group| group.get(2)?.parse().ok());
        id.or_else(|| name.parse().ok())
            .ok_or_else(|| AccountError::Group(name.to_owned()))
    }

    /// The groups that list the user as a member, in ascending order.
    pub fn memberships(&self, user: &str) -> Vec<u32> {
        let member = |group: &Vec<&str>| {
            let members = group.get(3).copied().unwrap_or_default();
            members.split(',').any(|name| name == user)
        };
        let groups = fields(&self.group).filter(member);
        let mut ids: Vec<u32> = groups
            .filter_map(|group| group.get(2)?.parse().ok())
            .collect();
        ids.sort_unstable();
        ids
    }

    /// Adds a user with a group of the same name and number, and the supplementary memberships.
    ///
    /// # Errors
    /// The number is taken, or a group does not exist.
    pub fn add(&mut self, user: &User) -> Result<(), AccountError> {
        self.add_alone(user)?;
        for group in &user.groups {
            self.group(group)?;
            self.group = with_member(&self.group, group, &user.name);
            self.gshadow = self
                .gshadow
                .as_ref()
                .map(|text| with_member(text, group, &user.name));
        }
        Ok(())
    }

    /// Adds a user with a group of the same name and number; supplementary groups may come later.
    ///
    /// # Errors
    /// The number is taken.
    pub fn add_alone(&mut self, user: &User) -> Result<(), AccountError> {
        self.add_passwd(user)?;
        self.add_group(user)
    }

    fn add_passwd(&mut self, user: &User) -> Result<(), AccountError> {
        if is_new(&self.passwd, user)? {
            let User {
                name, uid, home, ..
            } = user;
            self.passwd += &format!("{name}:x:{uid}:{uid}::{home}:/usr/sbin/nologin\n");
            self.shadow += &shadow_line(name);
        }
        Ok(())
    }

    fn add_group(&mut self, user: &User) -> Result<(), AccountError> {
        if is_new(&self.group, user)? {
            self.group += &format!("{}:x:{}:\n", user.name, user.uid);
            if let Some(text) = &mut self.gshadow {
                *text += &format!("{}:!::\n", user.name);
            }
        }
        Ok(())
    }

    /// Writes the files below `root`.
    ///
    /// # Errors
    /// A system call fails.
    pub fn save(&self, root: &Path) -> Result<(), LayerError> {
        let tree = Tree::open(root)?;
        let secret = Metadata {
            gid: self.group("shadow").unwrap_or(0),
            ..Metadata::root(0o640)
        };
        let public = Metadata::root(0o644);
        let files = BTreeMap::from([
            ("etc/passwd", (Some(&self.passwd), public)),
            ("etc/group", (Some(&self.group), public)),
            ("etc/shadow", (Some(&self.shadow), secret)),
            ("etc/gshadow", (self.gshadow.as_ref(), secret)),
        ]);
        for (path, (text, metadata)) in files {
            if let Some(text) = text {
                tree.file(Path::new(path), &mut text.as_bytes(), metadata)?;
            }
        }
        Ok(())
    }
}

/// Whether neither name nor number is in the file; both on one line means that it is there.
fn is_new(text: &str, user: &User) -> Result<bool, AccountError> {
    let id = |line: &Vec<&str>| line.get(2)?.parse::<u32>().ok();
    if let Some(line) = fields(text).find(|line| line[0] == user.name) {
        return match id(&line) {
            Some(found) if found == user.uid => Ok(false),
            found => Err(AccountError::Differs {
                name: user.name.clone(),
                wanted: user.uid,
                found: found.unwrap_or_default(),
            }),
        };
    }
    match fields(text).find(|line| id(line) == Some(user.uid)) {
        None => Ok(true),
        Some(other) => Err(AccountError::Taken {
            name: user.name.clone(),
            id: user.uid,
            other: other[0].to_owned(),
        }),
    }
}

fn with_member(text: &str, group: &str, user: &str) -> String {
    let add = |line: &str| {
        let named = line.split(':').next() == Some(group);
        let members = line.rsplit(':').next().unwrap_or_default();
        let there = members.split(',').any(|member| member == user);
        match (named && !there, members) {
            (false, _) => format!("{line}\n"),
            (true, "") => format!("{line}{user}\n"),
            (true, _) => format!("{line},{user}\n"),
        }
    };
    text.lines().map(add).collect()
}

fn shadow_line(name: &str) -> String {
    format!("{name}:!*:{EPOCH_DAY}::::::\n")
}

/// The lines of an account file, split; a line has at least one field.
fn fields(text: &str) -> impl Iterator<Item = Vec<&str>> {
    let lines = text.lines().filter(|line| !line.is_empty());
    lines.map(|line| line.split(':').collect())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn accounts() -> Accounts {
        let root = tempfile::tempdir().unwrap();
        Accounts::load(root.path()).unwrap()
    }

    fn user(name: &str, uid: u32, groups: &[&str]) -> User {
        User {
            name: name.to_owned(),
            uid,
            groups: groups.iter().map(|group| (*group).to_owned()).collect(),
            home: "/nonexistent".to_owned(),
        }
    }

    #[test]
    fn owners() {
        let mut accounts = accounts();
        accounts.add(&user("app", 800, &[])).unwrap();
        for (text, wanted) in [
            ("root", Some((0, 0))),
            ("app", Some((800, 800))),
            ("app:root", Some((800, 0))),
            ("5:7", Some((5, 7))),
            ("5", Some((5, 5))),
            ("ap", None),
            ("app:ap", None),
            ("", None),
        ] {
            let found = accounts
                .owner(text)
                .ok()
                .map(|owner| (owner.uid, owner.gid));
            assert_eq!(found, wanted, "{text}");
        }
    }

    #[test]
    fn users_are_added_once_and_never_over_others() {
        let mut accounts = accounts();
        accounts.add(&user("web", 33, &[])).unwrap();
        accounts.add(&user("app", 800, &["web"])).unwrap();
        let once = accounts.clone();
        accounts.add(&user("app", 800, &["web"])).unwrap();
        assert_eq!(accounts, once);
        assert_eq!(accounts.memberships("app"), [33]);
        assert!(
            accounts
                .passwd
                .ends_with("app:x:800:800::/nonexistent:/usr/sbin/nologin\n")
        );
        for (user, wanted) in [
            (
                user("x", 800, &[]),
                "expected a free id for user `x`, found that 800 is `app`",
            ),
            (
                user("app", 801, &[]),
                "expected id 801 for user `app`, found that the packages gave it 800",
            ),
            (
                user("y", 801, &["none"]),
                "expected a group of the root, found `none`",
            ),
        ] {
            assert_eq!(accounts.add(&user).unwrap_err().to_string(), wanted);
        }
    }
}
