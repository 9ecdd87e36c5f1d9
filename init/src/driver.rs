//! What the NVIDIA driver says of its GPUs, asked through `gpu-probe`.
//!
//! NVML may hang for ever on a sick GPU, so that not even a signal ends the program: it is killed past
//! a deadline and left behind, and that the driver hangs is an answer of its own.

use std::{
    fs, io,
    os::unix::process::CommandExt,
    path::Path,
    process::{Command, Stdio},
    time::Duration,
};

use bedplate_contract::{
    gpu::{Gpus, Report},
    layout,
};

use crate::{child, gpu};

/// How long a driver may take that has to wake its GPUs first.
const LIMIT: Duration = Duration::from_secs(15);
/// `nobody`. NVML as root gives the device nodes the owner and mode of the driver's parameters, which
/// open them to all (NVIDIA Linux driver README, `NVreg_ModifyDeviceFiles`).
const USER: u32 = 65534;
/// What the program says.
const LOG: &str = "/run/bedplate/gpu-probe.json";

/// How the driver is asked; other programs and times are for tests.
#[derive(Debug, Clone, Copy)]
pub struct Driver<'a> {
    /// Program and arguments.
    pub run: &'a [&'a str],
    /// File for what it says.
    pub log: &'a Path,
    /// User and group that it runs as; `None`: those of this process.
    pub identity: Option<(u32, u32)>,
    /// How long it may take.
    pub limit: Duration,
}

/// Why there is no answer.
#[derive(Debug, thiserror::Error)]
pub enum DriverError {
    /// It gave none in time.
    #[error("a driver that hangs: `gpu-probe` was killed after {} s", .0.as_secs())]
    Hung(Duration),
    /// The driver cannot be used, in its own words.
    #[error("a driver that fails: {0}")]
    Failed(String),
    /// The program could not be run.
    #[error("no driver that could be asked: {0}")]
    Run(#[from] io::Error),
    /// What it said is no report.
    #[error("no answer of the driver that could be read: {0}")]
    Answer(#[from] serde_json::Error),
}

impl Driver<'static> {
    /// That of this machine.
    pub fn here() -> Self {
        Self {
            run: &[layout::GPU_PROBE],
            log: Path::new(LOG),
            identity: Some((USER, gpu::GROUP)),
            limit: LIMIT,
        }
    }
}

impl Driver<'_> {
    /// Asks for all GPUs.
    ///
    /// # Errors
    /// Any [`DriverError`]; within the limit and the two seconds that a killed program may take.
    pub fn ask(&self) -> Result<Gpus, DriverError> {
        let [program, arguments @ ..] = self.run else {
            return Err(io::Error::from(io::ErrorKind::NotFound).into());
        };
        let mut command = Command::new(program);
        command.args(arguments).env_clear();
        if let Some((uid, gid)) = self.identity {
            command.uid(uid).gid(gid);
        }
        command.stdin(Stdio::null()).stderr(Stdio::null());
        command.stdout(child::open_log(self.log)?);
        let mut process = command.spawn()?;
        if child::wait(&mut process, self.limit)?.is_none() {
            return Err(DriverError::Hung(self.limit));
        }
        match Report::parse(&fs::read_to_string(self.log)?)? {
            Report::Read(gpus) => Ok(gpus),
            Report::Failed { error } => Err(DriverError::Failed(error)),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// What comes of a shell's `script` in the place of `gpu-probe`.
    fn ask(script: &str, limit: Duration) -> Result<Gpus, DriverError> {
        let directory = tempfile::tempdir().unwrap();
        let driver = Driver {
            run: &["/bin/sh", "-c", script],
            log: &directory.path().join("run/answer.json"),
            identity: None,
            limit,
        };
        driver.ask()
    }

    #[test]
    fn an_answer_is_read() {
        let script = r#"echo '{"driver_version":"550.163.01","cuda_version":null,"gpus":[]}'"#;
        let gpus = ask(script, LIMIT).unwrap();
        assert_eq!(gpus.driver_version.as_deref(), Some("550.163.01"));
    }

    #[test]
    fn every_sickness_has_its_words() {
        for (script, expected) in [
            (
                r#"echo '{"error":"driver is not loaded"}'; exit 1"#,
                "a driver that fails: driver is not loaded",
            ),
            ("exit 127", "no answer of the driver"),
            (r#"printf '{"gpus":['"#, "no answer of the driver"),
        ] {
            let text = ask(script, LIMIT).unwrap_err().to_string();
            assert!(text.starts_with(expected), "{text}");
        }
        let driver = Driver {
            run: &["/no/such/program"],
            identity: None,
            ..Driver::here()
        };
        let directory = tempfile::tempdir().unwrap();
        let log = directory.path().join("answer");
        let error = Driver {
            log: &log,
            ..driver
        }
        .ask()
        .unwrap_err();
        assert!(
            error
                .to_string()
                .starts_with("no driver that could be asked")
        );
    }

    #[test]
    fn a_driver_that_hangs_is_told_from_one_that_fails() {
        let error = ask(
            "exec cat < /dev/zero > /dev/null",
            Duration::from_millis(50),
        );
        assert!(matches!(error, Err(DriverError::Hung(_))), "{error:?}");
    }
}
