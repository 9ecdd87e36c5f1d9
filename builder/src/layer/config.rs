//! The layers `app` (trees of the definition) and `config` (users, directories, files).
//!
//! Owners are resolved against the root's own passwd, with the users of the definition added.

use std::{
    fs,
    io::Read,
    os::unix::fs::PermissionsExt,
    path::{Path, PathBuf},
};

use super::{
    EPOCH, Inputs, Layer, LayerError,
    accounts::{AccountError, Accounts, Owner},
    step::{Key, Step},
    tree::{Metadata, Tree},
};
use crate::definition::{self, Definition};

/// One entry of a tree: its path in the root, and what it is.
#[derive(Debug)]
struct Entry {
    target: PathBuf,
    content: Content,
}

#[derive(Debug)]
enum Content {
    Directory,
    File { bytes: Vec<u8>, mode: u32 },
    Link(PathBuf),
}

/// Application code, as it lies in the definition.
pub(super) fn app(inputs: &Inputs<'_>, below: &[Layer]) -> Result<Layer, LayerError> {
    let definition = inputs.definition;
    let mut key = users_key(Key::new("layer app 1").below(below), definition);
    let mut trees = Vec::new();
    for tree in &definition.trees {
        let entries = read_tree(
            &definition.directory.join(&tree.source),
            Path::new(&tree.path),
        )?;
        key = key.part(tree.owner.as_bytes());
        key = entries.iter().fold(key, |key, entry| entry.key(key));
        trees.push((tree, entries));
    }
    let step = Step {
        name: "app",
        key: key.digest(),
        store: inputs.store,
    };
    step.make(below, |root| {
        let accounts = with_users(root, definition)?;
        let writer = Tree::open(root)?;
        for (tree, entries) in &trees {
            let owner = resolve(&accounts, &tree.owner, &tree.path)?;
            for entry in entries {
                entry.write(&writer, owner)?;
            }
        }
        Ok(())
    })
}

/// Users, directories and files of the definition.
pub(super) fn config(inputs: &Inputs<'_>, below: &[Layer]) -> Result<Layer, LayerError> {
    let definition = inputs.definition;
    let mut key = users_key(Key::new("layer config 1").below(below), definition);
    for directory in &definition.directories {
        key = key.part(format!("{directory:?}").as_bytes());
    }
    for file in &definition.files {
        let head = format!("{} {:o} {}", file.path, file.mode, file.owner);
        key = key.part(head.as_bytes()).part(&file.content);
    }
    let step = Step {
        name: "config",
        key: key.digest(),
        store: inputs.store,
    };
    step.make(below, |root| {
        let accounts = with_users(root, definition)?;
        accounts.save(root)?;
        let tree = Tree::open(root)?;
        for directory in &definition.directories {
            write_directory(&tree, &accounts, directory)?;
        }
        for file in &definition.files {
            let metadata = owned(resolve(&accounts, &file.owner, &file.path)?, file.mode);
            tree.file(
                Path::new(&file.path),
                &mut file.content.as_slice(),
                metadata,
            )?;
        }
        Ok(())
    })
}

fn write_directory(
    tree: &Tree,
    accounts: &Accounts,
    directory: &definition::Directory,
) -> Result<(), LayerError> {
    let owner = resolve(accounts, &directory.owner, &directory.path)?;
    let (path, metadata) = (Path::new(&directory.path), owned(owner, directory.mode));
    tree.directory(path, metadata)?;
    // A package may have made it with another owner; the definition has the last word.
    Ok(tree.set(path, metadata)?)
}

/// The accounts of the root with the users of the definition.
fn with_users(root: &Path, definition: &Definition) -> Result<Accounts, LayerError> {
    let mut accounts = Accounts::load(root)?;
    for user in &definition.users {
        accounts
            .add(user)
            .map_err(|e| account(format!("user `{}`", user.name), e))?;
    }
    Ok(accounts)
}

fn users_key(key: Key, definition: &Definition) -> Key {
    let users = definition.users.iter();
    users.fold(key, |key, user| key.part(format!("{user:?}").as_bytes()))
}

fn resolve(accounts: &Accounts, owner: &str, path: &str) -> Result<Owner, LayerError> {
    accounts
        .owner(owner)
        .map_err(|e| account(format!("`{path}`"), e))
}

/// An error of the owner `of` something.
pub(super) fn account(of: String, source: AccountError) -> LayerError {
    LayerError::Account { of, source }
}

fn owned(owner: Owner, mode: u32) -> Metadata {
    Metadata {
        mode,
        uid: owner.uid,
        gid: owner.gid,
        mtime: EPOCH,
    }
}

/// Everything below `source`, sorted, each directory before what is in it.
fn read_tree(source: &Path, target: &Path) -> Result<Vec<Entry>, LayerError> {
    let mut entries = vec![read_entry(source, target)?];
    if let Some(Entry {
        content: Content::Directory,
        ..
    }) = entries.first()
    {
        let names = fs::read_dir(source)
            .and_then(|entries| entries.map(|entry| Ok(entry?.file_name())).collect());
        let mut names: Vec<_> = names.map_err(LayerError::io("list", source))?;
        names.sort();
        for name in names {
            entries.extend(read_tree(&source.join(&name), &target.join(&name))?);
        }
    }
    Ok(entries)
}

fn read_entry(source: &Path, target: &Path) -> Result<Entry, LayerError> {
    let failed = |action| LayerError::io(action, source);
    let metadata = fs::symlink_metadata(source).map_err(failed("look at"))?;
    let content = if metadata.is_dir() {
        Content::Directory
    } else if metadata.is_symlink() {
        Content::Link(fs::read_link(source).map_err(failed("read the link"))?)
    } else if metadata.is_file() {
        let executable = metadata.permissions().mode() & 0o111 != 0;
        Content::File {
            bytes: fs::read(source).map_err(failed("read"))?,
            // What git keeps of a mode; the rest depends on the umask of whoever cloned.
            mode: if executable { 0o755 } else { 0o644 },
        }
    } else {
        return Err(LayerError::Kind(source.to_owned()));
    };
    Ok(Entry {
        target: target.to_owned(),
        content,
    })
}

impl Entry {
    fn key(&self, key: Key) -> Key {
        let key = key.part(self.target.as_os_str().as_encoded_bytes());
        match &self.content {
            Content::Directory => key.part(b"directory"),
            Content::Link(text) => key.part(b"link").part(text.as_os_str().as_encoded_bytes()),
            Content::File { bytes, mode } => key.part(format!("{mode:o}").as_bytes()).part(bytes),
        }
    }

    fn write(&self, tree: &Tree, owner: Owner) -> Result<(), LayerError> {
        match &self.content {
            Content::Directory => tree.directory(&self.target, owned(owner, 0o755))?,
            Content::Link(text) => tree.symlink(&self.target, text, owned(owner, 0o777))?,
            Content::File { bytes, mode } => {
                let content: &mut dyn Read = &mut bytes.as_slice();
                tree.file(&self.target, content, owned(owner, *mode))?;
            }
        }
        Ok(())
    }
}
