//! The real program against a library that stands in for the driver's.

use std::{
    env,
    error::Error,
    io::{BufRead, BufReader, Read},
    path::{Path, PathBuf},
    process::{Command, Output, Stdio},
};

use bedplate_contract::gpu::{Gpu, Gpus, Report};
use serde_json::{Value, json};

type Result<T = ()> = std::result::Result<T, Box<dyn Error>>;

/// Compiles the stand-in; `name` keeps tests that run at once apart.
fn fake(name: &str, options: &[&str]) -> Result<PathBuf> {
    let source = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/fake_nvml.c");
    let library = Path::new(env!("CARGO_TARGET_TMPDIR")).join(format!("lib{name}.so"));
    let compiler = env::var_os("CC").unwrap_or_else(|| "cc".into());
    let mut command = Command::new(compiler);
    command.args(["-shared", "-fPIC", "-Wall", "-Wextra", "-Werror"]);
    let status = command
        .args(options)
        .arg("-o")
        .args([&library, &source])
        .status()?;
    assert!(status.success(), "{command:?} ended with {status}");
    Ok(library)
}

fn probe(library: &Path) -> Command {
    let mut command = Command::new(env!("CARGO_BIN_EXE_gpu-probe"));
    command.arg("--library").arg(library);
    command
}

/// The report of a probe that must end with `code`.
fn report(output: &Output, code: i32) -> Result<Report> {
    let text = String::from_utf8(output.stdout.clone())?;
    assert_eq!(output.status.code(), Some(code), "{text}");
    assert_eq!(text.matches('\n').count(), 1, "{text}");
    Ok(Report::parse(&text)?)
}

fn gpus(command: &mut Command) -> Result<Gpus> {
    match report(&command.output()?, 0)? {
        Report::Read(gpus) => Ok(gpus),
        Report::Failed { error } => Err(error.into()),
    }
}

fn error(command: &mut Command) -> Result<String> {
    match report(&command.output()?, 1)? {
        Report::Read(gpus) => Err(format!("expected an error, found {gpus:?}").into()),
        Report::Failed { error } => Ok(error),
    }
}

#[test]
fn every_gpu_is_listed() -> Result {
    let library = fake("every", &[])?;
    for count in ["0", "1", "2"] {
        let found = gpus(probe(&library).env("FAKE_NVML_GPUS", count))?;
        assert_eq!(found.driver_version.as_deref(), Some("550.163.01"));
        assert_eq!(found.cuda_version.as_deref(), Some("12.4"));
        assert_eq!(found.gpus.len().to_string(), count);
    }
    Ok(())
}

/// The document as it is written: its keys are what other programs read.
#[test]
fn the_document_is_stable() -> Result {
    let library = fake("document", &[])?;
    let output = probe(&library).env("FAKE_NVML_GPUS", "1").output()?;
    let found: Value = serde_json::from_slice(&output.stdout)?;
    let expected = json!({
        "driver_version": "550.163.01",
        "cuda_version": "12.4",
        "gpus": [{
            "index": 0,
            "error": null,
            "name": "Fake GPU 0",
            "uuid": "GPU-fake-0",
            "pci_bus_id": null,
            "memory_total_mib": 24576,
            "memory_used_mib": 1024,
            "temperature_c": 41,
            "utilization_percent": 7,
            "power_mw": null,
            "ecc_uncorrected": null,
        }],
    });
    assert_eq!(found, expected);
    Ok(())
}

#[test]
fn a_call_that_fails_leaves_its_field_empty() -> Result {
    let library = fake("optional", &[])?;
    let run = |call: &str| {
        let mut command = probe(&library);
        gpus(
            command
                .env("FAKE_NVML_GPUS", "1")
                .env("FAKE_NVML_FAIL", call),
        )
    };
    let whole = run("")?;
    let first = &whole.gpus[0];
    type Change = fn(&mut Gpu);
    let cases: [(&str, Change); 5] = [
        ("name", |gpu| gpu.name = None),
        ("uuid", |gpu| gpu.uuid = None),
        ("memory", |gpu| {
            gpu.memory_total_mib = None;
            gpu.memory_used_mib = None;
        }),
        ("temperature", |gpu| gpu.temperature_c = None),
        ("utilization", |gpu| gpu.utilization_percent = None),
    ];
    for (call, change) in cases {
        let mut expected = first.clone();
        change(&mut expected);
        assert_eq!(run(call)?.gpus, [expected], "{call}");
    }
    assert_eq!(run("driver")?.driver_version, None);
    assert_eq!(run("cuda")?.cuda_version, None);
    Ok(())
}

#[test]
fn a_lost_gpu_is_listed_with_its_error() -> Result {
    let library = fake("lost", &[])?;
    let mut command = probe(&library);
    command
        .env("FAKE_NVML_GPUS", "2")
        .env("FAKE_NVML_FAIL", "handle");
    let found = gpus(&mut command)?;
    let lost = found.gpus[0].error.as_deref().unwrap_or_default();
    assert!(lost.contains("fell off the bus"), "{lost}");
    assert_eq!(found.gpus[0].name, None);
    assert_eq!(found.gpus[1].name.as_deref(), Some("Fake GPU 1"));
    Ok(())
}

#[test]
fn a_missing_symbol_leaves_its_field_empty() -> Result {
    let library = fake("symbol", &["-DWITHOUT_TEMPERATURE"])?;
    let found = gpus(probe(&library).env("FAKE_NVML_GPUS", "1"))?;
    assert_eq!(found.gpus[0].temperature_c, None);
    assert_eq!(found.gpus[0].utilization_percent, Some(7));
    Ok(())
}

#[test]
fn an_unusable_driver_is_an_error_in_words() -> Result {
    let library = fake("unusable", &[])?;
    let message = error(probe(&library).env("FAKE_NVML_FAIL", "init"))?;
    assert!(message.starts_with("cannot load the driver's library: "));
    let message = error(probe(&library).env("FAKE_NVML_FAIL", "count"))?;
    assert!(message.starts_with("cannot count the GPUs: "), "{message}");
    let message = error(&mut probe(Path::new("/nonexistent/libnvidia-ml.so")))?;
    assert!(
        message.contains("/nonexistent/libnvidia-ml.so"),
        "{message}"
    );
    Ok(())
}

#[test]
fn wrong_usage_exits_2() -> Result {
    let output = Command::new(env!("CARGO_BIN_EXE_gpu-probe"))
        .arg("--what")
        .output()?;
    assert_eq!(output.status.code(), Some(2));
    assert_eq!(output.stdout, b"");
    assert_eq!(
        output.stderr,
        b"usage: gpu-probe [--library PATH] [check [KEY=VALUE]...]\n"
    );
    Ok(())
}

#[test]
fn a_check_says_what_does_not_hold() -> Result {
    let library = fake("check", &[])?;
    for (gpus, words, code, said) in [
        ("2", &["check"][..], 0, ""),
        (
            "2",
            &["check", "count=2", "memory_mib=24576", "driver=550.163"],
            0,
            "",
        ),
        ("0", &["check"], 1, "expected at least 1 GPUs, found 0\n"),
        (
            "2",
            &["check", "temperature_c=41"],
            1,
            "GPU 1: expected at most 41 °C, found 42 °C\n",
        ),
    ] {
        let mut command = probe(&library);
        let output = command.args(words).env("FAKE_NVML_GPUS", gpus).output()?;
        assert_eq!(String::from_utf8(output.stderr)?, said);
        assert_eq!(output.status.code(), Some(code), "{words:?}");
        assert_eq!(output.stdout, b"");
    }
    let mut command = probe(&library);
    let output = command
        .arg("check")
        .env("FAKE_NVML_FAIL", "init")
        .output()?;
    assert_eq!(output.status.code(), Some(1));
    Ok(())
}

/// A call that never returns keeps the program for ever: the caller must bring the deadline.
#[test]
fn a_hanging_call_lasts_until_the_caller_kills_it() -> Result {
    let library = fake("hanging", &[])?;
    let mut command = probe(&library);
    command
        .env("FAKE_NVML_GPUS", "1")
        .env("FAKE_NVML_HANG", "temperature");
    let mut child = command
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn()?;
    let mut line = String::new();
    BufReader::new(child.stderr.take().ok_or("no stderr")?).read_line(&mut line)?;
    assert_eq!(line, "hanging\n");
    assert_eq!(child.try_wait()?, None);
    child.kill()?;
    assert_eq!(child.wait()?.code(), None);
    let mut half = String::new();
    child
        .stdout
        .take()
        .ok_or("no stdout")?
        .read_to_string(&mut half)?;
    assert_eq!(half, "", "a killed probe leaves no half document");
    Ok(())
}

/// The report is complete before the driver is let go.
#[test]
fn a_hanging_shutdown_is_never_called() -> Result {
    let library = fake("shutdown", &[])?;
    let found = gpus(probe(&library).env("FAKE_NVML_HANG", "shutdown"))?;
    assert_eq!(found.gpus, []);
    Ok(())
}
