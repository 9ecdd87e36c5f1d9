//! The layers `app` (trees of the definition) and `config` (users, directories, files).
//!
//! Owners are resolved against the root's own passwd, with the users of the definition added.

use std::{io::Read, path::Path};

use bedplate_contract::layout;

use super::{
    EPOCH, Inputs, Layer, LayerError,
    accounts::{AccountError, Accounts, Owner},
    firewall,
    images::Images,
    step::Step,
    tree::{Metadata, Tree},
};
use crate::definition::{self, Definition, SourceContent, SourceEntry, TreeSource};

/// Application code, as it lies in the definition.
pub(super) fn app(
    inputs: &Inputs<'_>,
    below: &[Layer],
    images: &Images,
) -> Result<Layer, LayerError> {
    let definition = inputs.definition;
    let step = Step {
        name: "app",
        key: inputs.plan.app.key,
        store: inputs.store,
    };
    step.make(below, |root| {
        let accounts = with_users(root, definition)?;
        let writer = Tree::open(root)?;
        for tree in inputs.trees {
            let owner = resolve(&accounts, &tree.owner, &tree.path)?;
            let entries = match &tree.source {
                TreeSource::Entries(entries) => entries,
                TreeSource::Image { name, from } => &images.read(name, from, &tree.path)?,
            };
            for entry in entries {
                write_entry(&writer, entry, owner)?;
            }
        }
        Ok(())
    })
}

/// Users, directories and files of the definition.
pub(super) fn config(inputs: &Inputs<'_>, below: &[Layer]) -> Result<Layer, LayerError> {
    let definition = inputs.definition;
    let step = Step {
        name: "config",
        key: inputs.plan.config.key,
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
        write_firewall(&tree, &accounts, definition)
    })
}

/// Readable by operators, who check it with `nft -c -f`.
fn write_firewall(
    tree: &Tree,
    accounts: &Accounts,
    definition: &Definition,
) -> Result<(), LayerError> {
    let Some(firewall) = &definition.firewall else {
        return Ok(());
    };
    let rules = firewall::rules(firewall, accounts)?;
    let (path, bytes) = (Path::new(layout::FIREWALL), &mut rules.as_bytes());
    Ok(tree.file(path, bytes, Metadata::root(0o644))?)
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

fn write_entry(tree: &Tree, entry: &SourceEntry, owner: Owner) -> Result<(), LayerError> {
    let path = &entry.path;
    match &entry.content {
        SourceContent::Directory => tree.directory(path, owned(owner, 0o755))?,
        SourceContent::Link(text) => tree.symlink(path, text, owned(owner, 0o777))?,
        SourceContent::File { bytes, mode } => {
            let content: &mut dyn Read = &mut bytes.as_slice();
            tree.file(path, content, owned(owner, *mode))?;
        }
    }
    Ok(())
}
