//! Bundles of several layouts as one sorted set: pure.

use bedplate_contract::version;

use super::{PublishError, Unsigned};
use crate::bundle::Stored;

/// The bundles of a tree.
#[derive(Debug)]
pub(super) struct Merged {
    unsigned: Unsigned,
    bundles: Vec<Stored>,
}

impl Merged {
    pub(super) const fn new(unsigned: Unsigned) -> Self {
        let bundles = Vec::new();
        Self { unsigned, bundles }
    }

    /// Adds a bundle that is published already: whatever holds today held then.
    pub(super) fn published(&mut self, bundle: Stored) -> Result<(), PublishError> {
        self.insert(bundle)
    }

    /// Adds a bundle that is new here, or its new signatures.
    ///
    /// # Errors
    /// It is not signed, or another content has its name.
    pub(super) fn add(&mut self, bundle: Stored) -> Result<(), PublishError> {
        if bundle.signatures.is_empty() && self.unsigned == Unsigned::Refuse {
            return Err(PublishError::Unsigned {
                title: bundle.title(),
            });
        }
        self.insert(bundle)
    }

    fn insert(&mut self, bundle: Stored) -> Result<(), PublishError> {
        let same = |known: &&mut Stored| identity(known) == identity(&bundle);
        match self.bundles.iter_mut().find(same) {
            Some(known) if known.descriptor.digest() != bundle.descriptor.digest() => {
                Err(PublishError::Taken {
                    title: bundle.title(),
                })
            }
            Some(known) => {
                known.sign(bundle.signatures);
                Ok(())
            }
            None => {
                self.bundles.push(bundle);
                self.sort();
                Ok(())
            }
        }
    }

    /// By name, profile and version, so that the same set makes the same index.
    fn sort(&mut self) {
        self.bundles.sort_by(|a, b| {
            let (a, b) = (&a.manifest, &b.manifest);
            let names = (&a.name, &a.profile).cmp(&(&b.name, &b.profile));
            let versions = || version::compare(&a.version, &b.version);
            // Versions that are equal in rank may still be spelled in two ways.
            names
                .then_with(versions)
                .then_with(|| a.version.cmp(&b.version))
        });
    }

    pub(super) fn bundles(&self) -> &[Stored] {
        &self.bundles
    }

    pub(super) fn titles(&self) -> Vec<String> {
        self.bundles.iter().map(Stored::title).collect()
    }
}

fn identity(bundle: &Stored) -> (&str, &str, &str) {
    let manifest = &bundle.manifest;
    (&manifest.name, &manifest.profile, &manifest.version)
}
