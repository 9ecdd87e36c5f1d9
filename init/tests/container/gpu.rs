//! PID 1 with a real GPU: cases of a machine that has one, with its own driver's libraries.

use std::{
    env, fs,
    path::{Path, PathBuf},
    process::Command,
};

use anyhow::{Context, Result, bail, ensure};
use bedplate_contract::{
    appliance::{Enforce, Promise, Requirement},
    event::name,
    gpu::{Gpus, Report},
    gpu_check::GpuCheck,
    layout,
    service::{Check, Mount, Service},
};
use bedplate_init::{driver::Driver, gpu, hardware::Hardware};

use crate::{
    appliance::{appliance, probe, script},
    cases::Case,
    root::{Container, IMAGE},
};

const ALL: &[(&str, Case)] = &[
    ("the_driver_is_read_as_its_own_program_reads_it", driver),
    ("a_profile_s_promises_are_measured_on_a_gpu", promises),
    ("only_a_service_that_is_given_a_gpu_can_use_it", given),
    ("a_gpu_that_is_too_small_keeps_the_gate", too_small),
    ("the_root_of_an_image_shows_the_gpu", in_image),
];

/// Those of this machine: none without a GPU.
pub fn here() -> &'static [(&'static str, Case)] {
    match gpu::is_there() {
        true => ALL,
        false => &[],
    }
}

/// Allocates memory on the first GPU.
const CUDA: &str = "/usr/lib/bedplate/cuda";
/// The driver's libraries that this needs, and `gpu-probe`.
const LIBRARIES: [&str; 2] = ["libcuda.so.1", "libnvidia-ml.so.1"];

/// The program as the workspace built it, beside `init`.
fn gpu_probe() -> PathBuf {
    Path::new(env!("CARGO_BIN_EXE_init")).with_file_name("gpu-probe")
}

fn output(command: &mut Command) -> Result<String> {
    let output = command
        .output()
        .with_context(|| format!("running {command:?}"))?;
    ensure!(output.status.success(), "{command:?}: {output:?}");
    Ok(String::from_utf8(output.stdout)?)
}

fn report() -> Result<Gpus> {
    match Report::parse(&output(&mut Command::new(gpu_probe()))?)? {
        Report::Read(gpus) => Ok(gpus),
        Report::Failed { error } => bail!(error),
    }
}

/// Where the machine keeps a library.
fn library(name: &str) -> Result<PathBuf> {
    let listed = output(Command::new("ldconfig").arg("-p"))?;
    let mut lines = listed.lines().map(str::trim);
    let line = lines.find(|line| line.starts_with(&format!("{name} ")));
    let (_, path) = line
        .and_then(|line| line.split_once("=> "))
        .with_context(|| format!("no `{name}`"))?;
    Ok(path.into())
}

/// Puts the driver, its nodes and what uses them into a root.
fn add(root: &Path) -> Result<()> {
    gpu::make_nodes(&root.join("dev"))?;
    let image = root.join(IMAGE.trim_start_matches('/'));
    for name in LIBRARIES {
        let library = library(name)?;
        fs::copy(&library, root.join("usr/lib").join(name))?;
        fs::copy(&library, image.join("usr/lib").join(name))?;
    }
    fs::copy(
        gpu_probe(),
        root.join(layout::GPU_PROBE.trim_start_matches('/')),
    )?;
    let source = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/container/cuda.c");
    let compiler = env::var_os("CC").unwrap_or_else(|| "cc".into());
    let program = root.join(CUDA.trim_start_matches('/'));
    output(Command::new(compiler).arg("-o").args([&program, &source]))?;
    Ok(())
}

fn user(name: &str, gpu: bool) -> Service {
    let text = format!(
        "{probe} check count=1 && echo asked; {CUDA}; echo end; while :; do sleep 1; done",
        probe = layout::GPU_PROBE
    );
    let mut service = script(name, &format!("({text}) 2>&1"));
    service.gpu = gpu;
    service
}

fn asks(check: &GpuCheck) -> Check {
    let program = [layout::GPU_PROBE.to_owned()].into_iter();
    Check::Exec {
        run: program.chain(check.words()).collect(),
    }
}

/// What a service has printed once it came to its end.
fn said(container: &Container, service: &str) -> Result<String> {
    container.wait("end", |events| {
        let mut lines = events.iter().filter(|event| event.name == name::LOG);
        lines.find_map(|event| {
            let of = event.field("name") == Some(service);
            (of && event.field("text") == Some("end")).then_some(())
        })
    })?;
    Ok(container.lines(service, 100)?.join("\n"))
}

fn driver() -> Result<()> {
    let found = report()?;
    let query = "--query-gpu=driver_version,name,uuid,memory.total";
    let format = "--format=csv,noheader,nounits";
    let expected = output(Command::new("nvidia-smi").args([query, format]))?;
    let version = found.driver_version.as_deref().unwrap_or_default();
    let text = |value: &Option<String>| value.clone().unwrap_or_default();
    let lines = found.gpus.iter().map(|gpu| {
        let memory = gpu.memory_total_mib.unwrap_or_default();
        format!(
            "{version}, {}, {}, {memory}\n",
            text(&gpu.name),
            text(&gpu.uuid)
        )
    });
    let lines: String = lines.collect();
    ensure!(lines == expected, "found:\n{lines}expected:\n{expected}");
    Ok(())
}

fn promises() -> Result<()> {
    let directory = tempfile::tempdir()?;
    let probe = gpu_probe();
    let run = [probe.to_str().context("a path that is no text")?];
    let hardware = Hardware {
        sys: Path::new("/sys"),
        proc: Path::new("/proc"),
        disk: None,
        driver: Driver {
            run: &run,
            log: &directory.path().join("answer"),
            ..Driver::here()
        },
    };
    let gpus = report()?.gpus;
    let count = u32::try_from(gpus.len())?;
    let least = gpus.iter().filter_map(|gpu| gpu.memory_total_mib).min();
    let least = least.context("no memory")?;
    let broken = |promise| {
        let enforce = Enforce::Refuse;
        let broken = hardware.check(&[Requirement { promise, enforce }]);
        broken.into_iter().next().map(|broken| broken.to_string())
    };
    let kept = [Promise::GpuCount(count), Promise::GpuMemoryMib(least)];
    ensure!(kept.map(broken) == [None, None], "{:?}", kept.map(broken));
    let more = [
        Promise::GpuCount(count + 1),
        Promise::GpuMemoryMib(least + 1),
    ];
    let more = more.map(broken).map(Option::unwrap_or_default);
    ensure!(more[0].ends_with(&format!("found {count}")), "{more:?}");
    ensure!(more[1].ends_with(&format!("found {least}")), "{more:?}");
    Ok(())
}

fn given() -> Result<()> {
    let mut works = user("works", true);
    works.ready = Some(probe(asks(&GpuCheck::default())));
    let mut hidden = user("hidden", true);
    let none = ("CUDA_VISIBLE_DEVICES".to_owned(), String::new());
    hidden.environment.extend([none]);
    let services = vec![works, hidden, user("has_none", false)];
    let container = Container::start_with(&appliance(services), add)?;
    let of = |service| said(&container, service);
    let (works, hidden, has_none) = (of("works")?, of("hidden")?, of("has_none")?);
    ensure!(works.contains("asked\nallocated on a GPU"), "{works}");
    ensure!(hidden.contains("asked\nno GPU: error 100"), "{hidden}");
    ensure!(!has_none.contains("asked"), "{has_none}");
    ensure!(has_none.contains("no GPU: error"), "{has_none}");
    // What used the driver has not opened its nodes to all.
    ensure!(user_of_nodes(&container)? == "0:44:660", "{works}");
    container.wait_for(name::HEALTHY)?;
    Ok(())
}

fn user_of_nodes(container: &Container) -> Result<String> {
    let format = ["--format", "%u:%g:%a"];
    let path = container.path("/dev/nvidiactl");
    let shown = output(Command::new("stat").args(format).arg(path))?;
    Ok(shown.trim().to_owned())
}

fn too_small() -> Result<()> {
    let mut wants = user("wants", true);
    wants.ready = Some(probe(asks(&GpuCheck {
        memory_mib: Some(1 << 30),
        ..GpuCheck::default()
    })));
    let mut appliance = appliance(vec![wants]);
    appliance.gate.deadline_ms = 5000;
    let container = Container::start_with(&appliance, add)?;
    let failed = container.wait_for(name::GATE_FAILED)?;
    ensure!(failed.field("services") == Some("wants"), "{failed}");
    let text = failed.to_string();
    ensure!(text.contains("expected at least 1073741824 MiB"), "{text}");
    Ok(())
}

fn in_image() -> Result<()> {
    let inside = |name: &str, gpu| {
        let mut service = script(
            name,
            "(ls /dev; /cuda; echo end; while :; do sleep 1; done) 2>&1",
        );
        service.root = Some(IMAGE.to_owned());
        service.mounts = vec![Mount {
            source: CUDA.to_owned(),
            target: "/cuda".to_owned(),
            writable: false,
            executable: false,
        }];
        service.gpu = gpu;
        service
    };
    let services = vec![inside("works", true), inside("has_none", false)];
    let container = Container::start_with(&appliance(services), |root| {
        add(root)?;
        Ok(fs::write(
            root.join(IMAGE.trim_start_matches('/')).join("cuda"),
            "",
        )?)
    })?;
    let (works, has_none) = (said(&container, "works")?, said(&container, "has_none")?);
    ensure!(works.contains("nvidiactl"), "{works}");
    ensure!(works.contains("allocated on a GPU"), "{works}");
    ensure!(!has_none.contains("nvidia"), "{has_none}");
    ensure!(has_none.contains("no GPU: error"), "{has_none}");
    Ok(())
}
