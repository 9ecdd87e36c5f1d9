//! `profiles/<name>.toml`: what hardware promises and what the kernel is told.

use std::{collections::BTreeMap, path::Path, sync::Arc};

use bedplate_contract::appliance::{Enforce, Promise, Requirement};
use minijinja::{Value, context};

use super::{
    Build, BuildOrigin, Disk, Profile, build,
    decode::Table,
    image, name, parse,
    problem::{Problem, Problems},
    read_text, schema,
    source::Source,
    template::typed,
    unit,
};

/// Least size of the ESP: firmware reads no smaller FAT32 (DESIGN 4).
const ESP_MIB: u64 = 512;
/// Least size of state: mkfs.xfs refuses less than 300 MiB.
const STATE_MIB: u64 = 300;

/// A profile, and what of it goes elsewhere.
#[derive(Debug)]
pub(super) struct Loaded {
    /// The profile.
    pub profile: Profile,
    /// Extra packages of the root.
    pub packages: Vec<String>,
    /// Extra components of the distribution.
    pub components: Vec<String>,
    /// Bytes that services may lock which name no limit of their own.
    pub memlock_bytes: Option<u64>,
    /// `[build]`.
    pub build: Option<Build>,
    /// What templates see as `profile`.
    pub values: Value,
}

/// Names of the profiles in a directory, sorted.
///
/// # Errors
/// A directory that cannot be read.
pub fn profile_names(profiles: &Path) -> std::io::Result<Vec<String>> {
    let mut names = Vec::new();
    for entry in std::fs::read_dir(profiles)? {
        let path = entry?.path();
        let stem = path.file_stem().and_then(|stem| stem.to_str());
        if let (Some(stem), Some("toml")) = (stem, path.extension().and_then(|e| e.to_str())) {
            names.push(stem.to_owned());
        }
    }
    names.sort();
    Ok(names)
}

/// Reads a profile by its name.
pub(super) fn load(name: &str, profiles: &Path, problems: &Problems) -> Option<Loaded> {
    let path = profiles.join(format!("{name}.toml"));
    let source = match read_text(&path) {
        Ok(source) => source,
        Err(error) => {
            problems.add(unknown(name, profiles, &error));
            return None;
        }
    };
    decode(name, &source, problems)
}

fn unknown(name: &str, profiles: &Path, error: &std::io::Error) -> Problem {
    let directory = profiles.display();
    match profile_names(profiles) {
        Ok(names) if !names.iter().any(|known| known == name) => {
            let names: Vec<_> = names.iter().map(String::as_str).collect();
            Problem::error(format!("unknown profile `{name}` in `{directory}`"))
                .help(name::suggestion(name, &names))
        }
        _ => Problem::error(format!("cannot read `{directory}/{name}.toml`: {error}")),
    }
}

fn decode(name: &str, source: &Arc<Source>, problems: &Problems) -> Option<Loaded> {
    let document = parse(source, problems)?;
    let root = Table::document(problems, source, &document);
    Some(root.decode(|root| read(name, root)))
}

fn read(name: &str, root: &Table<'_>) -> Loaded {
    schema(root);
    let values = root.map("values");
    let values: BTreeMap<_, _> = values
        .into_iter()
        .map(|(k, v)| (k.value, v.value))
        .collect();
    let typed = values.iter().map(|(key, value)| (key, typed(value)));
    let template = context! { name => name, values => Value::from_pairs(typed) };
    let kernel = root.table("kernel");
    if kernel.is_none() {
        root.require("kernel");
    }
    let (kernel_package, cmdline, modules) = kernel
        .map(|table| table.decode(read_kernel))
        .unwrap_or_default();
    let profile = Profile {
        name: name.to_owned(),
        summary: root.string("summary").map(|s| s.value).unwrap_or_default(),
        requirements: root
            .table("requires")
            .map_or_else(Vec::new, |t| t.decode(read_requires)),
        kernel_package,
        cmdline,
        sysctl: root
            .map("sysctl")
            .into_iter()
            .map(|(k, v)| (k.value, v.value))
            .collect(),
        hugepages: root.integer("hugepages", 0..1 << 32).map_or(0, |n| n.value),
        modules,
        disk: read_disk(root),
        values,
    };
    Loaded {
        profile,
        packages: image::packages(root),
        components: image::listed_components(root),
        memlock_bytes: root.table("limits").and_then(|t| t.decode(read_memlock)),
        build: build::read(root, BuildOrigin::Profile),
        values: template,
    }
}

fn read_kernel(table: &Table<'_>) -> (String, Vec<String>, Vec<String>) {
    let words = |key| {
        table
            .strings(key)
            .into_iter()
            .map(|word| word.value)
            .collect()
    };
    let package = table.required("package", name::package).value;
    (package, words("cmdline"), words("modules"))
}

fn read_memlock(table: &Table<'_>) -> Option<u64> {
    let size = table.parsed("memlock", unit::size_or_unlimited);
    size.map(|size| size.value)
}

fn read_requires(table: &Table<'_>) -> Vec<Requirement> {
    let count = |t: &Table<'_>| {
        t.require("least");
        t.integer::<u32>("least", 1..65_536).map(|n| n.value)
    };
    let quantity = |parse: fn(&str) -> Result<u64, String>| {
        move |t: &Table<'_>| Some(t.required("least", parse).value)
    };
    let all = [
        promise(table, "cpu_cores", |t| count(t).map(Promise::CpuCores)),
        promise(table, "memory", |t| {
            quantity(unit::size_mib)(t).map(Promise::MemoryMib)
        }),
        promise(table, "disk", |t| {
            quantity(unit::size_gib)(t).map(Promise::DiskGib)
        }),
        promise(table, "nic", |t| {
            quantity(unit::speed_mbps)(t).map(Promise::NicMbps)
        }),
        promise(table, "gpu_count", |t| count(t).map(Promise::GpuCount)),
        promise(table, "gpu_memory", |t| {
            quantity(unit::size_mib)(t).map(Promise::GpuMemoryMib)
        }),
    ];
    all.into_iter().flatten().collect()
}

fn promise(
    table: &Table<'_>,
    key: &'static str,
    read: impl FnOnce(&Table<'_>) -> Option<Promise>,
) -> Option<Requirement> {
    const ENFORCE: [(&str, Enforce); 2] = [("refuse", Enforce::Refuse), ("warn", Enforce::Warn)];
    table.table(key)?.decode(|table| {
        let enforce = table.choice("enforce", &ENFORCE).unwrap_or(Enforce::Refuse);
        let promise = read(table)?;
        Some(Requirement { promise, enforce })
    })
}

fn read_disk(root: &Table<'_>) -> Disk {
    let read = |table: &Table<'_>| Disk {
        esp_mib: at_least(table, "esp", ESP_MIB).unwrap_or(ESP_MIB),
        slot_mib: at_least(table, "slot", 1),
        state_mib: at_least(table, "state", STATE_MIB).unwrap_or(STATE_MIB),
        size_mib: at_least(table, "size", ESP_MIB + STATE_MIB),
    };
    let default = Disk {
        esp_mib: ESP_MIB,
        slot_mib: None,
        state_mib: STATE_MIB,
        size_mib: None,
    };
    let Some(table) = root.table("disk") else {
        return default;
    };
    let place = table.header();
    let disk = table.decode(read);
    let parts = disk.esp_mib + 2 * disk.slot_mib.unwrap_or(0) + disk.state_mib;
    if let Some(size) = disk.size_mib.filter(|size| *size < parts) {
        let label = format!("the parts need {parts} MiB, `size` is {size} MiB");
        let problem = Problem::error("the disk is too small for its layout");
        root.problems().add(problem.at(&place, label));
    }
    disk
}

fn at_least(table: &Table<'_>, key: &'static str, least: u64) -> Option<u64> {
    let check = |text: &str| match unit::size_mib(text)? {
        size if size < least => Err(format!("expected at least {least} MiB, found {size} MiB")),
        size => Ok(size),
    };
    table.parsed(key, check).map(|size| size.value)
}
