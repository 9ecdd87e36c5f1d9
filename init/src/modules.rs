//! Kernel modules, by the lists that the builder wrote.
//!
//! There is no modprobe in an appliance: a list is closed under dependencies and in load order.

use std::{
    fs, io,
    path::{Path, PathBuf},
};

use bedplate_sys::module;

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
/// A module that fails, for a device that is broken or not there, costs no other.
///
/// # Errors
/// An unreadable list; the first module that failed, once all were tried.
pub fn load_listed(list: &str) -> Result<usize, ModulesError> {
    let text = match fs::read_to_string(list) {
        Ok(text) => text,
        Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(0),
        Err(source) => {
            let path = PathBuf::from(list);
            return Err(ModulesError::List { path, source });
        }
    };
    load_all(&text, module::load)
}

fn load_all(text: &str, load: impl Fn(&Path) -> io::Result<()>) -> Result<usize, ModulesError> {
    let lines = text.lines().map(str::trim).filter(|line| !line.is_empty());
    let results: Vec<_> = lines.map(|line| (line, load(Path::new(line)))).collect();
    let count = results.len();
    let failed = results.iter().filter(|(_, result)| result.is_err()).count();
    let first = results
        .into_iter()
        .find_map(|(path, result)| Some((PathBuf::from(path), result.err()?)));
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
                _ => Ok(()),
            }
        };
        let error = load_all("/a.ko\n\n/b.ko\n/c.ko.xz\n", load).unwrap_err();
        assert_eq!(error.to_string(), "loading module `/b.ko` (1 of 3 failed)");
        assert_eq!(seen.borrow().len(), 3);
    }

    #[test]
    fn no_list_is_no_error() {
        assert_eq!(load_listed("/no/such/list").unwrap(), 0);
        assert!(load_listed("/proc").is_err());
    }
}
