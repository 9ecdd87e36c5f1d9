//! Values that are never in an image: made or brought on the host, shown to each service alone.

use std::{
    fs, io,
    os::unix::fs::{DirBuilderExt, PermissionsExt},
    path::{Path, PathBuf},
};

use bedplate_contract::{
    appliance::{Secret, SecretSource},
    layout,
    service::Service,
};
use bedplate_sys::beneath::{self, Owner};

use crate::{
    durable::{self, DurableError},
    identity::{self, RandomError},
};

/// The machine id, made at first boot, on the state partition.
const MACHINE_ID: &str = "machine-id";
/// What `/etc/machine-id` of the root points to.
const RUN_MACHINE_ID: &str = "/run/machine-id";

/// A secret that cannot be made or shown.
#[derive(Debug, thiserror::Error)]
pub enum SecretsError {
    /// A directory or file.
    #[error("{what} `{path}`")]
    File {
        /// What was being done.
        what: &'static str,
        /// Path.
        path: PathBuf,
        /// Cause.
        source: io::Error,
    },
    /// A new secret could not be kept.
    #[error("keeping secret `{name}`")]
    Keep {
        /// Secret.
        name: String,
        /// Cause.
        source: DurableError,
    },
    /// No random numbers.
    #[error("making secret `{name}`")]
    Random {
        /// Secret.
        name: String,
        /// Cause.
        source: RandomError,
    },
}

/// Makes every generated secret that is not there yet; returns the provisioned ones that are missing.
/// An optional one that is missing is made empty.
///
/// A secret is on the medium before any service sees it: a crash cannot change a password that a
/// database has stored.
///
/// # Errors
/// The first failure; secrets made before it stay.
pub fn ensure(secrets: &[Secret]) -> Result<Vec<String>, SecretsError> {
    ensure_in(Path::new(layout::SECRETS_DIR), secrets)
}

fn ensure_in(directory: &Path, secrets: &[Secret]) -> Result<Vec<String>, SecretsError> {
    make_directory(directory, 0o700)?;
    let mut missing = Vec::new();
    for secret in secrets {
        let path = directory.join(&secret.name);
        match secret.source {
            _ if has_value(&path) => {}
            SecretSource::Generated(length) => generate(&path, &secret.name, length)?,
            SecretSource::Provisioned => missing.push(secret.name.clone()),
            SecretSource::Optional if path.exists() => {}
            SecretSource::Optional => keep(&path, &secret.name, "")?,
        }
    }
    Ok(missing)
}

/// An empty file is an optional secret that nobody brought; a later version may insist on it.
fn has_value(path: &Path) -> bool {
    fs::metadata(path).is_ok_and(|found| found.len() > 0)
}

fn generate(path: &Path, name: &str, length: u32) -> Result<(), SecretsError> {
    let length = usize::try_from(length).unwrap_or(usize::MAX);
    let value = identity::letters(length).map_err(|source| SecretsError::Random {
        name: name.to_owned(),
        source,
    })?;
    keep(path, name, &value)
}

fn keep(path: &Path, name: &str, value: &str) -> Result<(), SecretsError> {
    let written = durable::write(path, value.as_bytes(), 0o400);
    written.map_err(|source| SecretsError::Keep {
        name: name.to_owned(),
        source,
    })
}

/// The value of a secret, for an environment that only the service's process gets.
///
/// # Errors
/// [`SecretsError::File`] with `NotFound` for one that is not provisioned yet.
pub fn read(name: &str) -> Result<String, SecretsError> {
    let path = Path::new(layout::SECRETS_DIR).join(name);
    let text = fs::read_to_string(&path).map_err(file("reading", &path))?;
    Ok(text.trim_end_matches('\n').to_owned())
}

/// Copies the secrets of `service` to where it alone can read them; returns that directory.
///
/// `None` for a service without secrets. Idempotent: called before each start.
///
/// # Errors
/// [`SecretsError::File`] with `NotFound` for a secret that is not provisioned yet.
pub fn hand_out(service: &Service) -> Result<Option<PathBuf>, SecretsError> {
    let (from, to) = (layout::SECRETS_DIR, layout::RUN_SECRETS_DIR);
    hand_out_in(Path::new(from), Path::new(to), service)
}

fn hand_out_in(from: &Path, to: &Path, service: &Service) -> Result<Option<PathBuf>, SecretsError> {
    if service.secrets.is_empty() {
        return Ok(None);
    }
    make_directory(to, 0o711)?;
    let own = to.join(&service.name);
    // Root's: the service reads it as its group, and can put nothing of its own in a secret's place.
    let made = beneath::directory(
        (to, Path::new(&service.name)),
        (0o550, Owner::own(Some(service.gid))),
    );
    made.map_err(file("making", &own))?;
    for name in &service.secrets {
        let source = from.join(name);
        let value = fs::read(&source).map_err(file("reading", &source))?;
        let owner = Owner {
            uid: service.uid,
            gid: service.gid,
        };
        // A reader sees the old value or the new one.
        let written = beneath::write((&own, Path::new(name)), &value, (0o400, owner));
        written.map_err(file("writing", &own.join(name)))?;
    }
    Ok(Some(own))
}

/// The machine id: made at first boot, then the same; shown as `/etc/machine-id`.
///
/// # Errors
/// As [`ensure`].
pub fn ensure_machine_id() -> Result<String, SecretsError> {
    let kept = Path::new(layout::STATE_DIR).join(MACHINE_ID);
    let id = match fs::read_to_string(&kept) {
        Ok(text) => text,
        Err(_) => {
            let id = identity::machine_id().map_err(|source| SecretsError::Random {
                name: MACHINE_ID.to_owned(),
                source,
            })?;
            let line = format!("{id}\n");
            keep(&kept, MACHINE_ID, &line)?;
            line
        }
    };
    let shown = Path::new(RUN_MACHINE_ID);
    let written = durable::write(shown, id.as_bytes(), 0o444);
    written.map_err(|source| SecretsError::Keep {
        name: MACHINE_ID.to_owned(),
        source,
    })?;
    Ok(id.trim_end().to_owned())
}

/// Makes a directory of this mode, if it is not there.
///
/// # Errors
/// [`SecretsError::File`].
pub(crate) fn make_directory(path: &Path, mode: u32) -> Result<(), SecretsError> {
    let mut builder = fs::DirBuilder::new();
    let made = builder.recursive(true).mode(mode).create(path);
    // The mode again: an umask or an earlier version may have set another.
    let set = made.and_then(|()| fs::set_permissions(path, fs::Permissions::from_mode(mode)));
    set.map_err(file("making", path))
}

fn file(what: &'static str, path: &Path) -> impl FnOnce(io::Error) -> SecretsError {
    let path = path.to_owned();
    move |source| SecretsError::File { what, path, source }
}

#[cfg(test)]
mod tests {
    use std::os::unix::fs::MetadataExt;

    use super::*;

    fn service(secrets: &[&str]) -> Service {
        let own = fs::metadata("/proc/self").unwrap();
        let mut value = serde_json::json!({
            "name": "db", "kind": "daemon", "run": ["/bin/true"], "working_directory": "/",
            "essential": true, "secrets": secrets, "stop": {"signal": 15, "timeout_ms": 1},
            "restart": {"when": "always", "delay_ms": 1, "max_delay_ms": 1, "budget": 1, "window_ms": 1},
        });
        value["uid"] = own.uid().into();
        value["gid"] = own.gid().into();
        serde_json::from_value(value).unwrap()
    }

    fn secret(name: &str, source: SecretSource) -> Secret {
        Secret {
            replace: false,
            name: name.to_owned(),
            source,
        }
    }

    #[test]
    fn secrets_are_made_once() {
        let directory = tempfile::tempdir().unwrap();
        let kept = directory.path().join("secrets");
        let wanted = [
            secret("password", SecretSource::Generated(24)),
            secret("token", SecretSource::Provisioned),
        ];
        assert_eq!(ensure_in(&kept, &wanted).unwrap(), ["token"]);
        let first = fs::read_to_string(kept.join("password")).unwrap();
        assert_eq!(first.len(), 24);
        assert_eq!(fs::metadata(&kept).unwrap().mode() & 0o777, 0o700);
        fs::write(kept.join("token"), "t").unwrap();
        assert_eq!(ensure_in(&kept, &wanted).unwrap(), Vec::<String>::new());
        assert_eq!(fs::read_to_string(kept.join("password")).unwrap(), first);
    }

    #[test]
    fn an_optional_secret_is_empty_until_it_is_brought() {
        let directory = tempfile::tempdir().unwrap();
        let kept = directory.path().join("secrets");
        let optional = [secret("key", SecretSource::Optional)];
        assert_eq!(ensure_in(&kept, &optional).unwrap(), Vec::<String>::new());
        assert_eq!(fs::read_to_string(kept.join("key")).unwrap(), "");
        // A version that insists on it does not take the empty one.
        let needed = [secret("key", SecretSource::Provisioned)];
        assert_eq!(ensure_in(&kept, &needed).unwrap(), ["key"]);
        fs::write(kept.join("key"), "k").unwrap();
        assert_eq!(ensure_in(&kept, &optional).unwrap(), Vec::<String>::new());
        assert_eq!(fs::read_to_string(kept.join("key")).unwrap(), "k");
    }

    #[test]
    fn a_service_gets_its_own_copies() {
        let directory = tempfile::tempdir().unwrap();
        let (kept, run) = (directory.path().join("kept"), directory.path().join("run"));
        ensure_in(&kept, &[secret("password", SecretSource::Generated(8))]).unwrap();
        assert_eq!(hand_out_in(&kept, &run, &service(&[])).unwrap(), None);
        for _ in 0..2 {
            let own = hand_out_in(&kept, &run, &service(&["password"]))
                .unwrap()
                .unwrap();
            assert_eq!(fs::metadata(&own).unwrap().mode() & 0o777, 0o550);
            let copy = fs::metadata(own.join("password")).unwrap();
            assert_eq!((copy.mode() & 0o777, copy.len()), (0o400, 8));
        }
        // An older version, or a service that could write there, left something in a secret's place.
        let victim = directory.path().join("victim");
        fs::write(&victim, "old").unwrap();
        let own = run.join("db");
        for name in [".password.new", "password"] {
            let _ = fs::remove_file(own.join(name));
            std::os::unix::fs::symlink(&victim, own.join(name)).unwrap();
        }
        hand_out_in(&kept, &run, &service(&["password"])).unwrap();
        assert_eq!(fs::read_to_string(&victim).unwrap(), "old");
        assert_eq!(fs::read_dir(&own).unwrap().count(), 1);
        let error = hand_out_in(&kept, &run, &service(&["no"])).unwrap_err();
        assert!(matches!(
            error,
            SecretsError::File {
                what: "reading",
                ..
            }
        ));
    }
}
