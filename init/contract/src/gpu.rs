//! What `gpu-probe` prints: one JSON document on one line of standard output.
//!
//! NVML lives in a program of its own (DESIGN 5); this document is all that `init` sees of it.
//! A value that the driver does not give is `null`: old boards, virtual GPUs and sick ones all
//! refuse some calls, and none of them is a reason to lose the others.
//!
//! Source of the values: NVIDIA, "NVML API Reference", the call named at each field.

use serde::{Deserialize, Serialize};

/// What `gpu-probe` prints; its exit status is 0 with [`Report::Read`] and 1 with [`Report::Failed`].
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(untagged)]
pub enum Report {
    /// The driver answered.
    Read(Gpus),
    /// The library or the driver cannot be used at all.
    Failed {
        /// Why, in words for the operator.
        error: String,
    },
}

/// The driver and its GPUs.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Gpus {
    /// Version of the driver, such as `550.163.01` (`nvmlSystemGetDriverVersion`).
    pub driver_version: Option<String>,
    /// Newest CUDA that the driver offers, such as `12.4` (`nvmlSystemGetCudaDriverVersion_v2`).
    pub cuda_version: Option<String>,
    /// Every GPU, by index.
    pub gpus: Vec<Gpu>,
}

/// One GPU as it is now.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Gpu {
    /// Number of the GPU as NVML counts, from 0: the PCI order.
    pub index: u32,
    /// Why the GPU cannot be asked anything: then every other field is `null`.
    #[serde(default)]
    pub error: Option<String>,
    /// Product name (`nvmlDeviceGetName`).
    pub name: Option<String>,
    /// `GPU-` and a UUID; names the GPU across boots and slots (`nvmlDeviceGetUUID`).
    pub uuid: Option<String>,
    /// PCI address, such as `00000000:65:00.0` (`nvmlDeviceGetPciInfo_v3`).
    #[serde(default)]
    pub pci_bus_id: Option<String>,
    /// Memory of the board, MiB (`nvmlDeviceGetMemoryInfo_v2`).
    pub memory_total_mib: Option<u64>,
    /// Memory in use, MiB, without what the driver keeps for itself.
    pub memory_used_mib: Option<u64>,
    /// Degrees Celsius on the die (`nvmlDeviceGetTemperature`).
    pub temperature_c: Option<u32>,
    /// Percent of the last sample period in which a kernel ran (`nvmlDeviceGetUtilizationRates`).
    pub utilization_percent: Option<u32>,
    /// Power drawn, milliwatts (`nvmlDeviceGetPowerUsage`).
    #[serde(default)]
    pub power_mw: Option<u32>,
    /// Memory errors since the driver was loaded that ECC could not correct
    /// (`nvmlDeviceGetTotalEccErrors`).
    #[serde(default)]
    pub ecc_uncorrected: Option<u64>,
}

impl Report {
    /// Reads the document.
    ///
    /// # Errors
    /// Text that is neither form: a probe that was killed half-way, or another program.
    pub fn parse(text: &str) -> Result<Self, serde_json::Error> {
        serde_json::from_str(text)
    }

    /// The document on one line, with its newline.
    ///
    /// # Errors
    /// None for these types: strings and numbers always serialize.
    pub fn encode(&self) -> Result<String, serde_json::Error> {
        serde_json::to_string(self).map(|text| text + "\n")
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn both_forms_round_trip() {
        let read = Report::Read(Gpus {
            gpus: vec![Gpu {
                memory_total_mib: Some(81_559),
                ..Gpu::default()
            }],
            ..Gpus::default()
        });
        let failed = Report::Failed {
            error: "driver is not loaded".to_owned(),
        };
        for report in [read, failed] {
            let text = report.encode().unwrap();
            assert_eq!(text.matches('\n').count(), 1);
            assert_eq!(Report::parse(&text).unwrap(), report);
        }
    }

    #[test]
    fn documents_of_later_versions_are_read() {
        let text = r#"{"driver_version":"1","cuda_version":null,"gpus":[{"index":0,"name":"a",
            "uuid":null,"memory_total_mib":1,"memory_used_mib":0,"temperature_c":40,
            "utilization_percent":null,"new":1}],"new":2}"#;
        let Report::Read(gpus) = Report::parse(text).unwrap() else {
            panic!("expected GPUs");
        };
        assert_eq!(gpus.gpus[0].temperature_c, Some(40));
    }

    #[test]
    fn other_texts_are_refused() {
        for text in ["", "{}", "[]", r#"{"gpus":[{}]}"#, r#"{"gpus":[]"#] {
            assert!(Report::parse(text).is_err(), "{text}");
        }
    }
}
