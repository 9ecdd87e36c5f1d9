//! Reddit Watcher: a post in; judged, summarised, announced.

use anyhow::{Context, Result, ensure};
use serde_json::{Value, json};

use super::{Figures, Stage};

const IMAGE: &str = "images/reddit-watcher";
const AGENTS: [&str; 5] = ["coordinator", "retrieval", "filter", "summarise", "alert"];

/// A post becomes an alert, once; a killed agent comes back, and a post waits for one that is away;
/// while PostgreSQL is away the agents are unready and none is killed; all of it is there after a
/// reboot.
pub(super) fn play(profile: &str) -> Result<Figures> {
    let stage = Stage::boot(IMAGE, profile, 2560, 80)?;
    check_agents(&stage)?;
    refuses_what_is_private(&stage)?;
    let first = alerts(&stage, "t3_1")?;
    ensure!(alerts(&stage, "t3_1")?["id"] == first["id"], "stored twice");
    rejects_what_is_about_something_else(&stage)?;

    stage.comes_back("filter")?;
    waits_for_an_agent(&stage)?;
    loses_its_database(&stage)?;
    alerts(&stage, "t3_3")?;

    let stage = stage.reboot()?;
    let found = stage.ask("GET", &format!("/posts/{}", first["id"]), "")?;
    ensure!(found == first, "{found} is not {first}");
    let stored = stage.ask("GET", "/posts", "")?;
    let count = stored["posts"].as_array().map(Vec::len);
    ensure!(count == Some(4), "{stored}");
    // Redis knows the first one too: it is not stored again.
    ensure!(alerts(&stage, "t3_1")?["id"] == first["id"], "stored twice");
    stage.end()
}

fn check_agents(stage: &Stage) -> Result<()> {
    let registered = stage.ask("GET", "/agents", "")?;
    for name in AGENTS {
        ensure!(registered["agents"][name]["alive"] == true, "{registered}");
        let card = stage.ask("GET", &format!("/agents/{name}/.well-known/agent.json"), "")?;
        ensure!(card["name"] == name, "{card}");
        let health = stage.ask("GET", &format!("/agents/{name}/health"), "")?;
        ensure!(health["healthy"] == true, "{health}");
    }
    // No credential was brought to this host, and the agents say so.
    let health = stage.ask("GET", "/agents/summarise/health", "")?;
    ensure!(health["method"] == "extractive", "{health}");
    Ok(())
}

fn refuses_what_is_private(stage: &Stage) -> Result<()> {
    let table = [
        ("POST", "/shutdown", 403),
        ("POST", "/a2a", 403),
        ("GET", "/agents/filter/metrics", 403),
        ("GET", "/discovery/prometheus", 403),
        ("GET", "/prometheus/graph", 401),
        ("GET", "/posts/0", 404),
        ("POST", "/posts", 400),
    ];
    for (method, path, expected) in table {
        let (code, body) = stage.machine.http(method, path, "")?;
        ensure!(code == expected, "{method} {path}: {code} {body}");
    }
    Ok(())
}

fn post(id: &str) -> Value {
    json!({
        "reddit_id": id,
        "subreddit": "rust",
        "title": "Rust agents speak the A2A protocol",
        "body": "We wrote agents in Rust. The agents speak the A2A protocol over HTTP. It rained on Sunday.",
        "url": "https://example.com/1",
        "score": 12,
    })
}

/// Sends a post that is relevant; retrieval, filter, summarise and alert have all had it.
fn alerts(stage: &Stage, id: &str) -> Result<Value> {
    let answer = stage.ask("POST", "/posts", &post(id).to_string())?;
    let found = answer["posts"][0].clone();
    check_alerted(&found)?;
    Ok(found)
}

fn check_alerted(found: &Value) -> Result<()> {
    let summary = found["summary"].as_str().unwrap_or_default();
    let good = summary.contains("A2A protocol") && !summary.contains("rained");
    let announced = found["alerted_by"] == json!(["log"]);
    ensure!(
        good && announced && found["state"] == "alerted",
        "expected an alert with a summary, found {found}"
    );
    Ok(())
}

fn rejects_what_is_about_something_else(stage: &Stage) -> Result<()> {
    let mut cat = post("t3_cat");
    cat["title"] = json!("My cat");
    cat["body"] = json!("She sleeps.");
    let answer = stage.ask("POST", "/posts", &cat.to_string())?;
    ensure!(answer["posts"][0]["state"] == "rejected", "{answer}");
    Ok(())
}

/// A post that comes while summarise is stopped is seen through when that is back.
fn waits_for_an_agent(stage: &Stage) -> Result<()> {
    stage.stop("summarise")?;
    let (code, body) = stage
        .machine
        .http("POST", "/posts", &post("t3_2").to_string())?;
    ensure!(code == 202, "POST /posts: {code} {body}");
    let id = serde_json::from_str::<Value>(&body)?["posts"][0]["id"].clone();
    stage.start("summarise")?;
    let path = format!("/posts/{id}");
    let through = stage.wait("the post is through", || {
        Ok(stage.ask("GET", &path, "")?["state"] == "alerted")
    });
    through.with_context(|| format!("post {id}"))?;
    check_alerted(&stage.ask("GET", &path, "")?)
}

/// Without PostgreSQL each agent says 503 and is left alone: it is not its fault.
fn loses_its_database(stage: &Stage) -> Result<()> {
    stage.comes_back("postgres")?;
    let before = stage.service("coordinator")?;
    stage.stop("postgres")?;
    for name in AGENTS {
        stage.until(name, |service| service.state == "unready")?;
    }
    let because = stage.service("coordinator")?.because;
    ensure!(because.is_some(), "nothing says why coordinator is unready");
    stage.start("postgres")?;
    for name in AGENTS {
        stage.until(name, |service| service.state == "ready")?;
    }
    let after = stage.service("coordinator")?;
    ensure!(after.pid == before.pid, "{after:?} was restarted");
    Ok(())
}
