//! Kernel modules: which files to load, and in which order.
//!
//! A root with one kernel (`usr/lib/modules/<release>`) and wanted names → the files of the wanted
//! modules and all they need, each after what it needs. There is no `modprobe` in an appliance: what
//! is in no list is never loaded. Nothing is loaded or copied here.
//!
//! Source: kernel Documentation/kbuild/kbuild.rst, "modules.builtin"; modules.dep(5) for the order.

// Packages made what is in a root.
#![cfg_attr(not(test), deny(clippy::disallowed_methods))]

mod error;
mod lists;
pub mod modinfo;

use std::{
    collections::{BTreeMap, BTreeSet},
    io,
    path::{Path, PathBuf},
    sync::Arc,
};

pub use self::{
    error::ModulesError,
    lists::{FIREWALL, PROVISION, ROOT, STAGE1},
};
use self::{error::unread, modinfo::ModInfo};
use crate::layer::tree::{Kind, Tree};

/// Where the kernels of a root are.
const DIRECTORY: &str = "usr/lib/modules";

/// A module that exists as a file.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Module {
    /// Name in its normal form.
    pub name: String,
    /// Path from the top of the root, with a leading slash, as init opens it: `.ko`, `.ko.xz` or
    /// `.ko.zst`.
    pub path: String,
}

/// The modules of one kernel.
#[derive(Debug, Clone)]
pub struct Modules {
    root: Arc<Tree>,
    release: String,
    files: BTreeMap<String, String>,
    built_in: BTreeSet<String>,
}

impl Modules {
    /// Finds the kernel and its module files in the tree `root`.
    ///
    /// # Errors
    /// No kernel, more than one, or a directory that cannot be read.
    pub fn open(root: &Path) -> Result<Self, ModulesError> {
        let tree = Tree::open(root)?;
        let found = names_in(&tree, Path::new(DIRECTORY))?;
        let [release] = found.as_slice() else {
            let directory = root.join(DIRECTORY);
            return Err(ModulesError::Kernels { directory, found });
        };
        let kernel = Path::new(DIRECTORY).join(release);
        let list = kernel.join("modules.builtin");
        let text = tree.read_text(&list)?;
        let text = text.ok_or_else(|| unread(&list, io::ErrorKind::NotFound.into()))?;
        let mut files = BTreeMap::new();
        find_files(&tree, &kernel, &mut files)?;
        Ok(Self {
            root: Arc::new(tree),
            release: release.clone(),
            files,
            built_in: built_in(&text),
        })
    }

    /// Release of the kernel, as `uname -r` prints it.
    pub fn release(&self) -> &str {
        &self.release
    }

    /// Whether the kernel has `name`, as a module or built in.
    pub fn has(&self, name: &str) -> bool {
        let name = normal(name);
        self.files.contains_key(&name) || self.built_in.contains(&name)
    }

    /// The module `name`; `None` when it is built in or absent.
    pub fn find(&self, name: &str) -> Option<Module> {
        let name = normal(name);
        let path = self.files.get(&name)?.clone();
        Some(Module { name, path })
    }

    /// Those of `names` that this kernel has; for [`STAGE1`] and [`ROOT`], which name what any
    /// kernel might have.
    pub fn available<'a>(&self, names: &[&'a str]) -> Vec<&'a str> {
        let names = names.iter().copied();
        names.filter(|name| self.has(name)).collect()
    }

    /// `names` and all they depend on, in load order: each once, after what it needs. Built-in
    /// modules need no loading and are left out.
    ///
    /// # Errors
    /// A name, or a dependency, that the kernel does not have; a file that is no module.
    pub fn closure(&self, names: &[&str]) -> Result<Vec<Module>, ModulesError> {
        let mut order = Order::default();
        for name in names {
            self.add(&normal(name), "", &mut order)?;
        }
        Ok(order.modules)
    }

    /// The uncompressed bytes of `module`.
    ///
    /// # Errors
    /// The file cannot be read or is damaged.
    pub fn content(&self, module: &Module) -> Result<Vec<u8>, ModulesError> {
        let path = Path::new(&module.path);
        let bytes = self.root.read(path)?;
        let bytes = bytes.ok_or_else(|| unread(path, io::ErrorKind::NotFound.into()))?;
        decompress(&module.path, bytes).map_err(|e| unread(path, e))
    }

    /// What `module` says of itself.
    ///
    /// # Errors
    /// As [`Self::content`]; a file that is no module, or one of another kernel, which would refuse it.
    pub fn info(&self, module: &Module) -> Result<ModInfo, ModulesError> {
        let info =
            modinfo::parse(&self.content(module)?).map_err(|source| ModulesError::ModInfo {
                path: PathBuf::from(&module.path),
                source,
            })?;
        match &info.release {
            Some(other) if *other != self.release => Err(ModulesError::Release {
                path: PathBuf::from(&module.path),
                found: other.clone(),
                release: self.release.clone(),
            }),
            _ => Ok(info),
        }
    }

    /// Depth first: a module goes to the end once everything it needs is there. A name is marked
    /// before its dependencies are visited, so a cycle of soft dependencies ends.
    fn add(&self, name: &str, needed_by: &str, order: &mut Order) -> Result<(), ModulesError> {
        if self.built_in.contains(name) || !order.seen.insert(name.to_owned()) {
            return Ok(());
        }
        let Some(module) = self.find(name) else {
            return Err(self.absent(name, needed_by));
        };
        let info = self.info(&module)?;
        for wanted in info.wants.iter().filter(|name| self.has(name)) {
            self.add(wanted, name, order)?;
        }
        for needed in &info.depends {
            self.add(needed, name, order)?;
        }
        order.modules.push(module);
        Ok(())
    }

    fn absent(&self, name: &str, needed_by: &str) -> ModulesError {
        ModulesError::Absent {
            release: self.release.clone(),
            name: name.to_owned(),
            needed_by: match needed_by {
                "" => String::new(),
                module => format!(", which `{module}` depends on"),
            },
        }
    }
}

#[derive(Default)]
struct Order {
    seen: BTreeSet<String>,
    modules: Vec<Module>,
}

/// The form in which the kernel compares names: `dm-verity` and `dm_verity` are one module.
pub fn normal(name: &str) -> String {
    name.replace('-', "_")
}

/// Names in a `modules.builtin` file: one path per line.
fn built_in(text: &str) -> BTreeSet<String> {
    text.lines().filter_map(module_name).collect()
}

/// The name of the module in the file `path`; `None` for other files.
fn module_name(path: &str) -> Option<String> {
    let file = path.rsplit('/').next()?;
    let stem = [".ko", ".ko.xz", ".ko.zst"]
        .iter()
        .find_map(|suffix| file.strip_suffix(suffix))?;
    Some(normal(stem))
}

fn find_files(
    root: &Tree,
    directory: &Path,
    files: &mut BTreeMap<String, String>,
) -> Result<(), ModulesError> {
    for (path, kind) in root.entries(directory)? {
        if kind == Kind::Directory {
            find_files(root, &path, files)?;
        } else if let Some(name) = path.to_str().and_then(module_name) {
            files.insert(name, format!("/{}", path.display()));
        }
    }
    Ok(())
}

fn names_in(root: &Tree, directory: &Path) -> Result<Vec<String>, ModulesError> {
    let entries = root.entries(directory)?.into_iter();
    let names = entries.map(|(path, _)| {
        let name = path.file_name().unwrap_or_default();
        name.to_string_lossy().into_owned()
    });
    Ok(names.collect())
}

fn decompress(name: &str, bytes: Vec<u8>) -> io::Result<Vec<u8>> {
    let mut content = Vec::new();
    if name.ends_with(".xz") {
        io::Read::read_to_end(
            &mut liblzma::read::XzDecoder::new(bytes.as_slice()),
            &mut content,
        )?;
    } else if name.ends_with(".zst") {
        content = zstd::decode_all(bytes.as_slice())?;
    } else {
        content = bytes;
    }
    Ok(content)
}

#[cfg(test)]
pub(crate) mod tests;
