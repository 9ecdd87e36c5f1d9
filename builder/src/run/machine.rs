//! The files that one running machine writes: disk, firmware variables, control socket.

use std::{
    fs, io,
    path::{Path, PathBuf},
};

use super::RunError;

/// Free space that a new disk has beyond the artifact, in bytes; the state partition grows into it.
pub const DEFAULT_GROWTH: u64 = 4 << 30;

/// Files of a machine; the scratch directory goes away with the value.
#[derive(Debug)]
pub struct MachineFiles {
    /// Raw disk.
    pub disk: PathBuf,
    /// Firmware variables.
    pub variables: PathBuf,
    /// Control socket, in the scratch directory unless the user named one.
    pub control: PathBuf,
    scratch: tempfile::TempDir,
}

impl MachineFiles {
    /// A directory for more files of this machine.
    pub fn scratch(&self) -> &Path {
        self.scratch.path()
    }
}

/// Which disk is booted.
#[derive(Debug, Clone, Default)]
pub struct DiskChoice {
    /// Kept between runs at this path; absent: thrown away at the end.
    pub path: Option<PathBuf>,
    /// Bytes of a new disk; absent: the artifact and [`DEFAULT_GROWTH`].
    pub size: Option<u64>,
}

/// Lays out the files for a machine that boots a copy of `artifact`, or the kept disk when it is
/// there already.
///
/// # Errors
/// A copy that fails, or a size smaller than the artifact.
pub fn lay_out(
    artifact: &Path,
    variables: &Path,
    choice: &DiskChoice,
    control: Option<&Path>,
) -> Result<MachineFiles, RunError> {
    let failed = |source| RunError::Files {
        artifact: artifact.to_owned(),
        source,
    };
    let scratch = tempfile::Builder::new()
        .prefix("bedplate-run-")
        .tempdir()
        .map_err(failed)?;
    let disk = choice
        .path
        .clone()
        .unwrap_or_else(|| scratch.path().join("disk.raw"));
    if !disk.exists() {
        new_disk(artifact, &disk, choice.size)?;
    }
    let kept = choice
        .path
        .as_ref()
        .map(|path| path.with_added_extension("vars"));
    let own_variables = kept.unwrap_or_else(|| scratch.path().join("variables"));
    if !own_variables.exists() {
        copy_writable(variables, &own_variables).map_err(failed)?;
    }
    let control = control.map_or_else(|| scratch.path().join("control"), Path::to_owned);
    Ok(MachineFiles {
        disk,
        variables: own_variables,
        control,
        scratch,
    })
}

fn new_disk(artifact: &Path, disk: &Path, size: Option<u64>) -> Result<(), RunError> {
    let failed = |source| RunError::Files {
        artifact: artifact.to_owned(),
        source,
    };
    let least = fs::metadata(artifact).map_err(failed)?.len();
    let size = size.unwrap_or(least + DEFAULT_GROWTH);
    if size < least {
        return Err(RunError::TooSmall {
            wanted: size,
            least,
        });
    }
    // Under another name first: an interrupted copy must not pass for the kept disk next time.
    let partial = disk.with_added_extension("part");
    copy_writable(artifact, &partial).map_err(failed)?;
    let grown = fs::OpenOptions::new()
        .write(true)
        .open(&partial)
        .map_err(failed)?;
    grown.set_len(size).map_err(failed)?;
    fs::rename(&partial, disk).map_err(failed)
}

/// `std::fs::copy` keeps holes where the file system can share or range-copy; artifacts are
/// read-only, the copy is not.
fn copy_writable(from: &Path, to: &Path) -> io::Result<()> {
    crate::sparse::copy(from, to)?;
    let mut permissions = fs::metadata(to)?.permissions();
    std::os::unix::fs::PermissionsExt::set_mode(&mut permissions, 0o644);
    fs::set_permissions(to, permissions)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_kept_disk_is_made_once_and_may_not_be_too_small() {
        let dir = tempfile::tempdir().unwrap();
        let artifact = dir.path().join("artifact");
        fs::write(&artifact, [7; 8192]).unwrap();
        let path = Some(dir.path().join("kept.raw"));
        let small = DiskChoice {
            path: path.clone(),
            size: Some(4096),
        };
        assert!(lay_out(&artifact, &artifact, &small, None).is_err());
        let choice = DiskChoice {
            path,
            size: Some(1 << 20),
        };
        let files = lay_out(&artifact, &artifact, &choice, None).unwrap();
        assert_eq!(fs::metadata(&files.disk).unwrap().len(), 1 << 20);
        fs::write(&files.disk, b"written by the guest").unwrap();
        let again = lay_out(&artifact, &artifact, &choice, None).unwrap();
        assert_eq!(fs::read(again.disk).unwrap(), b"written by the guest");
    }
}
