//! Whether the machine keeps the promises of its hardware profile.

use std::{fs, path::Path};

use bedplate_contract::appliance::{Enforce, Promise, Requirement};

use crate::disk::SYS_BLOCK;

/// PCI vendor of NVIDIA, as sysfs writes it.
const NVIDIA: &str = "0x10de";
/// PCI base class "display controller".
const DISPLAY: &str = "0x03";

/// A promise that does not hold, or cannot be measured.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("expected {expected}, found {found}")]
pub struct Broken {
    /// The promise in words.
    pub expected: String,
    /// The measurement in words.
    pub found: String,
    /// What follows; always [`Enforce::Warn`] for what cannot be measured.
    pub enforce: Enforce,
}

/// Where measurements are taken; other roots are for tests.
#[derive(Debug, Clone, Copy)]
pub struct Hardware<'a> {
    /// `/sys`.
    pub sys: &'a Path,
    /// `/proc`.
    pub proc: &'a Path,
    /// Kernel name of the disk that holds the state partition; `None` in a container.
    pub disk: Option<&'a str>,
}

impl<'a> Hardware<'a> {
    /// This machine.
    pub fn here(disk: Option<&'a str>) -> Self {
        Self {
            sys: Path::new("/sys"),
            proc: Path::new("/proc"),
            disk,
        }
    }

    /// The requirements that do not hold, in their order.
    ///
    /// Sizes are compared with what the makers promise: firmware and kernel keep up to 5 % of the
    /// memory for themselves.
    pub fn check(&self, requirements: &[Requirement]) -> Vec<Broken> {
        let broken = requirements.iter().filter_map(|requirement| {
            let (expected, least) = describe(requirement.promise);
            let found = self.measure(requirement.promise);
            let (found, enforce) = match found {
                Some(found) if found >= least => return None,
                Some(found) => (found.to_string(), requirement.enforce),
                None => ("what cannot be measured".to_owned(), Enforce::Warn),
            };
            Some(Broken {
                expected,
                found,
                enforce,
            })
        });
        broken.collect()
    }

    fn measure(&self, promise: Promise) -> Option<u64> {
        match promise {
            Promise::CpuCores(_) => self.cpus(),
            Promise::MemoryMib(_) => self.memory_mib(),
            Promise::DiskGib(_) => self.disk_gib(),
            Promise::NicMbps(_) => self.nic_mbps(),
            Promise::GpuCount(_) => self.gpus(),
            // Only the driver knows; `gpu-probe` asks it once services run.
            Promise::GpuMemoryMib(_) => None,
        }
    }

    fn cpus(&self) -> Option<u64> {
        count_list(&read(&self.sys.join("devices/system/cpu/online"))?)
    }

    fn memory_mib(&self) -> Option<u64> {
        let text = read(&self.proc.join("meminfo"))?;
        let line = text
            .lines()
            .find_map(|line| line.strip_prefix("MemTotal:"))?;
        let kib: u64 = line.trim().strip_suffix("kB")?.trim().parse().ok()?;
        // What firmware and kernel took before `MemTotal` was counted.
        kib.checked_div(1024)?.checked_mul(100)?.checked_div(95)
    }

    fn disk_gib(&self) -> Option<u64> {
        let class = self
            .sys
            .join(Path::new(SYS_BLOCK).strip_prefix("/sys").ok()?);
        let sectors: u64 = read(&class.join(self.disk?).join("size"))?.parse().ok()?;
        // sysfs counts sectors of 512 bytes, whatever the disk's own are.
        sectors.checked_div(2 << 20)
    }

    fn nic_mbps(&self) -> Option<u64> {
        let links = fs::read_dir(self.sys.join("class/net")).ok()?;
        // `-1` or an error: a virtual link, or one without carrier.
        let speeds = links.filter_map(|link| read(&link.ok()?.path().join("speed"))?.parse().ok());
        speeds.max()
    }

    fn gpus(&self) -> Option<u64> {
        let devices = fs::read_dir(self.sys.join("bus/pci/devices")).ok()?;
        let gpus = devices.filter_map(|device| {
            let path = device.ok()?.path();
            let vendor = read(&path.join("vendor"))?;
            let class = read(&path.join("class"))?;
            (vendor == NVIDIA && class.starts_with(DISPLAY)).then_some(())
        });
        u64::try_from(gpus.count()).ok()
    }
}

fn describe(promise: Promise) -> (String, u64) {
    match promise {
        Promise::CpuCores(least) => (format!("at least {least} CPUs"), least.into()),
        Promise::MemoryMib(least) => (format!("at least {least} MiB of memory"), least),
        Promise::DiskGib(least) => (format!("a disk of at least {least} GiB"), least),
        Promise::NicMbps(least) => (format!("a link of at least {least} Mbit/s"), least),
        Promise::GpuCount(least) => (format!("at least {least} NVIDIA GPUs"), least.into()),
        Promise::GpuMemoryMib(least) => (format!("at least {least} MiB on each GPU"), least),
    }
}

/// Counts a list such as `0-3,6`.
fn count_list(text: &str) -> Option<u64> {
    text.split(',').try_fold(0u64, |count, range| {
        let (first, last) = range.split_once('-').unwrap_or((range, range));
        let (first, last): (u64, u64) = (first.parse().ok()?, last.parse().ok()?);
        last.checked_sub(first)?.checked_add(1)?.checked_add(count)
    })
}

fn read(path: &Path) -> Option<String> {
    let text = fs::read_to_string(path).ok()?;
    Some(text.trim().to_owned())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn put(root: &Path, path: &str, text: &str) {
        let path = root.join(path);
        fs::create_dir_all(path.parent().unwrap()).unwrap();
        fs::write(path, text).unwrap();
    }

    fn machine() -> tempfile::TempDir {
        let root = tempfile::tempdir().unwrap();
        put(root.path(), "devices/system/cpu/online", "0-3,6\n");
        put(
            root.path(),
            "meminfo",
            "MemTotal:        3900000 kB\nMemFree: 1 kB\n",
        );
        put(root.path(), "class/block/vda/size", "41943040\n");
        put(root.path(), "class/net/lo/speed", "-1\n");
        put(root.path(), "class/net/eth0/speed", "10000\n");
        for (device, vendor, class) in [
            ("0000:01:00.0", "0x10de", "0x030200"),
            ("0000:01:00.1", "0x10de", "0x040300"),
            ("0000:02:00.0", "0x1af4", "0x030000"),
        ] {
            put(
                root.path(),
                &format!("bus/pci/devices/{device}/vendor"),
                vendor,
            );
            put(
                root.path(),
                &format!("bus/pci/devices/{device}/class"),
                class,
            );
        }
        root
    }

    #[test]
    fn promises_are_measured() {
        let root = machine();
        let hardware = Hardware {
            sys: root.path(),
            proc: root.path(),
            disk: Some("vda"),
        };
        for (promise, holds) in [
            (Promise::CpuCores(5), true),
            (Promise::CpuCores(6), false),
            (Promise::MemoryMib(4000), true),
            (Promise::MemoryMib(4100), false),
            (Promise::DiskGib(20), true),
            (Promise::DiskGib(21), false),
            (Promise::NicMbps(10_000), true),
            (Promise::NicMbps(25_000), false),
            (Promise::GpuCount(1), true),
            (Promise::GpuCount(2), false),
        ] {
            let enforce = Enforce::Refuse;
            let broken = hardware.check(&[Requirement { promise, enforce }]);
            assert_eq!(broken.is_empty(), holds, "{promise:?}: {broken:?}");
            assert!(broken.iter().all(|broken| broken.enforce == enforce));
        }
    }

    #[test]
    fn what_cannot_be_measured_is_a_warning() {
        let root = tempfile::tempdir().unwrap();
        let hardware = Hardware {
            sys: root.path(),
            proc: root.path(),
            disk: None,
        };
        let promises = [
            Promise::DiskGib(1),
            Promise::NicMbps(1),
            Promise::GpuMemoryMib(1),
        ];
        let enforce = Enforce::Refuse;
        let requirements = promises.map(|promise| Requirement { promise, enforce });
        let broken = hardware.check(&requirements);
        assert_eq!(broken.len(), 3);
        assert!(broken.iter().all(|broken| broken.enforce == Enforce::Warn));
        let text = broken[0].to_string();
        assert_eq!(
            text,
            "expected a disk of at least 1 GiB, found what cannot be measured"
        );
    }

    #[test]
    fn lists_are_counted() {
        for (list, count) in [
            ("0", Some(1)),
            ("0-63", Some(64)),
            ("3-1", None),
            ("", None),
        ] {
            assert_eq!(count_list(list), count, "{list}");
        }
    }
}
