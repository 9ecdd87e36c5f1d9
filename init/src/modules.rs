//! Kernel modules, by the lists that the builder wrote.
//!
//! There is no modprobe in an appliance: a list is closed under dependencies and in load order.

use std::{
    fs, io,
    path::{Path, PathBuf},
};

use bedplate_sys::module::{self, Loaded};

/// A list or a module that could not be loaded.
#[derive(Debug, thiserror::Error)]
pub enum ModulesError {
    /// The list itself.
    #[error("reading the module list `{path}`")]
    List {
        /// Path of the list.
        path: PathBuf,
        /// Cause.
        source: io::Error,
    },
    /// A module; the others were tried.
    #[error("loading module `{path}` ({failed} of {count} failed)")]
    Module {
        /// The first that failed.
        path: PathBuf,
        /// How many failed.
        failed: usize,
        /// How many the list has.
        count: usize,
        /// Why the first failed.
        source: io::Error,
    },
}

/// Loads every module of `list` (one absolute path a line) in order; no list means no modules.
///
/// A module that fails costs no other; one whose hardware is not there has not failed.
///
/// # Errors
/// An unreadable list; the first module that failed, once all were tried.
pub fn load_listed(list: &str) -> Result<usize, ModulesError> {
    load_listed_by(list, module::load)
}

/// As [`load_listed`], each module by `load`.
///
/// # Errors
/// As [`load_listed`].
pub fn load_listed_by(
    list: &str,
    load: impl Fn(&Path) -> io::Result<Loaded>,
) -> Result<usize, ModulesError> {
    let text = match fs::read_to_string(list) {
        Ok(text) => text,
        Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(0),
        Err(source) => {
            let path = PathBuf::from(list);
            return Err(ModulesError::List { path, source });
        }
    };
    load_all(&text, load)
}

fn load_all(text: &str, load: impl Fn(&Path) -> io::Result<Loaded>) -> Result<usize, ModulesError> {
    let lines = text.lines().map(str::trim).filter(|line| !line.is_empty());
    let (mut count, mut failed, mut first, mut absent) = (0usize, 0usize, None, false);
    for path in lines {
        count = count.saturating_add(1);
        let error = match load(Path::new(path)) {
            Ok(Loaded::Ready) => continue,
            // The list is for every machine; drivers of absent hardware, and what stands on them,
            // are the rule.
            Ok(Loaded::NoDevice) => {
                absent = true;
                continue;
            }
            Ok(Loaded::NoDependency) if absent => continue,
            Ok(Loaded::NoDependency) => io::Error::other("a module that it needs is not loaded"),
            Err(error) => error,
        };
        failed = failed.saturating_add(1);
        first.get_or_insert((PathBuf::from(path), error));
    }
    match first {
        None => Ok(count),
        Some((path, source)) => Err(ModulesError::Module {
            path,
            failed,
            count,
            source,
        }),
    }
}

#[cfg(test)]
mod tests {
    use std::cell::RefCell;

    use super::*;

    #[test]
    fn every_line_is_tried_in_order() {
        let seen = RefCell::new(Vec::new());
        let load = |path: &Path| {
            seen.borrow_mut().push(path.to_owned());
            match path.to_str() {
                Some("/b.ko") => Err(io::Error::from(io::ErrorKind::NotFound)),
                _ => Ok(Loaded::Ready),
            }
        };
        let error = load_all("/a.ko\n\n/b.ko\n/c.ko.xz\n", load).unwrap_err();
        assert_eq!(error.to_string(), "loading module `/b.ko` (1 of 3 failed)");
        assert_eq!(seen.borrow().len(), 3);
    }

    #[test]
    fn absent_hardware_is_no_failure() {
        let list = "/bus.ko\n/device.ko\n";
        let load = |bus| {
            load_all(list, move |path| match path.to_str() {
                Some("/bus.ko") => Ok(bus),
                _ => Ok(Loaded::NoDependency),
            })
        };
        assert_eq!(load(Loaded::NoDevice).unwrap(), 2);
        assert!(load(Loaded::Ready).is_err());
    }

    #[test]
    fn no_list_is_no_error() {
        assert_eq!(load_listed("/no/such/list").unwrap(), 0);
        assert!(load_listed("/proc").is_err());
    }
}
