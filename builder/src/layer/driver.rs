//! The NVIDIA driver of a root: its module, its libraries and its firmware, which must be one version.
//!
//! A module refuses libraries of any other version when they are first used, which is on the host.
//! So a root that holds parts of two versions is refused here.

use std::path::Path;

use super::{
    Inputs, LayerError, Rootfs,
    deb::Deb,
    tree::{Kind, Tree},
    unpack::UnpackError,
};
use crate::{disk::modules::Modules, resolve::LockedPackage};

/// The module that all others of the driver depend on.
const MODULE: &str = "nvidia";
/// What the libraries that talk to the module are called, before their version.
const LIBRARIES: [&str; 2] = ["libcuda.so.", "libnvidia-ml.so."];
/// Where a loader looks for libraries; Debian keeps the driver's in a directory below the first.
const LIBRARY_DIRECTORIES: [&str; 3] = ["usr/lib/x86_64-linux-gnu", "usr/lib64", "usr/local/lib"];
/// Where the firmware is, each version in a directory of its own.
const FIRMWARE: &str = "usr/lib/firmware/nvidia";
/// Package whose `Provides` say for which CUDA its library is: `libcuda-12.4-1`.
const CUDA_PACKAGE: &str = "libcuda1";

/// The driver of a root.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Driver {
    /// Version of the module, such as `550.163.01`.
    pub version: String,
    /// Newest CUDA that the libraries offer, such as `12.4`; `None` when no package says so.
    pub cuda: Option<String>,
}

/// A driver that could not be used.
#[derive(Debug, thiserror::Error)]
pub enum DriverError {
    /// The module does not say which driver it is of.
    #[error("expected a `version` in the module `{module}`, found none")]
    NoVersion {
        /// Path in the root.
        module: String,
    },
    /// Parts of two versions.
    #[error(
        "expected one version of the NVIDIA driver, found {version} in the module `{module}` and \
         {other} in `{part}`; let `packages` and `[build]` of the profile take both from one suite"
    )]
    Mismatch {
        /// Path in the root.
        module: String,
        /// Version of the module.
        version: String,
        /// Path in the root of the other part.
        part: String,
        /// Its version.
        other: String,
    },
}

/// The driver of `rootfs`; `None` without its module.
///
/// # Errors
/// Parts of two versions; a root or package that cannot be read.
pub fn driver(inputs: &Inputs<'_>, rootfs: &Rootfs) -> Result<Option<Driver>, LayerError> {
    let root = rootfs.mount()?;
    let Some(version) = version(root.path())? else {
        return Ok(None);
    };
    let packages = inputs.lock.set(&inputs.definition.profile.name);
    let mut packages = packages.filter(|package| package.name == CUDA_PACKAGE);
    let control = |package: &LockedPackage| {
        let deb = Deb::open(&inputs.store.blob(&package.sha256));
        deb.and_then(|deb| deb.control()).map_err(UnpackError::Open)
    };
    let control = packages.next().map(control).transpose()?;
    let cuda = control.and_then(|text| newest_cuda(&text));
    Ok(Some(Driver { version, cuda }))
}

/// The version that all parts below `root` have.
fn version(root: &Path) -> Result<Option<String>, LayerError> {
    let modules = Modules::open(root)?;
    let Some(module) = modules.find(MODULE) else {
        return Ok(None);
    };
    let path = module.path.clone();
    let Some(version) = modules.info(&module)?.version else {
        return Err(DriverError::NoVersion { module: path }.into());
    };
    let tree = Tree::open(root)?;
    let parts = libraries(&tree)?.into_iter().chain(firmware(&tree)?);
    match parts.into_iter().find(|part| part.version != version) {
        None => Ok(Some(version)),
        Some(part) => Err(LayerError::Driver(DriverError::Mismatch {
            module: path,
            version,
            part: part.path,
            other: part.version,
        })),
    }
}

/// A file or directory that has a version in its name.
#[derive(Debug, PartialEq, Eq)]
struct Part {
    path: String,
    version: String,
}

fn libraries(root: &Tree) -> Result<Vec<Part>, LayerError> {
    let mut found = Vec::new();
    for directory in LIBRARY_DIRECTORIES {
        add_libraries(root, Path::new(directory), &mut found)?;
    }
    Ok(found)
}

fn add_libraries(root: &Tree, inner: &Path, found: &mut Vec<Part>) -> Result<(), LayerError> {
    for (path, kind) in root.entries(inner)? {
        if kind == Kind::Directory {
            add_libraries(root, &path, found)?;
        }
        let name = path.file_name().and_then(|name| name.to_str());
        let mut ends = LIBRARIES
            .iter()
            .filter_map(|start| name?.strip_prefix(start));
        found.extend(ends.next().and_then(|end| part(&path, end)));
    }
    Ok(())
}

fn firmware(root: &Tree) -> Result<Vec<Part>, LayerError> {
    let entries = root.entries(Path::new(FIRMWARE))?;
    let directories = entries.iter().filter(|(_, kind)| *kind == Kind::Directory);
    let parts = directories.filter_map(|(path, _)| part(path, path.file_name()?.to_str()?));
    Ok(parts.collect())
}

/// The part at `path` when `version` is that of a driver, not that of an interface, such as `1`.
fn part(path: &Path, version: &str) -> Option<Part> {
    let numbers = version.split('.');
    let is_version = version.contains('.')
        && numbers
            .into_iter()
            .all(|number| !number.is_empty() && number.bytes().all(|byte| byte.is_ascii_digit()));
    is_version.then(|| Part {
        path: format!("/{}", path.display()),
        version: version.to_owned(),
    })
}

/// The newest of the `libcuda-MAJOR.MINOR-1` that a package provides (deb-control(5)).
fn newest_cuda(control: &str) -> Option<String> {
    let provides = control
        .lines()
        .find_map(|line| line.strip_prefix("Provides:"))?;
    let versions = provides.split(',').filter_map(|name| {
        let version = name.trim().strip_prefix("libcuda-")?.strip_suffix("-1")?;
        let (major, minor) = version.split_once('.')?;
        Some((major.parse::<u32>().ok()?, minor.parse::<u32>().ok()?))
    });
    let (major, minor) = versions.max()?;
    Some(format!("{major}.{minor}"))
}

#[cfg(test)]
mod tests {
    use std::fs;

    use super::*;
    use crate::disk::modules::tests::kernel;

    const MODULE_FILE: &str = "nvidia.ko";
    const LIBRARY: &str = "usr/lib/x86_64-linux-gnu/nvidia/current/libcuda.so.550.163.01";

    /// A root with a kernel, modules and empty files.
    fn root(modules: &[(&str, &str)], files: &[&str]) -> tempfile::TempDir {
        let root = kernel(modules);
        for file in files {
            let path = root.path().join(file);
            fs::create_dir_all(path.parent().unwrap()).unwrap();
            fs::write(path, "").unwrap();
        }
        root
    }

    #[test]
    fn one_version_of_all_parts_is_the_drivers() {
        let module = (MODULE_FILE, "depends=\nversion=550.163.01");
        let all = [
            LIBRARY,
            "usr/lib/x86_64-linux-gnu/libcuda.so.1",
            "usr/lib/x86_64-linux-gnu/libnvidia-ml.so.550.163.01",
            "usr/lib/x86_64-linux-gnu/stubs/libcuda.so",
            "usr/lib/x86_64-linux-gnu/libcudart.so.12.4.127",
            "usr/lib/firmware/nvidia/550.163.01/gsp_ga10x.bin",
            "usr/lib/firmware/nvidia/ga102/gsp/gsp-535.113.01.bin",
        ];
        let found = version(root(&[module], &all).path()).unwrap();
        assert_eq!(found.as_deref(), Some("550.163.01"));
        let found = version(root(&[module], &[]).path()).unwrap();
        assert_eq!(found.as_deref(), Some("550.163.01"));
        let found = version(root(&[], &all).path()).unwrap();
        assert_eq!(found, None);
    }

    #[test]
    fn parts_of_two_versions_are_refused_with_their_paths() {
        let module = (MODULE_FILE, "depends=\nversion=550.163.01");
        for (part, other) in [
            (
                "usr/lib/x86_64-linux-gnu/libcuda.so.535.247.01",
                "535.247.01",
            ),
            ("usr/lib64/libnvidia-ml.so.560.1", "560.1"),
            (
                "usr/lib/firmware/nvidia/535.247.01/gsp_ga10x.bin",
                "535.247.01",
            ),
        ] {
            let root = root(&[module], &[LIBRARY, part]);
            let error = version(root.path()).unwrap_err();
            assert!(error.is_definition());
            let text = error.to_string();
            let path = "`/usr/lib/modules/6.12/kernel/nvidia.ko`";
            for expected in [path, "550.163.01", other, &part[..part.rfind('/').unwrap()]] {
                assert!(text.contains(expected), "{text}");
            }
        }
    }

    #[test]
    fn a_module_says_its_version_and_its_kernel() {
        for (modinfo, expected) in [
            ("depends=", "expected a `version` in the module"),
            (
                "version=1.2\nvermagic=6.13 SMP",
                "`/usr/lib/modules/6.12/kernel/nvidia.ko` is for the kernel `6.13`",
            ),
        ] {
            let root = root(&[(MODULE_FILE, modinfo)], &[]);
            let error = version(root.path()).unwrap_err();
            let cause = std::error::Error::source(&error).map(ToString::to_string);
            let text = format!("{error} {}", cause.unwrap_or_default());
            assert!(text.contains(expected), "{text}");
        }
    }

    #[test]
    fn the_newest_cuda_counts() {
        for (control, expected) in [
            (
                "Provides: libcuda-11.8-1, libcuda-12.4-1, libcuda-9.2-1",
                Some("12.4"),
            ),
            (
                "Package: x\nProvides: libcuda.so.1 (= 550.163.01), libcuda-12.10-1, libcuda-12.4-1",
                Some("12.10"),
            ),
            ("Provides: libcuda1-any", None),
            ("Depends: libcuda-12.4-1", None),
        ] {
            assert_eq!(newest_cuda(control).as_deref(), expected, "{control}");
        }
    }
}
