//! ReactDjango Hub: register, log in, a document in, a workflow over it, a message out.

use anyhow::{Context, Result, ensure};
use serde_json::{Value, json};

use super::{Figures, Stage};

/// The gateway.
const PORT: u16 = 8080;
/// A service that needs PostgreSQL.
const CONTENT: &str = "content-service";

const PERSON: &str = r#"{"email": "ada@example.com", "name": "Ada", "password": "correct horse"}"#;
const TEXT: &str = "The city council voted on the harbour plan. \
    According to the mayor, the harbour plan costs 40 million euros. It rained.";
/// The sentence that says most.
const SUMMARY: &str = "the harbour plan costs 40 million euros";
/// Signed by nobody; the claims are `{"sub":"1"}`.
const UNSIGNED: &str = "eyJhbGciOiJub25lIn0.eyJzdWIiOiIxIn0.";

/// A document becomes a message, and nothing goes without a token; a killed service comes back, one
/// without its database is unready and not killed; all of it is there after a reboot.
pub(super) fn play(profile: &str) -> Result<Figures> {
    let stage = Stage::boot("images/reactdjango-hub", profile, 3072, PORT)?;
    check_services(&stage)?;
    refuses_without_a_token(&stage)?;
    post(&stage, "/identity/register", "", PERSON, 201)?;
    let token = log_in(&stage)?;
    let path = runs_a_workflow(&stage, &token)?;
    lists_its_services(&stage, &token)?;

    stage.comes_back(CONTENT)?;
    loses_its_database(&stage)?;
    reads(&stage, &token, &path)?;

    let stage = stage.reboot()?;
    // The token of before is good: the secret was made once, at first boot.
    reads(&stage, &token, &path)?;
    reads(&stage, &log_in(&stage)?, &path)?;
    stage.end()
}

fn check_services(stage: &Stage) -> Result<()> {
    for name in [
        "gateway",
        "django",
        "identity-service@3",
        "redis@workflow",
        "zookeeper",
    ] {
        let service = stage.service(name)?;
        ensure!(service.state == "ready", "{service:?}");
    }
    stage.ask("GET", "/health", "")?;
    Ok(())
}

/// Nothing behind the gateway is open, and what is for the services alone is not there at all.
fn refuses_without_a_token(stage: &Stage) -> Result<()> {
    let table = [
        ("GET", "/content/documents", "", 401),
        ("GET", "/content/documents", UNSIGNED, 401),
        ("GET", "/api/workspaces", "", 401),
        ("GET", "/v1/catalog/services", "", 401),
        ("POST", "/identity/validate", "", 404),
        ("POST", "/content/shutdown", "", 404),
        ("GET", "/identity/metrics", "", 404),
        ("GET", "/identity/docs", "", 200),
    ];
    for (method, path, token, expected) in table {
        let (code, body) = ask(stage, method, path, token, "")?;
        ensure!(code == expected, "{method} {path}: {code} {body}");
    }
    Ok(())
}

fn log_in(stage: &Stage) -> Result<String> {
    let answer = post(stage, "/identity/login", "", PERSON, 200)?;
    let token = answer["access_token"].as_str();
    Ok(token.context("an access token")?.to_owned())
}

/// All services at once; returns where the document is.
fn runs_a_workflow(stage: &Stage, token: &str) -> Result<String> {
    let body = json!({"title": "Harbour", "text": TEXT}).to_string();
    let document = post(stage, "/content/documents", token, &body, 201)?;
    let body = json!({"document": document["id"]}).to_string();
    let run = post(stage, "/workflow/runs", token, &body, 201)?;
    ensure!(mentions(&run["result"]["summary"]), "{run}");
    let workspace = post(
        stage,
        "/api/workspaces",
        token,
        r#"{"name": "Harbour"}"#,
        201,
    )?;
    let pins = format!("/api/workspaces/{}/pins", workspace["id"]);
    let pinned = post(stage, &pins, token, &body, 201)?;
    ensure!(pinned["pins"][0]["title"] == "Harbour", "{pinned}");
    let path = format!("/content/documents/{}", document["id"]);
    reads(stage, token, &path)?;
    Ok(path)
}

/// The document and the message about it are there.
fn reads(stage: &Stage, token: &str, path: &str) -> Result<()> {
    let document = get(stage, path, token)?;
    ensure!(document["text"] == TEXT, "{document}");
    let inbox = get(stage, "/communication/messages", token)?;
    ensure!(mentions(&inbox["messages"][0]["text"]), "{inbox}");
    Ok(())
}

/// All three instances are in ZooKeeper.
fn lists_its_services(stage: &Stage, token: &str) -> Result<()> {
    let listed = get(stage, "/v1/health/service/identity-service", token)?;
    let count = listed.as_array().map_or(0, Vec::len);
    ensure!(count == 3, "{listed}");
    Ok(())
}

/// Without PostgreSQL the services and the gateway say 503, and none is killed for it.
fn loses_its_database(stage: &Stage) -> Result<()> {
    stage.comes_back("postgres")?;
    let before = stage.service(CONTENT)?;
    stage.stop("postgres")?;
    stage.until(CONTENT, |service| service.state == "unready")?;
    let because = stage.service(CONTENT)?.because;
    ensure!(because.is_some(), "nothing says why {CONTENT} is not ready");
    stage.until("gateway", |service| service.state == "unready")?;
    let (code, body) = ask(stage, "GET", "/health", "", "")?;
    ensure!(code == 503, "GET /health: {code} {body}");
    stage.start("postgres")?;
    for name in [CONTENT, "django", "identity-service@1", "gateway"] {
        stage.until(name, |service| service.state == "ready")?;
    }
    let after = stage.service(CONTENT)?;
    ensure!(after.pid == before.pid, "{after:?} was restarted");
    Ok(())
}

fn mentions(text: &Value) -> bool {
    text.as_str().is_some_and(|text| text.contains(SUMMARY))
}

fn get(stage: &Stage, path: &str, token: &str) -> Result<Value> {
    let (code, body) = ask(stage, "GET", path, token, "")?;
    ensure!(code == 200, "GET {path}: {code} {body}");
    Ok(serde_json::from_str(&body)?)
}

fn post(stage: &Stage, path: &str, token: &str, body: &str, expected: u16) -> Result<Value> {
    let (code, answer) = ask(stage, "POST", path, token, body)?;
    ensure!(code == expected, "POST {path}: {code} {answer}");
    Ok(serde_json::from_str(&answer)?)
}

fn ask(stage: &Stage, method: &str, path: &str, token: &str, body: &str) -> Result<(u16, String)> {
    let bearer = format!("Bearer {token}");
    let headers = match token {
        "" => Vec::new(),
        _ => vec![("Authorization", bearer.as_str())],
    };
    stage.machine.http_with(method, path, &headers, body)
}
