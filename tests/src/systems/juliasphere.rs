//! JuliaSphere: an agent in, run, and read again, whichever back end answers.

use std::{ffi::OsString, fs, path::Path};

use anyhow::{Context, Result, ensure};
use serde_json::Value;

use super::{Figures, Stage};

const IMAGE: &str = "images/juliasphere";
const MEMORY_MIB: u32 = 3072;
const BACKEND: &str = "juliaos@backend-1";
const KEY: &str = "key-of-the-scene";
const AGENT: &str =
    r#"{"user_id": "ada", "name": "finder", "settings": {"objective": "sphere", "rounds": 20}}"#;

/// An agent runs, with a key; a killed back end is not missed and comes back; without the primary the
/// back ends are unready, none is killed, and cache and standby are read; all is there after a reboot.
pub(super) fn play(profile: &str) -> Result<Figures> {
    let directory = tempfile::tempdir()?;
    let keys = bring_keys(directory.path())?;
    let stage = Stage::boot_with(IMAGE, profile, (MEMORY_MIB, 80), keys)?;
    check_services(&stage)?;
    refuses_without_a_key(&stage)?;
    let path = create(&stage)?;
    let execution = run(&stage, &path)?;

    loses_a_back_end(&stage, &path)?;
    loses_its_database(&stage, &path)?;
    ask(&stage, "POST", &format!("{path}/run"), "", 200)?;

    let stage = stage.reboot()?;
    let agent = ask(&stage, "GET", &path, "", 200)?;
    ensure!(
        agent["name"] == "finder" && agent["status"] == "ready",
        "{agent}"
    );
    let recent = ask(&stage, "GET", "/executions", "", 200)?;
    let numbers = recent["recent"].as_array().context("a list")?;
    ensure!(numbers.contains(&execution), "{recent}");
    stage.end()
}

/// What `bedplate run` is told, to bring the key.
fn bring_keys(directory: &Path) -> Result<Vec<OsString>> {
    let file = directory.join("api-keys");
    fs::write(&file, KEY).context("writing the key")?;
    let mut secret = OsString::from("api-keys=");
    secret.push(file);
    Ok(vec!["--secret".into(), secret])
}

fn check_services(stage: &Stage) -> Result<()> {
    for name in ["postgres", "redis", BACKEND, "juliaos@backend-2", "nginx"] {
        let service = stage.service(name)?;
        ensure!(service.state == "ready", "{service:?}");
    }
    // The gate waits for none of these.
    for name in [
        "postgres-standby",
        "postgres-exporter",
        "redis-exporter",
        "prometheus",
    ] {
        stage.until(name, |service| service.state == "ready")?;
    }
    let tls = stage.service("nginx-tls")?;
    ensure!(tls.pid.is_none(), "there is no certificate: {tls:?}");
    Ok(())
}

/// What is for init alone is refused with a key too.
fn refuses_without_a_key(stage: &Stage) -> Result<()> {
    let (code, answer) = stage.machine.http("POST", "/agents", AGENT)?;
    ensure!(code == 401, "{code} {answer}");
    let key = [("X-API-Key", KEY)];
    for (method, path) in [("POST", "/shutdown"), ("GET", "/metrics")] {
        let (code, answer) = stage.machine.http_with(method, path, &key, "")?;
        ensure!(code == 403, "{method} {path}: {code} {answer}");
    }
    Ok(())
}

/// Makes an agent; returns where it is. Redis has it from then on.
fn create(stage: &Stage) -> Result<String> {
    let agent = ask(stage, "POST", "/agents", AGENT, 201)?;
    let path = format!("/agents/{}", agent["id"].as_str().context("an id")?);
    let read = ask(stage, "GET", &path, "", 200)?;
    let cached = read["cached_for"].as_u64();
    ensure!(read["cached"] == true && cached <= Some(300), "{read}");
    Ok(path)
}

/// Runs an agent; returns the number of the execution, which PostgreSQL and Redis have.
fn run(stage: &Stage, path: &str) -> Result<Value> {
    let execution = ask(stage, "POST", &format!("{path}/run"), "", 200)?;
    let found = execution["result"]["value"].as_f64();
    ensure!(found.is_some_and(|value| value < 1.0), "{execution}");
    let recent = ask(stage, "GET", "/executions", "", 200)?;
    ensure!(recent["recent"][0] == execution["id"], "{recent}");
    Ok(execution["id"].clone())
}

/// nginx asks the other one meanwhile, with what may be asked twice: whether a run that was sent to
/// the dead one has begun, nobody knows.
fn loses_a_back_end(stage: &Stage, path: &str) -> Result<()> {
    let before = stage.service(BACKEND)?.restarts;
    stage.kill(BACKEND)?;
    for _ in 0..4 {
        ask(stage, "GET", path, "", 200)?;
    }
    stage.until(BACKEND, |service| {
        service.restarts > before && service.state == "ready"
    })
}

/// Health says what is away; what can be read is read.
fn loses_its_database(stage: &Stage, path: &str) -> Result<()> {
    stage.comes_back("postgres")?;
    let before = stage.service(BACKEND)?;
    stage.stop("postgres")?;
    let (code, health) = stage.machine.http("GET", "/health", "")?;
    ensure!(
        code == 503 && health.contains(r#""cache": "ok""#),
        "{code} {health}"
    );
    ask(stage, "GET", path, "", 200)?;
    let agents = ask(stage, "GET", "/agents?user_id=ada", "", 200)?;
    ensure!(agents["agents"][0]["name"] == "finder", "{agents}");
    stage.until(BACKEND, |service| service.state == "unready")?;
    stage.start("postgres")?;
    stage.until(BACKEND, |service| service.state == "ready")?;
    let after = stage.service(BACKEND)?;
    ensure!(after.pid == before.pid, "{after:?} was restarted");
    Ok(())
}

/// One request with the key; the answer must have `code`.
fn ask(stage: &Stage, method: &str, path: &str, body: &str, code: u16) -> Result<Value> {
    let key = [("X-API-Key", KEY)];
    let (found, answer) = stage.machine.http_with(method, path, &key, body)?;
    ensure!(found == code, "{method} {path}: {found} {answer}");
    Ok(serde_json::from_str(&answer)?)
}
