//! A layout with a signed bundle, as the builder makes it.

use std::{
    fs,
    path::{Path, PathBuf},
};

use bedplate_contract::{
    BundleManifest, Digest, SchemaVersion,
    bundle::{self, Content, RootContent, annotation},
    frames::{Frame, Index},
    oci,
    signature::{Envelope, PublicKey, signed_bytes},
    trust::Trust,
    verity::{self, BLOCK_SIZE, Superblock},
};
use ed25519_dalek::{Signer, SigningKey, pkcs8::EncodePublicKey};

/// Pieces of the root image; the last is short.
pub const PIECES: usize = 5;
/// Bytes of a piece: smaller than the builder makes them, for the tests make many machines.
const FRAME: usize = 32 << 10;

/// A bundle in a layout.
pub struct Layout {
    pub root: PathBuf,
    pub manifest: BundleManifest,
    pub image: Vec<u8>,
    pub tree: Vec<u8>,
    pub uki: Vec<u8>,
    pub index: Index,
}

/// Half noise, half zeros, by `seed`: as compressible as programs are.
pub fn noise(seed: u64, size: usize) -> Vec<u8> {
    let mut state = seed.wrapping_mul(2).wrapping_add(1);
    let mut next = || {
        state ^= state << 13;
        state ^= state >> 7;
        state ^= state << 17;
        state
    };
    let mut bytes = Vec::with_capacity(size + 16);
    while bytes.len() < size {
        bytes.extend(next().to_le_bytes());
        bytes.extend([0; 8]);
    }
    bytes.truncate(size);
    bytes
}

/// The root image of a version: its second piece is the same in all of them.
pub fn image(version: u64) -> Vec<u8> {
    let mut image = noise(version, (PIECES - 1) * FRAME + 3 * BLOCK_SIZE);
    image[FRAME..2 * FRAME].copy_from_slice(&noise(99, FRAME));
    image
}

impl Layout {
    /// Writes version `1.0.<version>` of `lab` for `min`, signed by the test's key, into `root`.
    pub fn write(root: &Path, version: u64) -> Self {
        let image = image(version);
        let (frames, index) = compress(&image);
        let (tree, root_hash) = tree(&image, version);
        let mut uki = noise(version + 7, 70_000);
        uki[..2].copy_from_slice(b"MZ");
        let manifest = BundleManifest {
            schema: SchemaVersion,
            name: "lab".to_owned(),
            version: format!("1.0.{version}"),
            profile: "min".to_owned(),
            minimum_version: None,
            expires: None,
            root_hash,
            root: RootContent {
                image: content(&image),
                frames: blob(root, &frames),
                index: blob(root, &index.encode()),
            },
            verity: blob(root, &tree),
            uki: blob(root, &uki),
        };
        publish(root, &[&manifest]);
        Self {
            root: root.to_owned(),
            manifest,
            image,
            tree,
            uki,
            index,
        }
    }
}

fn compress(image: &[u8]) -> (Vec<u8>, Index) {
    let mut blob = Vec::new();
    let pieces = image.chunks(FRAME).map(|piece| {
        let compressed = zstd::bulk::compress(piece, 3).unwrap();
        blob.extend(&compressed);
        Frame {
            compressed_size: compressed.len() as u32,
            compressed: Digest::of(&compressed),
            piece: Digest::of(piece),
        }
    });
    let mut index = Index::new(pieces.collect()).encode();
    index[8..12].copy_from_slice(&(FRAME as u32).to_le_bytes());
    (blob, Index::parse(&index).unwrap())
}

/// A superblock and one block of hashes. That a tree fits its root is the builder's promise, which
/// its digest carries; nothing here looks further.
fn tree(image: &[u8], version: u64) -> (Vec<u8>, Digest) {
    let superblock = Superblock {
        uuid: [1; 16],
        data_blocks: (image.len() / BLOCK_SIZE) as u64,
        salt: [2; 32],
    };
    let mut tree = superblock.encode().to_vec();
    tree.resize(BLOCK_SIZE, 0);
    tree.extend(noise(version + 3, 2 * BLOCK_SIZE));
    let block: &[u8; BLOCK_SIZE] = tree[BLOCK_SIZE..].first_chunk().unwrap();
    let root_hash = verity::root_hash(&superblock.salt, block);
    (tree, root_hash)
}

fn content(bytes: &[u8]) -> Content {
    Content {
        digest: Digest::of(bytes),
        size: bytes.len() as u64,
    }
}

fn blob(root: &Path, bytes: &[u8]) -> Content {
    let content = content(bytes);
    let path = root.join(oci::blob(&content.digest));
    fs::create_dir_all(path.parent().unwrap()).unwrap();
    fs::write(path, bytes).unwrap();
    content
}

fn key() -> SigningKey {
    SigningKey::from_bytes(&[5; 32])
}

fn public() -> PublicKey {
    let pem = key().verifying_key().to_public_key_pem(Default::default());
    PublicKey::from_pem(&pem.unwrap()).unwrap()
}

/// Trust in the key that signs here.
pub fn trust() -> Trust {
    Trust {
        keys: vec![public().to_pem()],
        threshold: 1,
        ..Trust::default()
    }
}

/// Writes the index of these bundles, each with its envelope.
pub fn publish(root: &Path, manifests: &[&BundleManifest]) {
    let entries: Vec<_> = manifests
        .iter()
        .flat_map(|manifest| descriptors(root, manifest))
        .collect();
    let index = format!(
        r#"{{"schemaVersion":2,"manifests":[{}]}}"#,
        entries.join(",")
    );
    fs::write(root.join(oci::INDEX), index).unwrap();
}

fn descriptors(root: &Path, manifest: &BundleManifest) -> [String; 2] {
    let payload = manifest.encode();
    let mut envelope = Envelope::new(bundle::MANIFEST, &payload);
    let signature = key().sign(&signed_bytes(bundle::MANIFEST, &payload));
    envelope.sign(&public(), &signature.to_bytes());
    let envelope = blob(root, &envelope.encode());
    let bundle = blob(root, br#"{"schemaVersion":2}"#);
    let holder = format!(
        r#"{{"schemaVersion":2,"artifactType":"{0}","layers":[{{"mediaType":"{0}",
        "digest":"{1}","size":{2}}}]}}"#,
        bundle::ENVELOPE_ARTIFACT,
        envelope.digest,
        envelope.size
    );
    let holder = blob(root, holder.as_bytes());
    [
        descriptor(manifest, bundle::ARTIFACT, &bundle),
        descriptor(manifest, bundle::ENVELOPE_ARTIFACT, &holder),
    ]
}

fn descriptor(manifest: &BundleManifest, kind: &str, content: &Content) -> String {
    format!(
        r#"{{"mediaType":"application/vnd.oci.image.manifest.v1+json","artifactType":"{kind}",
        "digest":"{}","size":{},"annotations":{{"{}":"{}","{}":"{}","{}":"{}"}}}}"#,
        content.digest,
        content.size,
        annotation::NAME,
        manifest.name,
        annotation::VERSION,
        manifest.version,
        annotation::PROFILE,
        manifest.profile
    )
}
