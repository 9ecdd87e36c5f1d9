//! Disks made by hand, good and bad: what the judge says of them.

use std::{
    fs::{self, File},
    os::unix::fs::FileExt,
    path::{Path, PathBuf},
    sync::OnceLock,
};

use anyhow::{Context, Result, ensure};
use bedplate_contract::meta::{self, BootRecord, Frame};
use bedplate_tests::{
    artifacts::Artifacts,
    disk::Table,
    esp,
    powercut::{
        disk::Disk,
        judge::{Judge, Promise, Verdict},
    },
    toolbox,
};
use tempfile::TempDir;

/// What runs, in slot A. It is of another name so that the loader prefers the staged one.
const RUNS: &str = "tests/images/never-ready";
/// What is staged in slot B.
const STAGED: &str = "tests/images/lab";

const BLESSED: &str = "never-ready_1.0.0.efi";
const TRIAL: &str = "lab_1.0.0+3.efi";

/// A disk with a blessed version and a staged one.
struct Scene {
    path: PathBuf,
    directory: TempDir,
    base: &'static Base,
}

/// What every scene begins as.
struct Base {
    directory: TempDir,
    staged: Artifacts,
    built: Vec<PathBuf>,
}

impl Base {
    /// Made by the first test.
    fn get() -> Result<&'static Self> {
        static BASE: OnceLock<Result<Base, String>> = OnceLock::new();
        let base = BASE.get_or_init(|| Self::make().map_err(|error| format!("{error:#}")));
        base.as_ref().map_err(|error| anyhow::anyhow!("{error}"))
    }

    fn make() -> Result<Self> {
        let (runs, staged) = (Artifacts::build(RUNS)?, Artifacts::build(STAGED)?);
        let base = Self {
            directory: tempfile::tempdir()?,
            built: [&runs, &staged]
                .map(|of| of.directory.join(&of.uki))
                .to_vec(),
            staged,
        };
        bedplate::sparse::copy(&runs.directory.join("disk.raw"), &base.disk())?;
        Ok(base)
    }

    fn disk(&self) -> PathBuf {
        self.directory.path().join("base.raw")
    }
}

impl Scene {
    fn new() -> Result<Self> {
        let base = Base::get()?;
        let directory = tempfile::tempdir()?;
        let path = directory.path().join("made.raw");
        bedplate::sparse::copy(&base.disk(), &path)?;
        let scene = Self {
            path,
            directory,
            base,
        };
        scene.rename("never-ready_1.0.0+3.efi", BLESSED)?;
        for (file, partition) in [("root.erofs", "slot-b"), ("root.verity", "slot-b-verity")] {
            let bytes = fs::read(base.staged.path(file)?)?;
            scene.write(partition, 0, &bytes)?;
        }
        scene.put(&fs::read(&base.built[1])?, TRIAL)?;
        scene.write("meta", meta::record_offset(1), &record()?)?;
        Ok(scene)
    }

    /// Writes into a partition.
    fn write(&self, partition: &str, offset: u64, bytes: &[u8]) -> Result<()> {
        let start = Table::read(&self.path)?.range(partition)?.start;
        let file = File::options().write(true).open(&self.path)?;
        Ok(file.write_all_at(bytes, start + offset)?)
    }

    /// Puts a file in place of the entry `name`.
    fn put(&self, bytes: &[u8], name: &str) -> Result<()> {
        let from = self.directory.path().join("uki");
        fs::write(&from, bytes)?;
        let from = from.to_str().context("a path in UTF-8")?;
        self.mtool("mcopy", from, &format!("::EFI/Linux/{name}"))
    }

    fn mtool(&self, program: &str, from: &str, to: &str) -> Result<()> {
        let image = esp::image(&self.path);
        let overwrite: &[&str] = if program == "mcopy" { &["-o"] } else { &[] };
        let words = [&[program], overwrite, &["-i", &image, from, to]].concat();
        toolbox::succeed(&words).map(drop)
    }

    fn remove(&self, name: &str) -> Result<()> {
        let image = esp::image(&self.path);
        toolbox::succeed(&["mdel", "-i", &image, &format!("::EFI/Linux/{name}")]).map(drop)
    }

    fn rename(&self, from: &str, to: &str) -> Result<()> {
        self.mtool("mren", &format!("::EFI/Linux/{from}"), to)
    }

    fn judged(&self, promise: Promise) -> Result<Verdict> {
        let scratch = self.directory.path();
        let disk = Disk::copy(&self.path, &scratch.join("judged.raw"))?;
        Judge::new(promise, &self.base.built, scratch)?.judge(&disk)
    }

    fn good(&self) -> Result<()> {
        let verdict = self.judged(Promise::Blessed)?;
        ensure!(verdict == Ok(()), "{verdict:?}");
        Ok(())
    }

    fn bad(&self, words: &str) -> Result<()> {
        let verdict = self.judged(Promise::Blessed)?;
        let said = verdict.as_ref().err().context("expected a bad disk")?;
        ensure!(said.contains(words), "`{words}` is not in `{said}`");
        Ok(())
    }
}

/// The boot record of a machine that has run once.
fn record() -> Result<Vec<u8>> {
    let value = BootRecord::default();
    let generation = 1;
    Ok(meta::encode_record(&Frame { generation, value })?)
}

/// Half of slot B, as a cut in the middle of its writing leaves it.
fn halve_slot_b(scene: &Scene) -> Result<()> {
    let half = fs::metadata(scene.base.staged.path("root.erofs")?)?.len() / 2;
    scene.write("slot-b", half, &vec![0; usize::try_from(half)?])
}

#[test]
fn a_trial_before_a_blessed_version_is_good() -> Result<()> {
    Scene::new()?.good()
}

#[test]
fn half_a_slot_with_an_entry_is_bad() -> Result<()> {
    let scene = Scene::new()?;
    halve_slot_b(&scene)?;
    scene.bad("no slot verifies")?;
    // Once its tries are spent, the other one is started.
    scene.rename(TRIAL, "lab_1.0.0+0-3.efi")?;
    scene.good()
}

#[test]
fn a_fallback_that_does_not_verify_is_bad() -> Result<()> {
    let scene = Scene::new()?;
    scene.write("slot-a", 1024, &[0; 64])?;
    scene.bad("is tried, and then never-ready_1.0.0.efi: no slot verifies")
}

#[test]
fn two_versions_without_tries_are_bad() -> Result<()> {
    let scene = Scene::new()?;
    scene.rename(TRIAL, "lab_1.0.0+0-3.efi")?;
    scene.rename(BLESSED, "never-ready_1.0.0+0-1.efi")?;
    scene.bad("only bad entries")
}

#[test]
fn a_uki_that_is_cut_short_or_changed_is_bad() -> Result<()> {
    let scene = Scene::new()?;
    let whole = fs::read(&scene.base.built[1])?;
    scene.put(&whole[..whole.len() / 2], TRIAL)?;
    scene.bad("is cut short")?;
    let mut changed = whole;
    let last = changed.len() - 1;
    changed[last - 4096] ^= 1;
    scene.put(&changed, TRIAL)?;
    scene.bad("no UKI that was built")
}

#[test]
fn a_uki_without_its_first_block_is_no_entry() -> Result<()> {
    let scene = Scene::new()?;
    let mut bytes = fs::read(&scene.base.built[1])?;
    bytes[..4096].fill(0);
    scene.put(&bytes, TRIAL)?;
    scene.good()?;
    scene.remove(BLESSED)?;
    scene.bad("finds no entry")
}

#[test]
fn a_trial_alone_is_good_only_on_a_fresh_disk() -> Result<()> {
    let scene = Scene::new()?;
    scene.remove(BLESSED)?;
    scene.bad("no blessed entry would follow")?;
    ensure!(scene.judged(Promise::Fresh)? == Ok(()));
    Ok(())
}

#[test]
fn a_boot_record_without_a_whole_copy_is_bad() -> Result<()> {
    let scene = Scene::new()?;
    let [first, second] = meta::RECORD_OFFSETS;
    // The only whole copy is lost, and there was never another; then both are ruined.
    scene.write("meta", second, &[7; 512])?;
    scene.bad("boot record")?;
    ensure!(scene.judged(Promise::Fresh)? == Ok(()));
    scene.write("meta", second, &[0; 4096])?;
    scene.bad("boot record")?;
    for copy in [first, second] {
        scene.write("meta", copy, &[7; 512])?;
    }
    scene.bad("boot record")
}

#[test]
fn a_disk_without_a_table_is_bad() -> Result<()> {
    let scene = Scene::new()?;
    let copy = scene.directory.path().join("judged.raw");
    let mut disk = Disk::copy(&scene.path, &copy)?;
    let mut judge = Judge::new(Promise::Blessed, &scene.base.built, scene.directory.path())?;
    // One copy is enough: firmware mends the other by it.
    let last = fs::metadata(&copy)?.len() - 512;
    let first = disk.write(512, &[0; 512])?;
    ensure!(judge.judge(&disk)? == Ok(()));
    disk.write(last, &[0; 512])?;
    let verdict = judge.judge(&disk)?;
    ensure!(verdict.is_err(), "{verdict:?}");
    disk.undo(first)?;
    ensure!(judge.judge(&disk)? == Ok(()));
    Ok(())
}

/// A path is used by tools that know nothing of ours.
#[test]
fn the_scene_is_what_it_says() -> Result<()> {
    let scene = Scene::new()?;
    let entries = esp::entries(&scene.path)?;
    ensure!(entries == [TRIAL, BLESSED], "{entries:?}");
    let path: &Path = &scene.path;
    let text = toolbox::succeed(&["sgdisk", "-v", path.to_str().context("UTF-8")?])?;
    ensure!(text.contains("No problems found"), "{text}");
    Ok(())
}
