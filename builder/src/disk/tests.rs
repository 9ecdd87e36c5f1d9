//! The whole disk from a made-up root, kernel and stub, read back by other libraries.

use std::{
    fs::{self, File},
    io::Read,
    os::unix::fs::FileExt,
    path::Path,
};

use bedplate_contract::verity::{self as format, Superblock};

use super::*;

const DISK_OPTIONS: Disk = Disk {
    esp_mib: 270,
    slot_mib: Some(4),
    state_mib: 1,
    size_mib: None,
};

/// A kernel with one module, below `directory`.
fn kernel(directory: &Path) -> KernelTree {
    let vmlinuz = directory.join("boot/vmlinuz-6.12");
    fs::create_dir(directory.join("boot")).unwrap();
    fs::write(&vmlinuz, b"kernel").unwrap();
    KernelTree {
        release: "6.12".to_owned(),
        vmlinuz,
        modules: directory.to_owned(),
    }
}

/// Makes a disk with the version `version` in `directory`, for tests of what is made of it.
pub fn make_artifacts(directory: &Path, version: &str, blocks: usize) -> Artifacts {
    make_version(directory, version, DISK_OPTIONS, blocks).unwrap()
}

/// Makes a disk around a root image of `blocks` blocks.
fn make(directory: &Path, disk: Disk, blocks: usize) -> Result<Artifacts, DiskError> {
    make_version(directory, "1.0", disk, blocks)
}

fn make_version(
    directory: &Path,
    version: &str,
    disk: Disk,
    blocks: usize,
) -> Result<Artifacts, DiskError> {
    let root = modules::tests::kernel(&[("erofs.ko", "depends=")]);
    let kernel = kernel(root.path());
    let image = Image {
        name: "hello".to_owned(),
        version: version.to_owned(),
        summary: String::new(),
    };
    let request = DiskRequest {
        image: &image,
        disk: &disk,
        cmdline: &["extra".to_owned()],
        root: directory,
        root_key: &Digest::of(b"key"),
        kernel: &kernel,
        init: b"init",
    };
    let boot = Boot {
        stub: pe::tests::stub(5),
        loader: b"loader".to_vec(),
    };
    fs::write(directory.join(ROOT), vec![5; blocks * 4096]).unwrap();
    assemble(&request, &boot, directory)
}

fn partition(disk: &File, label: &str) -> (u64, u64) {
    let table = gptman::GPT::read_from(&mut &*disk, 512).unwrap();
    let mut entries = table.iter().map(|(_, entry)| entry);
    let entry = entries
        .find(|entry| entry.partition_name.as_str() == label)
        .unwrap();
    (entry.starting_lba * 512, entry.size().unwrap() * 512)
}

/// The ESP as a file of its own.
fn esp(disk: &File) -> File {
    let (start, size) = partition(disk, "esp");
    let mut bytes = vec![0; 4 << 20];
    disk.read_exact_at(&mut bytes, start).unwrap();
    let copy = tempfile::tempfile().unwrap();
    copy.set_len(size).unwrap();
    copy.write_all_at(&bytes, 0).unwrap();
    copy
}

fn start_of(disk: &File, label: &str) -> Vec<u8> {
    let (start, _) = partition(disk, label);
    let mut bytes = vec![0; 8192];
    disk.read_exact_at(&mut bytes, start).unwrap();
    bytes
}

#[test]
fn stage_1_finds_the_slot_that_the_uki_names() {
    let directory = tempfile::tempdir().unwrap();
    let artifacts = make(directory.path(), DISK_OPTIONS, 300).unwrap();
    let disk = File::open(directory.path().join(DISK)).unwrap();
    let tree = start_of(&disk, "slot-a-verity");
    let superblock = Superblock::parse(&tree).unwrap();
    assert_eq!(superblock.data_blocks, 300);
    let root_block = &tree[format::BLOCK_SIZE..];
    assert_eq!(
        format::root_hash(&superblock.salt, root_block),
        artifacts.root_hash
    );
    let uki = fs::read(directory.path().join("hello_1.0.efi")).unwrap();
    let parsed = goblin::pe::PE::parse(&uki).unwrap();
    let section = parsed
        .sections
        .iter()
        .find(|s| s.name().unwrap() == ".cmdline")
        .unwrap();
    let start = section.pointer_to_raw_data as usize;
    let line = std::str::from_utf8(&uki[start..start + section.virtual_size as usize]).unwrap();
    assert_eq!(
        bedplate_contract::cmdline::root_hash(line),
        Some(artifacts.root_hash)
    );
    assert!(line.ends_with(" extra"), "{line}");
}

#[test]
fn the_esp_holds_the_uki_with_all_its_tries() {
    let directory = tempfile::tempdir().unwrap();
    let artifacts = make(directory.path(), DISK_OPTIONS, 2).unwrap();
    let disk = File::open(directory.path().join(DISK)).unwrap();
    let volume = fatfs::FileSystem::new(esp(&disk), fatfs::FsOptions::new()).unwrap();
    let mut uki = Vec::new();
    let mut file = volume
        .root_dir()
        .open_file("EFI/Linux/hello_1.0+3.efi")
        .unwrap();
    file.read_to_end(&mut uki).unwrap();
    assert_eq!(Digest::of(&uki), artifacts.uki.digest);
}

#[test]
fn the_rest_of_the_disk_is_empty() {
    let directory = tempfile::tempdir().unwrap();
    make(directory.path(), DISK_OPTIONS, 2).unwrap();
    let disk = File::open(directory.path().join(DISK)).unwrap();
    for label in ["slot-b", "slot-b-verity", "meta", "state"] {
        assert!(
            start_of(&disk, label).iter().all(|byte| *byte == 0),
            "{label}"
        );
    }
}

#[test]
fn equal_requests_give_equal_bytes() {
    let made = [(); 2].map(|()| {
        let directory = tempfile::tempdir().unwrap();
        let artifacts = make(directory.path(), DISK_OPTIONS, 2).unwrap();
        assert_eq!(Artifacts::load(directory.path()).unwrap(), artifacts);
        artifacts
    });
    assert_eq!(made[0], made[1]);
}

#[test]
fn what_does_not_fit_is_the_definitions_fault_and_leaves_no_disk() {
    for disk in [
        Disk {
            slot_mib: Some(0),
            ..DISK_OPTIONS
        },
        Disk {
            size_mib: Some(200),
            ..DISK_OPTIONS
        },
        Disk {
            esp_mib: 1,
            ..DISK_OPTIONS
        },
    ] {
        let directory = tempfile::tempdir().unwrap();
        let error = make(directory.path(), disk, 2).unwrap_err();
        assert!(error.is_definition(), "{error}");
        assert!(!directory.path().join(DISK).exists());
    }
}
