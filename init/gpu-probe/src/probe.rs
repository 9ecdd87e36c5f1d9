//! Asks NVML for everything that the report holds.
//!
//! Only three failures end the whole: the library, its initialisation, the number of GPUs.
//! Every other call that fails leaves `null` where its value would stand.

use std::{ffi::OsStr, mem};

use bedplate_contract::gpu::{Gpu, Gpus, Report};
use nvml_wrapper::{
    Device, Nvml, cuda_driver_version_major, cuda_driver_version_minor,
    enum_wrappers::device::{EccCounter, MemoryError, TemperatureSensor},
    error::NvmlError,
};

const MIB: u64 = 1 << 20;

/// Loads `library` and reads all GPUs.
pub fn read(library: &OsStr) -> Report {
    let nvml = match Nvml::builder().lib_path(library).init() {
        Ok(nvml) => nvml,
        Err(error) => return failed("load the driver's library", &error),
    };
    let report = match nvml.device_count() {
        Ok(count) => Report::Read(gpus(&nvml, count)),
        Err(error) => failed("count the GPUs", &error),
    };
    // The process ends here and the kernel frees what the driver holds. A shutdown call that hangs
    // would lose a report that is complete.
    mem::forget(nvml);
    report
}

fn failed(what: &str, error: &NvmlError) -> Report {
    Report::Failed {
        error: format!("cannot {what}: {error}"),
    }
}

fn gpus(nvml: &Nvml, count: u32) -> Gpus {
    Gpus {
        driver_version: nvml.sys_driver_version().ok(),
        cuda_version: nvml.sys_cuda_driver_version().ok().map(cuda_version),
        gpus: (0..count).map(|index| gpu(nvml, index)).collect(),
    }
}

fn cuda_version(number: i32) -> String {
    let major = cuda_driver_version_major(number);
    let minor = cuda_driver_version_minor(number);
    format!("{major}.{minor}")
}

fn gpu(nvml: &Nvml, index: u32) -> Gpu {
    match nvml.device_by_index(index) {
        Ok(device) => values(index, &device),
        // A GPU that fell off the bus is still counted; leaving it out would hide that.
        Err(error) => Gpu {
            index,
            error: Some(error.to_string()),
            ..Gpu::default()
        },
    }
}

fn values(index: u32, device: &Device<'_>) -> Gpu {
    let memory = device.memory_info().ok();
    let uncorrected = device.total_ecc_errors(MemoryError::Uncorrected, EccCounter::Volatile);
    Gpu {
        index,
        error: None,
        name: device.name().ok(),
        uuid: device.uuid().ok(),
        pci_bus_id: device.pci_info().ok().map(|pci| pci.bus_id),
        memory_total_mib: memory.as_ref().map(|memory| memory.total / MIB),
        memory_used_mib: memory.as_ref().map(|memory| memory.used / MIB),
        temperature_c: device.temperature(TemperatureSensor::Gpu).ok(),
        utilization_percent: device.utilization_rates().ok().map(|rates| rates.gpu),
        power_mw: device.power_usage().ok(),
        ecc_uncorrected: uncorrected.ok(),
    }
}
