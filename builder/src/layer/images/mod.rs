//! Images of registries as directories of the root: `/usr/lib/bedplate/oci/<name>`.
//!
//! Each is a step of its own that depends on its manifest alone. One that services run in is a layer
//! of the root too; trees of the definition are made of any.

mod root;
mod unpack;
mod whiteout;

use std::path::Path;

use bedplate_contract::layout;

pub use unpack::{Budget, ImageUnpackError, apply};

use super::{
    Inputs, Layer, LayerError,
    step::Step,
    tree::{Metadata, Tree},
};
use crate::{
    definition::{self, SourceEntry},
    plan::ImageStep,
    registry::{ImageConfig, PinnedImage},
};

/// The images of a build, unpacked.
#[derive(Debug)]
pub(super) struct Images(Vec<Image>);

/// An unpacked image.
#[derive(Debug)]
pub(super) struct Image {
    name: String,
    layer: Layer,
    is_layer: bool,
    /// What it says of itself.
    pub(super) config: ImageConfig,
}

/// Where the root of the image `name` lies in that of the appliance.
pub(super) fn place(name: &str) -> String {
    format!("{}/{name}", layout::OCI_DIR)
}

impl Images {
    /// Unpacks every image of the plan that is not in the store.
    pub fn unpack(inputs: &Inputs<'_>) -> Result<Self, LayerError> {
        let pinned = |step: &ImageStep| {
            let mut images = inputs.lock.images.iter();
            images.find(|image| image.name == step.name)
        };
        let steps = inputs.plan.images.iter();
        let unpack = |step: &ImageStep| Some(Image::unpack(pinned(step)?, step, inputs));
        Ok(Self(steps.filter_map(unpack).collect::<Result<_, _>>()?))
    }

    /// Those that are layers of the root.
    pub fn layers(&self) -> impl Iterator<Item = Layer> {
        let layers = self.0.iter().filter(|image| image.is_layer);
        layers.map(|image| image.layer.clone())
    }

    /// The image `name`.
    pub fn find(&self, name: &str) -> Option<&Image> {
        self.0.iter().find(|image| image.name == name)
    }

    /// The part `from` of the image `name`, to lie at `target`.
    pub fn read(
        &self,
        name: &str,
        from: &str,
        target: &str,
    ) -> Result<Vec<SourceEntry>, LayerError> {
        let Some(image) = self.find(name) else {
            return Ok(Vec::new());
        };
        let root = image
            .layer
            .directory()
            .join(place(name).trim_start_matches('/'));
        // A link in the image leads to a place in the image.
        let inside = Tree::open(&root)?.resolve(Path::new(from))?;
        let source = root.join(inside);
        Ok(definition::read_tree(&source, Path::new(target))?)
    }
}

impl Image {
    fn unpack(
        pinned: &PinnedImage,
        planned: &ImageStep,
        inputs: &Inputs<'_>,
    ) -> Result<Self, LayerError> {
        let failed = |source| LayerError::Image {
            name: pinned.name.clone(),
            source: Box::new(source),
        };
        let config = pinned.configuration(inputs.store);
        let config = config.map_err(|error| failed(error.into()))?;
        let step = Step {
            name: &planned.step.name,
            key: planned.step.key,
            store: inputs.store,
        };
        let layer = step.make(&[], |upper| {
            let place = place(&pinned.name);
            let place = place.trim_start_matches('/');
            Tree::open(upper)?.directory(Path::new(place), Metadata::root(0o755))?;
            let root = Tree::open(&upper.join(place))?;
            unpack::unpack(pinned, &config, &root, inputs.store).map_err(failed)
        })?;
        Ok(Self {
            name: pinned.name.clone(),
            layer,
            is_layer: planned.is_layer,
            config,
        })
    }
}
