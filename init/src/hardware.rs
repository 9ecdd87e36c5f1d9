//! Whether the machine keeps the promises of its hardware profile.

use std::{fs, path::Path};

use bedplate_contract::appliance::{Enforce, Promise, Requirement};

use crate::{
    disk::SYS_BLOCK,
    driver::{Driver, DriverError},
};

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
    /// What follows; always [`Enforce::Warn`] for what cannot be measured, but for a GPU whose driver
    /// hangs or fails.
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
    /// Who knows the memory of GPUs.
    pub driver: Driver<'a>,
}

/// Why there is no measurement.
#[derive(Debug)]
enum Unmeasured {
    /// There is nothing to measure, or nobody who could.
    Unknown,
    /// A GPU is there, and its driver gives no answer.
    Sick(String),
}

impl<'a> Hardware<'a> {
    /// This machine.
    pub fn here(disk: Option<&'a str>) -> Self {
        Self {
            sys: Path::new("/sys"),
            proc: Path::new("/proc"),
            disk,
            driver: Driver::here(),
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
                Ok(found) if found >= least => return None,
                Ok(found) => (found.to_string(), requirement.enforce),
                Err(Unmeasured::Sick(words)) => (words, requirement.enforce),
                Err(Unmeasured::Unknown) => ("what cannot be measured".to_owned(), Enforce::Warn),
            };
            Some(Broken {
                expected,
                found,
                enforce,
            })
        });
        broken.collect()
    }

    fn measure(&self, promise: Promise) -> Result<u64, Unmeasured> {
        let found = match promise {
            Promise::CpuCores(_) => self.cpus(),
            Promise::MemoryMib(_) => self.memory_mib(),
            Promise::DiskGib(_) => self.disk_gib(),
            Promise::NicMbps(_) => self.nic_mbps(),
            Promise::GpuCount(_) => self.gpus(),
            Promise::GpuMemoryMib(_) => self.gpu_memory_mib()?,
        };
        found.ok_or(Unmeasured::Unknown)
    }

    /// Of the GPU with the least. Without a GPU nobody is asked.
    fn gpu_memory_mib(&self) -> Result<Option<u64>, Unmeasured> {
        if self.gpus().is_none_or(|count| count == 0) {
            return Ok(None);
        }
        let sick = |error: DriverError| Unmeasured::Sick(error.to_string());
        let gpus = self.driver.ask().map_err(sick)?.gpus;
        let lost = gpus.iter().find_map(|gpu| gpu.error.as_ref());
        if let Some(error) = lost {
            return Err(Unmeasured::Sick(format!("a GPU that is lost: {error}")));
        }
        // One that tells nothing leaves the least unknown.
        Ok(gpus.iter().map(|gpu| gpu.memory_total_mib).min().flatten())
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
    use std::time::Duration;

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
            driver: Driver::here(),
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
            driver: Driver::here(),
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

    /// What is broken of `least` MiB on each GPU when the driver runs `script`.
    fn gpu_memory(script: &str, least: u64) -> Option<(String, Enforce)> {
        let root = machine();
        let hardware = Hardware {
            sys: root.path(),
            proc: root.path(),
            disk: None,
            driver: Driver {
                run: &["/bin/sh", "-c", script],
                log: &root.path().join("answer"),
                identity: None,
                limit: Duration::from_secs(1),
            },
        };
        let requirement = Requirement {
            promise: Promise::GpuMemoryMib(least),
            enforce: Enforce::Refuse,
        };
        let mut broken = hardware.check(&[requirement]).into_iter();
        broken.next().map(|broken| (broken.found, broken.enforce))
    }

    #[test]
    fn the_driver_tells_the_memory_or_why_it_cannot() {
        let gpu = |index, rest: &str| format!(r#"{{"index":{index},{rest}}}"#);
        let answer = |gpus: [String; 2]| format!("echo '{{\"gpus\":[{}]}}'", gpus.join(","));
        let large = gpu(0, r#""memory_total_mib":49140"#);
        let two = answer([large.clone(), gpu(1, r#""memory_total_mib":24576"#)]);
        let silent = answer([large.clone(), gpu(1, r#""memory_total_mib":null"#)]);
        let lost = answer([large, gpu(1, r#""error":"fell off the bus""#)]);
        assert_eq!(gpu_memory(&two, 24_576), None);
        for (script, found, enforce) in [
            (two.as_str(), "24576", Enforce::Refuse),
            (&silent, "what cannot be measured", Enforce::Warn),
            (
                &lost,
                "a GPU that is lost: fell off the bus",
                Enforce::Refuse,
            ),
            (
                "exec cat < /dev/zero > /dev/null",
                "a driver that hangs: `gpu-probe` was killed after 1 s",
                Enforce::Refuse,
            ),
            (
                r#"echo '{"error":"no"}'"#,
                "a driver that fails: no",
                Enforce::Refuse,
            ),
        ] {
            assert_eq!(
                gpu_memory(script, 24_577),
                Some((found.to_owned(), enforce)),
                "{script}"
            );
        }
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
