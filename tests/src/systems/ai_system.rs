//! The AI system: two machines on one wire, tasks from one to the other, a cluster that loses a master.

use std::{
    ffi::OsString,
    fs, thread,
    time::{Duration, Instant},
};

use anyhow::{Result, ensure};
use serde_json::Value;
use tempfile::TempDir;

use super::{Figures, Stage};

const MAIN: &str = "images/ai-system-main";
const PC2: &str = "images/ai-system-pc2";
/// Both orchestrators.
const PORT: u16 = 8080;
const GATEWAY: &str = "ai-system-main@cross_machine_gateway";
/// How long the machines may take to notice each other, or a replica to take over.
const TURN: Duration = Duration::from_secs(300);

const TOKEN: &str = "token-of-the-test";
const SECRETS: [(&str, &str); 3] = [
    ("redis-password", "password-of-the-test"),
    ("curve-key", "key-of-the-test"),
    ("auth-token", TOKEN),
];

const DOCUMENT: &str = r#"{"kind": "document", "payload": {"text":
  "The city council voted on the harbour plan. The Mayor says the harbour plan costs 40 million. It rained."}}"#;
const PICTURE: &str =
    r#"{"kind": "see", "payload": {"pixels": [[0, 0, 200], [0, 0, 0], [90, 0, 0]]}}"#;

/// What the two machines share: a wire, and secrets that are in neither image.
#[derive(Debug)]
struct Lan(TempDir);

impl Lan {
    fn new() -> Result<Self> {
        let lan = Self(tempfile::Builder::new().prefix("lan-").tempdir()?);
        for (name, value) in SECRETS {
            fs::write(lan.0.path().join(name), value)?;
        }
        Ok(lan)
    }

    fn boot(&self, image: &str, profile: &str, memory_mib: u32) -> Result<Stage> {
        let mut more = vec![OsString::from("--link"), self.0.path().join("wire").into()];
        for (name, _) in SECRETS {
            let mut secret = OsString::from(format!("{name}="));
            secret.push(self.0.path().join(name));
            more.extend([OsString::from("--secret"), secret]);
        }
        Stage::boot_with(image, profile, (memory_mib, PORT), more)
    }
}

/// The main PC alone is healthy and says that PC2 is away; with it, a document is read on one machine
/// and remembered by the other; PC2 leaves and comes back; a master of the cluster dies and its replica
/// takes over; the record is there after a reboot.
pub(super) fn play(profile: &str) -> Result<Figures> {
    let lan = Lan::new()?;
    let main = lan.boot(MAIN, profile, 3072)?;
    says(&main, "degraded", "unreachable")?;
    let pc2 = lan.boot(PC2, profile, 2048)?;
    says(&main, "healthy", "healthy")?;
    let path = reads_a_document(&main)?;
    // The agents of a machine that has just come may still take longer than a task may.
    eventually(|| sees_a_picture(&main))?;
    refuses_without_a_token(&main)?;

    let figures = pc2.end()?;
    println!("{PC2}: {figures:?}");
    loses_pc2(&main)?;
    let pc2 = lan.boot(PC2, profile, 2048)?;
    says(&main, "healthy", "healthy")?;
    eventually(|| sees_a_picture(&main))?;

    loses_a_master(&main, &path)?;
    let before = main.ask("GET", &path, "")?;
    let main = main.reboot()?;
    let after = main.ask("GET", &path, "")?;
    ensure!(after == before, "{after}");
    says(&main, "healthy", "healthy")?;
    pc2.end()?;
    main.end()
}

/// Waits until the orchestrator says this of both machines and of PC2.
fn says(main: &Stage, status: &str, pc2: &str) -> Result<()> {
    eventually(|| {
        let health = main.ask("GET", "/health", "")?;
        let said = health["status"] == status && health["pc2"] == pc2;
        ensure!(said, "expected {status} and {pc2}, found {health}");
        Ok(())
    })
}

/// Six agents of the main PC read it, PC2 remembers it; returns where the record is.
fn reads_a_document(main: &Stage) -> Result<String> {
    let record = task(main, DOCUMENT)?;
    let result = &record["result"];
    let summary = result["summary"]["summary"].as_str().unwrap_or_default();
    ensure!(summary.contains("harbour"), "{record}");
    ensure!(result["memory"]["agent"] == "episodic_memory", "{record}");
    let recall = format!(
        r#"{{"kind": "recall", "payload": {{"id": {}}}}}"#,
        result["memory"]["id"]
    );
    let memory = task(main, &recall)?;
    let text = memory["result"]["text"].as_str().unwrap_or_default();
    ensure!(text.contains("harbour"), "{memory}");
    Ok(format!("/tasks/{}", record["id"]))
}

fn sees_a_picture(main: &Stage) -> Result<()> {
    let record = task(main, PICTURE)?;
    let words = &record["result"]["description"];
    ensure!(words == "1 object in a dark scene", "{record}");
    Ok(())
}

fn refuses_without_a_token(main: &Stage) -> Result<()> {
    for (path, body) in [("/tasks", PICTURE), ("/shutdown", "")] {
        let (code, answer) = main.machine.http("POST", path, body)?;
        ensure!(code == 401, "POST {path}: {code} {answer}");
    }
    Ok(())
}

/// Without PC2 the main PC says so, refuses what PC2 does, and does its own.
fn loses_pc2(main: &Stage) -> Result<()> {
    says(main, "degraded", "unreachable")?;
    main.until(GATEWAY, |service| service.state == "unready")?;
    let (code, answer) = post(main, PICTURE)?;
    ensure!(
        code == 502 && answer.contains("pc2 is unreachable"),
        "{code} {answer}"
    );
    let own = task(
        main,
        r#"{"kind": "keywords", "payload": {"text": "The harbour"}}"#,
    )?;
    ensure!(own["result"]["keywords"][0] == "harbour", "{own}");
    Ok(())
}

/// A master is killed and comes back too late: its replica has its slots, and nothing is lost.
fn loses_a_master(main: &Stage, path: &str) -> Result<()> {
    let before = main.ask("GET", path, "")?;
    main.comes_back("redis@1")?;
    eventually(|| {
        let replicas = ["redis@4", "redis@5", "redis@6"].map(|name| main.logs(name));
        let logs = replicas.into_iter().collect::<Result<Vec<_>>>()?.join("\n");
        ensure!(
            logs.contains("Failover election won"),
            "no replica took over"
        );
        Ok(())
    })?;
    eventually(|| {
        let found = main.ask("GET", path, "")?;
        ensure!(found == before, "{found}");
        task(main, DOCUMENT).map(drop)
    })
}

fn task(main: &Stage, body: &str) -> Result<Value> {
    let (code, answer) = post(main, body)?;
    ensure!(code == 200, "POST /tasks: {code} {answer}");
    Ok(serde_json::from_str(&answer)?)
}

fn post(main: &Stage, body: &str) -> Result<(u16, String)> {
    let token = format!("Bearer {TOKEN}");
    let headers = [("Authorization", token.as_str())];
    main.machine.http_with("POST", "/tasks", &headers, body)
}

/// Tries until it holds, with the last trouble when it never does.
fn eventually(mut holds: impl FnMut() -> Result<()>) -> Result<()> {
    let deadline = Instant::now() + TURN;
    loop {
        match holds() {
            Ok(()) => return Ok(()),
            Err(error) if Instant::now() > deadline => return Err(error),
            Err(_) => thread::sleep(Duration::from_secs(2)),
        }
    }
}
