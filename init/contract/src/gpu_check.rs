//! What a probe asks of GPUs: the words after `gpu-probe check`, and whether it holds.
//!
//! The builder writes the words into a service's probe, `gpu-probe` reads and judges them: PID 1 sees
//! an exit status, within the probe's timeout.

use crate::gpu::{Gpu, Gpus, Report};

/// First of the words.
pub const CHECK: &str = "check";

/// What must hold; the default asks for one GPU that answers.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct GpuCheck {
    /// GPUs that are meant, by index; empty: all.
    pub devices: Vec<u32>,
    /// Least number of GPUs among them; `None`: 1.
    pub count: Option<u32>,
    /// Least memory of each, MiB.
    pub memory_mib: Option<u64>,
    /// Most degrees Celsius of each.
    pub temperature_c: Option<u32>,
    /// Least version of the driver, such as `550` or `550.163.01`.
    pub driver: Option<String>,
}

impl GpuCheck {
    /// The words, the first of them [`CHECK`]: `check devices=0,1 memory_mib=24576`.
    pub fn words(&self) -> Vec<String> {
        let devices: Vec<String> = self.devices.iter().map(u32::to_string).collect();
        let pairs = [
            ("devices", Some(devices.join(",")).filter(|d| !d.is_empty())),
            ("count", self.count.map(|n| n.to_string())),
            ("memory_mib", self.memory_mib.map(|n| n.to_string())),
            ("temperature_c", self.temperature_c.map(|n| n.to_string())),
            ("driver", self.driver.clone()),
        ];
        let pairs = pairs.into_iter();
        let pairs = pairs.filter_map(|(key, value)| Some(format!("{key}={}", value?)));
        [CHECK.to_owned()].into_iter().chain(pairs).collect()
    }

    /// Reads the words after [`CHECK`]; `None` for others.
    pub fn parse<'a>(words: impl IntoIterator<Item = &'a str>) -> Option<Self> {
        let mut check = Self::default();
        for word in words {
            let (key, value) = word.split_once('=')?;
            match key {
                "devices" => {
                    let devices = value.split(',').map(str::parse);
                    check.devices = devices.collect::<Result<_, _>>().ok()?;
                }
                "count" => check.count = Some(value.parse().ok()?),
                "memory_mib" => check.memory_mib = Some(value.parse().ok()?),
                "temperature_c" => check.temperature_c = Some(value.parse().ok()?),
                "driver" => {
                    version(value)?;
                    check.driver = Some(value.to_owned());
                }
                _ => return None,
            }
        }
        Some(check)
    }

    /// All that does not hold, in words; empty when everything does. What the driver does not tell
    /// does not hold.
    pub fn broken(&self, report: &Report) -> Vec<String> {
        match report {
            Report::Failed { error } => vec![error.clone()],
            Report::Read(gpus) => self.broken_of(gpus),
        }
    }

    fn broken_of(&self, gpus: &Gpus) -> Vec<String> {
        let meant = |gpu: &&Gpu| self.devices.is_empty() || self.devices.contains(&gpu.index);
        let meant: Vec<&Gpu> = gpus.gpus.iter().filter(meant).collect();
        let absent = |index: &&u32| !meant.iter().any(|gpu| gpu.index == **index);
        let absent = self.devices.iter().filter(absent);
        let absent = absent.map(|index| format!("GPU {index} is not there"));
        let (count, least) = (meant.len(), self.count.unwrap_or(1));
        let few = usize::try_from(least).map_or(true, |least| count < least);
        let few = few.then(|| format!("expected at least {least} GPUs, found {count}"));
        let each = meant.iter().filter_map(|gpu| self.broken_gpu(gpu));
        let driver = self.broken_driver(gpus.driver_version.as_deref());
        driver
            .into_iter()
            .chain(few)
            .chain(absent)
            .chain(each)
            .collect()
    }

    /// The first thing that a GPU lacks.
    fn broken_gpu(&self, gpu: &Gpu) -> Option<String> {
        let told = |value: Option<String>| value.unwrap_or_else(|| "what it does not tell".into());
        let memory = self
            .memory_mib
            .filter(|least| gpu.memory_total_mib < Some(*least));
        let cool = |most: &u32| gpu.temperature_c.is_none_or(|found| found > *most);
        let what = match (&gpu.error, memory, self.temperature_c.filter(cool)) {
            (Some(error), _, _) => error.clone(),
            (None, Some(least), _) => {
                let found = told(gpu.memory_total_mib.map(|mib| format!("{mib} MiB")));
                format!("expected at least {least} MiB, found {found}")
            }
            (None, None, Some(most)) => {
                let found = told(gpu.temperature_c.map(|celsius| format!("{celsius} °C")));
                format!("expected at most {most} °C, found {found}")
            }
            (None, None, None) => return None,
        };
        Some(format!("GPU {}: {what}", gpu.index))
    }

    fn broken_driver(&self, found: Option<&str>) -> Option<String> {
        let least = self.driver.as_deref()?;
        let holds = found
            .and_then(version)
            .is_some_and(|found| Some(found) >= version(least));
        let found = found.unwrap_or("none that it tells");
        (!holds).then(|| format!("expected driver {least} or later, found {found}"))
    }
}

/// The numbers of a version of the driver; `None` for other text.
pub fn version(text: &str) -> Option<Vec<u32>> {
    text.split('.').map(|number| number.parse().ok()).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn parse(text: &str) -> Option<GpuCheck> {
        GpuCheck::parse(text.split(' ').filter(|word| !word.is_empty()))
    }

    fn machine() -> Report {
        let gpu = |index, memory, temperature| Gpu {
            index,
            memory_total_mib: memory,
            temperature_c: temperature,
            ..Gpu::default()
        };
        Report::Read(Gpus {
            driver_version: Some("550.163.01".to_owned()),
            cuda_version: None,
            gpus: vec![
                gpu(0, Some(24_576), Some(40)),
                gpu(1, Some(16_384), Some(90)),
                gpu(2, None, None),
            ],
        })
    }

    #[test]
    fn words_are_read_back() {
        let text = "devices=0,2 count=2 memory_mib=24576 temperature_c=85 driver=550.163";
        let check = parse(text).unwrap();
        assert_eq!(check.devices, [0, 2]);
        assert_eq!(check.words().join(" "), format!("check {text}"));
        assert_eq!(GpuCheck::default().words(), ["check"]);
        for wrong in [
            "devices=",
            "count=-1",
            "driver=new",
            "colour=red",
            "memory_mib",
        ] {
            assert_eq!(parse(wrong), None, "{wrong}");
        }
    }

    #[test]
    fn what_does_not_hold_is_said() {
        for (check, expected) in [
            ("", ""),
            ("devices=0 memory_mib=24576 temperature_c=40 driver=550", ""),
            ("count=3 driver=550.163.1", ""),
            ("count=4", "expected at least 4 GPUs, found 3"),
            ("devices=0,7", "GPU 7 is not there"),
            (
                "devices=7",
                "expected at least 1 GPUs, found 0; GPU 7 is not there",
            ),
            (
                "driver=560",
                "expected driver 560 or later, found 550.163.01",
            ),
            (
                "driver=550.163.2",
                "expected driver 550.163.2 or later, found 550.163.01",
            ),
            (
                "memory_mib=24576",
                "GPU 1: expected at least 24576 MiB, found 16384 MiB; \
                 GPU 2: expected at least 24576 MiB, found what it does not tell",
            ),
            (
                "temperature_c=89",
                "GPU 1: expected at most 89 °C, found 90 °C; \
                 GPU 2: expected at most 89 °C, found what it does not tell",
            ),
        ] {
            let broken = parse(check).unwrap().broken(&machine());
            assert_eq!(broken.join("; "), expected, "{check}");
        }
    }

    #[test]
    fn a_sick_driver_or_gpu_holds_nothing() {
        let failed = Report::Failed {
            error: "driver is not loaded".to_owned(),
        };
        assert_eq!(
            GpuCheck::default().broken(&failed),
            ["driver is not loaded"]
        );
        let lost = Report::Read(Gpus {
            gpus: vec![Gpu {
                error: Some("fell off the bus".to_owned()),
                ..Gpu::default()
            }],
            ..Gpus::default()
        });
        let broken = GpuCheck::default().broken(&lost);
        assert_eq!(broken, ["GPU 0: fell off the bus"]);
        let broken = parse("driver=1").unwrap().broken(&lost);
        assert_eq!(
            broken[0],
            "expected driver 1 or later, found none that it tells"
        );
    }
}
