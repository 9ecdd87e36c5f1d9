//! One promise of PID 1 each.

use std::{
    fs,
    net::TcpListener,
    os::unix::fs::{MetadataExt, PermissionsExt},
    path::Path,
};

use anyhow::{Context, Result, ensure};
use bedplate_contract::{
    appliance::{Secret, SecretSource},
    backup::{Backup, BackupStep, Content},
    control::{BootState, Reply, Request},
    event::{Event, name},
    service::{Check, Condition, ConfigFile, Kind, Mount, RestartWhen, Service, StopHttp, Wait},
};

use crate::{
    appliance::{appliance, http, probe, script, service},
    gate,
    root::{Container, IMAGE, PROGRAM},
    service::DIARY,
};

pub type Case = fn() -> Result<()>;

pub const ALL: &[(&str, Case)] = &[
    ("services_start_in_order_and_the_gate_passes", in_order),
    ("services_are_confined_and_their_output_is_kept", confined),
    ("a_link_in_place_of_a_secret_leads_nowhere", planted_secret),
    (
        "a_link_in_place_of_a_runtime_directory_leads_nowhere",
        planted_directory,
    ),
    ("a_service_runs_in_the_root_of_an_image", in_image),
    ("a_crashing_service_is_restarted_and_given_up", crashing),
    ("an_essential_failure_fails_the_gate", essential_failure),
    (
        "a_failed_gate_has_the_words_of_the_probe",
        gate::probe_words,
    ),
    ("a_check_of_the_gate_is_waited_for", gate::gate_check),
    ("a_service_that_gives_up_later_is_told", gate::failing),
    ("a_program_that_is_not_there_is_named", missing_program),
    ("a_dead_service_is_restarted_by_its_live_probe", live_probe),
    ("everything_stops_in_reverse_order", ordered_stop),
    ("a_stubborn_service_is_killed", stubborn),
    ("an_operator_restarts_a_service", restart),
    ("orphans_are_reaped", orphans),
    ("a_file_with_secrets_is_there_while_its_service_is", config),
    ("a_service_has_its_own_tmp", private_tmp),
    ("a_service_waits_for_what_is_not_there", waiting),
    ("a_scheduled_service_runs_on_demand", on_demand),
    (
        "a_backup_has_a_directory_and_stops_what_uses_its_data",
        backup,
    ),
];

fn free_port() -> Result<u16> {
    Ok(TcpListener::bind("127.0.0.1:0")?.local_addr()?.port())
}

fn server(name: &str, port: u16, ready_after_ms: u32) -> Service {
    let mut server = service(
        name,
        &[
            PROGRAM,
            "serve",
            name,
            &port.to_string(),
            &ready_after_ms.to_string(),
        ],
    );
    server.ready = Some(probe(http(port)));
    server
}

fn place_of(events: &[Event], wanted: &str, service: &str) -> Option<usize> {
    let of = |event: &Event| event.name == wanted && event.field("name") == Some(service);
    events.iter().position(of)
}

fn in_order() -> Result<()> {
    let mut prepare = script("prepare", "echo prepared");
    prepare.kind = Kind::Oneshot;
    let mut base = server("base", free_port()?, 500);
    base.requires = vec!["prepare".to_owned()];
    let mut above = script("above", "while :; do sleep 1; done");
    above.requires = vec!["base".to_owned()];
    let container = Container::start(&appliance(vec![prepare, base, above]))?;
    container.wait_for(name::HEALTHY)?;
    let events = container.events();
    let places = [
        place_of(&events, name::SERVICE_EXITED, "prepare"),
        place_of(&events, name::SERVICE_STARTED, "base"),
        place_of(&events, name::SERVICE_READY, "base"),
        place_of(&events, name::SERVICE_STARTED, "above"),
    ];
    ensure!(places.is_sorted() && places[0].is_some(), "{events:?}");
    let waiting = place_of(&events, name::SERVICE_WAITING, "above").context("no waiting")?;
    ensure!(events[waiting].field("for") == Some("base"), "{events:?}");
    let status = container.status()?;
    ensure!(status.boot == BootState::Healthy, "{status:?}");
    let states: Vec<_> = status.services.iter().map(|s| s.state.as_str()).collect();
    ensure!(states == ["done", "ready", "ready"], "{states:?}");
    Ok(())
}

fn confined() -> Result<()> {
    let mut who = script(
        "who",
        "id; umask; pwd; echo dir $(stat -c %u /run/who); grep -E 'NoNewPrivs|CapBnd|SigBlk' \
         /proc/self/status; ulimit -n; ls /proc/self/fd | wc -l; env; while :; do sleep 1; done",
    );
    who.groups = vec![7];
    who.limits.nofile = Some(321);
    who.runtime_directories = vec!["who".to_owned()];
    who.environment
        .insert("COLOUR".to_owned(), "green".to_owned());
    let container = Container::start(&appliance(vec![who]))?;
    container.wait_for(name::HEALTHY)?;
    let request = Request::Logs {
        service: "who".to_owned(),
        lines: 100,
    };
    let Reply::Logs { lines } = container.ask(&request)? else {
        anyhow::bail!("expected lines");
    };
    let text = lines.join("\n");
    for expected in [
        "uid=1000 gid=1000 groups=1000,7",
        "0022",
        "dir 1000",
        "NoNewPrivs:\t1",
        "CapBnd:\t0000000000000000",
        "SigBlk:\t0000000000000000",
        "321",
        "COLOUR=green",
    ] {
        ensure!(text.contains(expected), "no `{expected}` in:\n{text}");
    }
    container.log_with("who", "COLOUR=green")?;
    let log = fs::metadata(container.path("/state/logs/who.log"))?;
    let found = (log.uid(), log.gid(), log.mode() & 0o7777);
    ensure!(found == (0, 1000, 0o640), "{found:?}");
    Ok(())
}

/// What nobody but root may have: a file and a directory, which no service's work may touch.
fn add_victims(root: &Path) -> Result<()> {
    let (file, directory) = (root.join("srv/victim"), root.join("srv/victims"));
    fs::write(&file, "whole")?;
    fs::set_permissions(&file, fs::Permissions::from_mode(0o600))?;
    fs::create_dir(&directory)?;
    Ok(fs::set_permissions(
        directory,
        fs::Permissions::from_mode(0o700),
    )?)
}

fn check_victims(container: &Container) -> Result<()> {
    let text = fs::read_to_string(container.path("/srv/victim"))?;
    ensure!(text == "whole", "it was written to: {text}");
    for (path, mode) in [("/srv/victim", 0o600), ("/srv/victims", 0o700)] {
        let found = fs::metadata(container.path(path))?;
        let found = (found.uid(), found.gid(), found.mode() & 0o7777);
        ensure!(found == (0, 0, mode), "{path}: {found:?}");
    }
    let inside = fs::read_dir(container.path("/srv/victims"))?.count();
    ensure!(inside == 0, "{inside} files were made");
    Ok(())
}

/// The service gets back its directory of secrets by every means that its owner would have, and plants
/// links where PID 1 writes at the next start and at every probe.
fn planted_secret() -> Result<()> {
    let text = "cd $CREDENTIALS_DIRECTORY; chmod 700 .; rm -f token; \
                ln -s /srv/victim .token.new; ln -s /srv/victim token; ln -s /srv/victims sub; \
                cat token; ls -lan .; test -e /tmp/again && exec sleep 1000; touch /tmp/again; exit 1";
    let mut planter = script("planter", text);
    planter.secrets = vec!["token".to_owned()];
    planter.ready = Some(probe(Check::Exec {
        run: vec![
            "/usr/bin/test".to_owned(),
            "-e".to_owned(),
            "/tmp/again".to_owned(),
        ],
    }));
    let container = Container::start_with(&appliance(vec![planter]), add_victims)?;
    container.wait("two starts", |events| {
        let starts = events.iter().filter(|e| e.name == name::SERVICE_STARTED);
        (starts.count() == 2).then_some(())
    })?;
    container.wait_for(name::HEALTHY)?;
    check_victims(&container)?;
    let lines = container.lines("planter", 100)?;
    ensure!(lines.iter().any(|line| line == "secret"), "{lines:?}");
    Ok(())
}

/// A runtime directory in another's, where the other's service puts a link; and one that is a link.
fn planted_directory() -> Result<()> {
    let text = "ln -s /srv/victims /run/outer/inner; touch /tmp/planted; exec sleep 1000";
    let mut planter = script("planter", text);
    planter.runtime_directories = vec!["outer".to_owned()];
    planter.ready = Some(probe(Check::Exec {
        run: vec![
            "/usr/bin/test".to_owned(),
            "-e".to_owned(),
            "/tmp/planted".to_owned(),
        ],
    }));
    let mut victim = script("victim", "exec sleep 1000");
    victim.requires = vec!["planter".to_owned()];
    victim.runtime_directories = vec!["outer/inner/deep".to_owned(), "outer/inner".to_owned()];
    victim.restart.budget = 0;
    let container = Container::start_with(&appliance(vec![planter, victim]), add_victims)?;
    let failed = container.wait_for(name::SERVICE_FAILED)?;
    let reason = failed.field("reason").unwrap_or_default();
    ensure!(reason.contains("make `/run/outer/inner"), "{reason}");
    check_victims(&container)
}

fn in_image() -> Result<()> {
    let mount = |source: &str, target: &str, writable| Mount {
        source: source.to_owned(),
        target: target.to_owned(),
        writable,
        executable: false,
    };
    let mut inside = script(
        "inside",
        "set -x; cat /etc/own /etc/shown /etc/hosts; id -u; pwd; echo $$ > /data/kept; \
         echo x > /usr/x; echo x > /etc/shown; echo x > /tmp/x && cat /tmp/x; ls -m / /run /dev; \
         cat $CREDENTIALS_DIRECTORY/token; echo x > /run/inside/x && ls /run/shared; \
         echo x > /dev/null && cat < /dev/zero | head -c 1 | wc -c; ls -d /state /srv /usr/lib/bedplate; \
         echo end; while :; do sleep 1; done",
    );
    inside.root = Some(IMAGE.to_owned());
    inside.working_directory = "/data".to_owned();
    inside.runtime_directories = vec!["inside".to_owned(), "share".to_owned()];
    inside.secrets = vec!["token".to_owned()];
    inside.mounts = vec![
        mount("/srv/data", "/data", true),
        mount("/etc/shown", "/etc/shown", false),
        mount("/run/share", "/run/shared", false),
    ];
    inside.ready = Some(probe(Check::Exec {
        run: ["/usr/bin/grep", "of the image", "/etc/own"]
            .map(str::to_owned)
            .into(),
    }));
    let container = Container::start(&appliance(vec![inside]))?;
    let is_end = |event: &Event| event.name == name::LOG && event.field("text") == Some("end");
    container.wait("end", |events| events.iter().find(|e| is_end(e)).cloned())?;
    container.wait_for(name::HEALTHY)?;
    let text = container.log_with("inside", "\nend\n")?;
    for expected in [
        "of the image\n",
        "of the appliance\n",
        "127.0.0.1 localhost\n",
        "\n1000\n",
        "\n/data\n",
        "/usr/x: Read-only file system",
        "/etc/shown: Read-only file system",
        "fd, full, null, random, shm, stderr, stdin, stdout, tty, urandom, zero",
        "credentials, inside, share, shared",
        "\nsecret\n",
        "'/state': No such file",
        "'/srv': No such file",
        "'/usr/lib/bedplate': No such file",
    ] {
        ensure!(text.contains(expected), "no `{expected}` in:\n{text}");
    }
    ensure!(container.path("/srv/data/kept").exists(), "{text}");
    ensure!(!container.path(IMAGE).join("tmp/x").exists(), "{text}");
    ensure!(container.path("/run/inside/x").exists(), "{text}");
    Ok(())
}

fn crashing() -> Result<()> {
    let mut crashing = script("crashing", "echo here; exit 3");
    crashing.essential = false;
    let steady = script("steady", "while :; do sleep 1; done");
    let container = Container::start(&appliance(vec![crashing, steady]))?;
    let failed = container.wait_for(name::SERVICE_FAILED)?;
    let reason = failed.field("reason").unwrap_or_default();
    ensure!(reason.contains("exit status 3"), "{reason}");
    container.wait_for(name::HEALTHY)?;
    let started = |event: &&Event| {
        event.name == name::SERVICE_STARTED && event.field("name") == Some("crashing")
    };
    let events = container.events();
    let times: Vec<_> = events.iter().filter(started).map(|e| e.at_ms).collect();
    ensure!(times.len() == 3, "two restarts were allowed: {times:?}");
    ensure!(times[1] - times[0] >= 50, "{times:?}");
    ensure!(times[2] - times[1] >= 100, "{times:?}");
    ensure!(container.service("crashing")?.state == "failed");
    Ok(())
}

fn essential_failure() -> Result<()> {
    let failing = script("failing", "exit 1");
    let steady = script("steady", "while :; do sleep 1; done");
    let mut container = Container::start(&appliance(vec![steady, failing]))?;
    let failed = container.wait_for(name::GATE_FAILED)?;
    ensure!(failed.field("services") == Some("failing"), "{failed}");
    ensure!(container.finish()?.code() == Some(1));
    Ok(())
}

fn missing_program() -> Result<()> {
    let mut absent = service("absent", &["/usr/bin/no-such-program"]);
    absent.restart.budget = 0;
    let container = Container::start(&appliance(vec![absent]))?;
    let failed = container.wait_for(name::SERVICE_FAILED)?;
    let reason = failed.field("reason").unwrap_or_default();
    ensure!(reason.contains("execute the program"), "{reason}");
    ensure!(reason.contains("No such file"), "{reason}");
    Ok(())
}

fn live_probe() -> Result<()> {
    let mut sick = script("sick", "touch /tmp/ill; while :; do sleep 1; done");
    let run = [
        "/usr/bin/sh",
        "-c",
        "test ! -e /tmp/ill || { rm /tmp/ill; exit 1; }",
    ];
    sick.live = Some(probe(Check::Exec {
        run: run.map(str::to_owned).to_vec(),
    }));
    sick.restart.budget = 100;
    let container = Container::start(&appliance(vec![sick]))?;
    container.wait("a restart", |events| {
        let started = events.iter().filter(|e| e.name == name::SERVICE_STARTED);
        (started.count() >= 2).then_some(())
    })
}

fn ordered_stop() -> Result<()> {
    let base = script(
        "base",
        &format!("trap 'echo base-ends >> {DIARY}; exit' TERM; while :; do sleep 0.1; done"),
    );
    let port = free_port()?;
    let mut above = server("above", port, 0);
    above.requires = vec!["base".to_owned()];
    above.stop.http = Some(StopHttp {
        address: "127.0.0.1".to_owned(),
        port,
        path: "/shutdown".to_owned(),
    });
    let mut container = Container::start(&appliance(vec![base, above]))?;
    container.wait_for(name::HEALTHY)?;
    container.signal_init("-TERM")?;
    let status = container.finish()?;
    ensure!(status.success(), "{status}");
    let diary = fs::read_to_string(container.path(DIARY))?;
    let words: Vec<_> = diary.lines().collect();
    ensure!(
        words == ["above-begins", "above-posted", "base-ends"],
        "{words:?}"
    );
    Ok(())
}

fn stubborn() -> Result<()> {
    let stubborn = script("stubborn", "trap '' TERM; while :; do sleep 0.1; done");
    let mut container = Container::start(&appliance(vec![stubborn]))?;
    container.wait_for(name::HEALTHY)?;
    ensure!(container.ask(&Request::Poweroff)? == Reply::Done);
    let exited = container.wait_for(name::SERVICE_EXITED)?;
    ensure!(exited.field("status") == Some("signal 9"), "{exited}");
    ensure!(container.finish()?.success());
    Ok(())
}

fn restart() -> Result<()> {
    let steady = script("steady", "while :; do sleep 1; done");
    let container = Container::start(&appliance(vec![steady]))?;
    container.wait_for(name::HEALTHY)?;
    let before = container.service("steady")?.pid;
    let request = |service: &str| Request::Restart {
        service: service.to_owned(),
    };
    ensure!(container.ask(&request("steady"))? == Reply::Done);
    ensure!(matches!(
        container.ask(&request("x"))?,
        Reply::Refused { .. }
    ));
    container.wait("a second start", |events| {
        let started = events.iter().filter(|e| e.name == name::SERVICE_STARTED);
        (started.count() == 2).then_some(())
    })?;
    let after = container.service("steady")?;
    ensure!(after.pid != before && after.restarts == 1, "{after:?}");
    Ok(())
}

/// The state that PID 1 has of a secret, made before it begins.
fn config() -> Result<()> {
    let mut reader = script(
        "reader",
        "stat -c '%a %u' /run/reader/sub/auth; cat /run/reader/sub/auth; ls -a /run/reader; exec sleep 1000",
    );
    reader.runtime_directories = vec!["reader".to_owned()];
    reader.config = vec![ConfigFile {
        path: "reader/sub/auth".to_owned(),
        content: "requirepass ${secret:password}!\n".to_owned(),
        mode: 0o440,
    }];
    let mut wanted = appliance(vec![reader]);
    wanted.secrets = vec![Secret {
        replace: false,
        name: "password".to_owned(),
        source: SecretSource::Generated(20),
    }];
    let mut container = Container::start(&wanted)?;
    container.wait_for(name::HEALTHY)?;
    let secret = fs::read_to_string(container.path("/state/secrets/password"))?;
    let lines = container.lines("reader", 10)?;
    let password = format!("requirepass {secret}!");
    ensure!(
        lines == ["440 1000", &password, ".", "..", "sub"],
        "{lines:?}"
    );
    ensure!(container.path("/run/reader/sub/auth").exists());
    ensure!(
        container.ask(&Request::Stop {
            service: "reader".to_owned()
        })? == Reply::Done
    );
    container.wait_for(name::SERVICE_EXITED)?;
    ensure!(!container.path("/run/reader/sub/auth").exists());
    container.signal_init("-TERM")?;
    ensure!(container.finish()?.success());
    Ok(())
}

/// Its probe sees the same one; a service that asks for none shares the machine's.
fn private_tmp() -> Result<()> {
    let text = "touch /tmp/$0; stat -f -c '%T %b %S' /tmp; ls /tmp; exec sleep 1000";
    let mut own = service("own", &["/usr/bin/sh", "-c", text, "own"]);
    own.private_tmp_bytes = Some(1 << 20);
    let run = ["/usr/bin/test", "-e", "/tmp/own"];
    own.ready = Some(probe(Check::Exec {
        run: run.map(str::to_owned).to_vec(),
    }));
    let shares = service("shares", &["/usr/bin/sh", "-c", text, "shares"]);
    let container = Container::start(&appliance(vec![own, shares]))?;
    container.wait_for(name::HEALTHY)?;
    let lines = container.lines("own", 10)?;
    ensure!(lines == ["tmpfs 256 4096", "own"], "{lines:?}");
    let lines = container.lines("shares", 10)?;
    ensure!(
        lines.last().is_some_and(|line| line == "shares"),
        "{lines:?}"
    );
    ensure!(container.path("/tmp/shares").exists() && !container.path("/tmp/own").exists());
    Ok(())
}

fn waiting() -> Result<()> {
    let port = free_port()?;
    let mut late = script("late", "exec sleep 1000");
    let wait = |condition| Wait {
        condition,
        period_ms: 100,
        timeout_ms: 1000,
    };
    late.wait = vec![
        wait(Condition::Check(http(port))),
        wait(Condition::Path("/tmp/here".to_owned())),
    ];
    let container = Container::start(&appliance(vec![late]))?;
    let waiting = container.wait_for(name::SERVICE_WAITING)?;
    ensure!(
        waiting.field("because") == Some("connection refused"),
        "{waiting}"
    );
    let because = container.service("late")?.because.unwrap_or_default();
    let expected = format!("waiting for http 127.0.0.1:{port}/health because connection refused");
    ensure!(because == expected, "{because}");
    std::thread::spawn(move || {
        crate::service::serve(&["peer", &port.to_string(), "0"].map(str::to_owned))
    });
    container.wait("the second condition", |events| {
        let path = |e: &&Event| e.field("for") == Some("path /tmp/here");
        events.iter().find(path).cloned()
    })?;
    fs::write(container.path("/tmp/here"), "")?;
    container.wait_for(name::HEALTHY)?;
    Ok(())
}

fn orphans() -> Result<()> {
    let text = "for i in 1 2 3 4 5; do (sleep 0.1 &) ; done; sleep 0.6; echo over; \
                while :; do sleep 1; done";
    let parent = script("parent", text);
    let container = Container::start(&appliance(vec![parent]))?;
    container.wait_for(name::HEALTHY)?;
    let request = Request::Logs {
        service: "parent".to_owned(),
        lines: 1,
    };
    let lines = vec!["over".to_owned()];
    container.wait("the end of the orphans", |_| {
        let reply = container.ask(&request).ok()?;
        (reply
            == Reply::Logs {
                lines: lines.clone(),
            })
        .then_some(())
    })?;
    let pid = container.init_pid()?;
    let children = fs::read_to_string(format!("/proc/{pid}/task/{pid}/children"))?;
    for child in children.split_ascii_whitespace() {
        let stat = fs::read_to_string(format!("/proc/{child}/stat")).unwrap_or_default();
        ensure!(!stat.contains(") Z "), "a zombie: {stat}");
    }
    Ok(())
}

fn on_demand() -> Result<()> {
    let mut job = script("job", "echo begun; test ! -e /tmp/ill");
    job.kind = Kind::Scheduled;
    job.essential = false;
    job.restart.when = RestartWhen::Never;
    let steady = script("steady", "while :; do sleep 1; done");
    let container = Container::start(&appliance(vec![job, steady]))?;
    container.wait_for(name::HEALTHY)?;
    ensure!(container.service("job")?.state == "scheduled");
    let run = |service: &str| {
        let service = service.to_owned();
        container.ask(&Request::Run { service })
    };
    let ran = |good, result: &str| Reply::Ran {
        good,
        result: result.to_owned(),
        lines: vec!["begun".to_owned()],
    };
    for _ in 0..2 {
        let reply = run("job")?;
        ensure!(reply == ran(true, "exit status 0"), "{reply:?}");
    }
    fs::write(container.path("/tmp/ill"), "")?;
    let reply = run("job")?;
    ensure!(
        reply == ran(false, "it ended with exit status 1"),
        "{reply:?}"
    );
    let job = container.service("job")?;
    let schedule = job.schedule.context("no times")?;
    ensure!(schedule.next.is_none(), "{schedule:?}");
    let last = schedule.last.context("no last run")?;
    ensure!(!last.good && last.ended.is_some(), "{last:?}");
    let reply = run("jop")?;
    let expected = "no service is called `jop`; did you mean `job`?";
    ensure!(
        matches!(&reply, Reply::Refused { reason } if reason == expected),
        "{reply:?}"
    );
    ensure!(container.status()?.boot == BootState::Healthy);
    Ok(())
}

fn backup() -> Result<()> {
    let mut worker = script("backup-data", "");
    worker.kind = Kind::Scheduled;
    worker.essential = false;
    worker.restart.when = RestartWhen::Never;
    let text = "touch /archives/data/mine; stat -c '%u %a' /archives/data; echo $@";
    worker.run = ["/usr/bin/sh", "-c", text, "worker"]
        .map(str::to_owned)
        .into();
    let user = script("user", "while :; do sleep 1; done");
    let mut appliance = appliance(vec![worker, user]);
    appliance.backups = vec![Backup {
        name: "data".to_owned(),
        service: "backup-data".to_owned(),
        directory: "/archives/data".to_owned(),
        content: Content::Directory("/data".to_owned()),
        keep_seconds: 1,
        stops: vec!["user".to_owned()],
    }];
    let container = Container::start(&appliance)?;
    fs::create_dir(container.path("/archives"))?;
    container.wait_for(name::HEALTHY)?;
    let before = container.service("user")?.pid;
    let ask = |step, archive: Option<&str>| {
        let archive = archive.map(str::to_owned);
        let backup = "data".to_owned();
        container.ask(&Request::Backup {
            backup,
            step,
            archive,
        })
    };
    let ran = |words: &str| Reply::Ran {
        good: true,
        result: "exit status 0".to_owned(),
        lines: vec!["1000 700".to_owned(), words.to_owned()],
    };
    let reply = ask(BackupStep::Verify, None)?;
    ensure!(reply == ran("verify"), "{reply:?}");
    ensure!(container.service("user")?.pid == before);
    let reply = ask(BackupStep::Restore, Some("20260801T020000Z"))?;
    ensure!(reply == ran("restore 20260801T020000Z"), "{reply:?}");
    container.wait("the return of what was stopped", |_| {
        let now = container.service("user").ok()?;
        (now.pid != before && now.state == "ready").then_some(())
    })?;
    // A link in its place is not followed: whose owner would change?
    fs::remove_dir_all(container.path("/archives/data"))?;
    std::os::unix::fs::symlink("/etc", container.path("/archives/data"))?;
    let reply = ask(BackupStep::Create, None)?;
    let Reply::Ran {
        good: false,
        result,
        ..
    } = &reply
    else {
        anyhow::bail!("{reply:?}");
    };
    ensure!(result.contains("make `/archives/data`"), "{result}");
    Ok(())
}
