//! Directories of data on the state partition, bound into the root.
//!
//! The stamp of a volume, the version of its data, lies outside it in `/state/schema/<name>`. It is
//! written last, so a volume without a stamp was never handed out and is prepared again.

use std::{
    fs, io,
    path::{Path, PathBuf},
};

use bedplate_contract::{appliance::Volume, layout};
use bedplate_sys::{
    beneath::{self, Owner},
    mount::{self, MountFlags},
};

use crate::durable::{self, DurableError};

/// Directory of the volumes, below the state partition.
const VOLUMES: &str = "volumes";
/// Directory of the stamps, below the state partition.
const SCHEMA_DIR: &str = "schema";

/// A volume that cannot be handed out.
#[derive(Debug, thiserror::Error)]
pub enum VolumesError {
    /// The directory.
    #[error("preparing volume `{name}` in `{path}`")]
    Prepare {
        /// Volume.
        name: String,
        /// Directory on the state partition.
        path: PathBuf,
        /// Cause.
        source: io::Error,
    },
    /// The stamp could not be written.
    #[error("stamping volume `{name}`")]
    Stamp {
        /// Volume.
        name: String,
        /// Cause.
        source: DurableError,
    },
    /// The stamp says something else; the volume is not handed out.
    #[error("expected data of schema {expected} in volume `{name}`, found `{found}`")]
    Schema {
        /// Volume.
        name: String,
        /// What this version reads.
        expected: u32,
        /// What the stamp says.
        found: String,
    },
    /// The mount point.
    #[error("binding volume `{name}` to `{path}`")]
    Bind {
        /// Volume.
        name: String,
        /// Mount point.
        path: String,
        /// Cause.
        source: io::Error,
    },
}

/// Prepares and binds every volume; one that fails costs no other.
///
/// # Errors
/// All failures, by volume, in order.
pub fn mount_all(volumes: &[Volume]) -> Result<(), Vec<VolumesError>> {
    let results = volumes.iter().map(|volume| {
        let directory = prepare(Path::new(layout::STATE_DIR), volume)?;
        bind(&directory, volume)
    });
    let failures: Vec<_> = results.filter_map(Result::err).collect();
    if failures.is_empty() {
        Ok(())
    } else {
        Err(failures)
    }
}

/// Makes the directory of a new volume with its owner, mode and stamp; checks the stamp of an old one.
///
/// Returns the directory. Owner and mode of an old volume are left as its service set them.
///
/// # Errors
/// Every variant but [`VolumesError::Bind`].
pub fn prepare(state: &Path, volume: &Volume) -> Result<PathBuf, VolumesError> {
    let directory = state.join(VOLUMES).join(&volume.name);
    let stamp = state.join(SCHEMA_DIR).join(&volume.name);
    let failed = |source| VolumesError::Prepare {
        name: volume.name.clone(),
        path: directory.clone(),
        source,
    };
    match fs::read_to_string(&stamp) {
        Ok(text) => check_stamp(volume, text.trim())?,
        Err(error) if error.kind() == io::ErrorKind::NotFound => {
            make(state, &stamp, volume).map_err(failed)?;
            let text = format!("{}\n", volume.data_schema);
            let written = durable::write(&stamp, text.as_bytes(), 0o644);
            written.map_err(|source| VolumesError::Stamp {
                name: volume.name.clone(),
                source,
            })?;
        }
        Err(error) => return Err(failed(error)),
    }
    Ok(directory)
}

fn check_stamp(volume: &Volume, found: &str) -> Result<(), VolumesError> {
    if found.parse() == Ok(volume.data_schema) {
        return Ok(());
    }
    Err(VolumesError::Schema {
        name: volume.name.clone(),
        expected: volume.data_schema,
        found: found.to_owned(),
    })
}

fn make(state: &Path, stamp: &Path, volume: &Volume) -> io::Result<()> {
    let path = Path::new(VOLUMES).join(&volume.name);
    let owner = Owner {
        uid: volume.uid,
        gid: volume.gid,
    };
    beneath::directory((state, &path), (volume.mode, owner))?;
    durable::sync_parent(&state.join(path))?;
    stamp.parent().map_or(Ok(()), fs::create_dir_all)
}

/// The mount point is in the root, which the builder made, or in a volume that lies around it, whose
/// owner may have put a link there: none is followed.
fn bind(directory: &Path, volume: &Volume) -> Result<(), VolumesError> {
    let mut flags = MountFlags::NOSUID | MountFlags::NODEV;
    flags.set(MountFlags::NOEXEC, !volume.executable);
    let place = Path::new(volume.path.trim_start_matches('/'));
    let opened = beneath::open_directory((Path::new("/"), place));
    let bound = opened.and_then(|target| mount::bind_to(directory, &target, flags));
    bound.map_err(|source| VolumesError::Bind {
        name: volume.name.clone(),
        path: volume.path.clone(),
        source,
    })
}

#[cfg(test)]
mod tests {
    use std::os::unix::fs::{MetadataExt, PermissionsExt};

    use super::*;

    fn volume(data_schema: u32) -> Volume {
        // The owner is whoever runs the test, so that it needs no privilege.
        let metadata = fs::metadata("/proc/self").unwrap();
        Volume {
            name: "db".to_owned(),
            path: "/var/lib/db".to_owned(),
            uid: metadata.uid(),
            gid: metadata.gid(),
            mode: 0o700,
            data_schema,
            executable: false,
        }
    }

    #[test]
    fn a_volume_is_made_once() {
        let state = tempfile::tempdir().unwrap();
        let directory = prepare(state.path(), &volume(3)).unwrap();
        let mode = || fs::metadata(&directory).unwrap().mode() & 0o7777;
        assert_eq!(mode(), 0o700);
        // Its service may open it up; the next boot leaves that alone.
        fs::set_permissions(&directory, fs::Permissions::from_mode(0o750)).unwrap();
        fs::write(directory.join("data"), "x").unwrap();
        assert_eq!(prepare(state.path(), &volume(3)).unwrap(), directory);
        assert_eq!(mode(), 0o750);
        assert!(directory.join("data").exists());
    }

    #[test]
    fn a_crash_before_the_stamp_is_made_good() {
        let state = tempfile::tempdir().unwrap();
        let directory = state.path().join("volumes/db");
        fs::create_dir_all(&directory).unwrap();
        prepare(state.path(), &volume(1)).unwrap();
        assert_eq!(fs::metadata(&directory).unwrap().mode() & 0o7777, 0o700);
    }

    #[test]
    fn other_data_is_not_handed_out() {
        let state = tempfile::tempdir().unwrap();
        prepare(state.path(), &volume(1)).unwrap();
        for other in [0, 2] {
            let error = prepare(state.path(), &volume(other)).unwrap_err();
            assert!(matches!(error, VolumesError::Schema { .. }), "{error}");
        }
    }

    /// Mounts are made in a namespace of the thread's own, which goes with it.
    fn in_own_namespace(test: impl FnOnce() + Send + 'static) {
        let run = move || match mount::own_namespace() {
            Ok(()) => test(),
            Err(error) => eprintln!("skipped: mounts need root: {error}"),
        };
        std::thread::spawn(run).join().unwrap();
    }

    #[test]
    fn a_link_in_another_volume_is_not_followed() {
        in_own_namespace(|| {
            let state = tempfile::tempdir().unwrap();
            let outer = tempfile::tempdir().unwrap();
            let victim = tempfile::tempdir().unwrap();
            let path = |name: &str| outer.path().join(name).to_str().unwrap().to_owned();
            std::os::unix::fs::symlink(victim.path(), path("link")).unwrap();
            for name in ["link/inner", "inner"] {
                fs::create_dir(path(name)).unwrap();
            }
            let mut volume = volume(1);
            let directory = prepare(state.path(), &volume).unwrap();
            fs::write(directory.join("data"), "x").unwrap();
            for name in ["link", "link/inner"] {
                volume.path = path(name);
                let error = bind(&directory, &volume).unwrap_err();
                assert!(matches!(error, VolumesError::Bind { .. }), "{error}");
                assert!(!Path::new(&path(name)).join("data").exists(), "{name}");
            }
            volume.path = path("inner");
            bind(&directory, &volume).unwrap();
            assert!(Path::new(&path("inner")).join("data").exists());
        });
    }
}
