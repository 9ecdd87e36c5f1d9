//! The real program against a scripted init.

use std::{
    error::Error,
    io::{BufRead, BufReader, Write},
    os::unix::net::UnixListener,
    path::Path,
    process::{Command, Output},
    thread::{self, JoinHandle},
};

use bedplate_contract::control::Request;

type Result<T = ()> = std::result::Result<T, Box<dyn Error>>;

/// An init that takes one connection and answers with fixed bytes.
struct Init {
    directory: tempfile::TempDir,
    request: JoinHandle<String>,
}

fn init(reply: Vec<u8>) -> Result<Init> {
    let directory = tempfile::tempdir()?;
    let listener = UnixListener::bind(directory.path().join("control.sock"))?;
    let request = thread::spawn(move || serve(&listener, &reply).unwrap_or_default());
    Ok(Init { directory, request })
}

/// The request, or nothing when the program hung up first.
fn serve(listener: &UnixListener, reply: &[u8]) -> std::io::Result<String> {
    let (mut stream, _) = listener.accept()?;
    let mut line = String::new();
    BufReader::new(&stream).read_line(&mut line)?;
    // The program hangs up in the middle of a reply that is too long; that is its right.
    let _ = stream.write_all(reply);
    Ok(line)
}

fn bedplatectl(socket: &Path, line: &str) -> Result<Output> {
    let mut command = Command::new(env!("CARGO_BIN_EXE_bedplatectl"));
    command.arg("--socket").arg(socket).args(line.split(' '));
    Ok(command.output()?)
}

/// Runs one command line against an init that answers `reply`.
fn run(reply: impl Into<Vec<u8>>, line: &str) -> Result<(Request, Output)> {
    let init = init(reply.into())?;
    let output = bedplatectl(&init.directory.path().join("control.sock"), line)?;
    let request = init
        .request
        .join()
        .map_err(|_| "the scripted init panicked")?;
    Ok((serde_json::from_str(&request)?, output))
}

fn status(boot: &str) -> String {
    format!(
        "{{\"reply\":\"status\",\"name\":\"hello\",\"version\":\"1\",\"profile\":\"min\",\
         \"slot\":\"a\",\"entry\":\"hello_1.efi\",\"boot\":\"{boot}\",\"uptime_ms\":1,\
         \"init_rss_kib\":2048,\"address\":null,\"warnings\":[],\"services\":[],\"phases\":[],\
         \"later\":true}}\n"
    )
}

#[test]
fn status_tells_the_boot_state_to_scripts() -> Result {
    for (boot, code) in [
        ("healthy", 0),
        ("degraded", 4),
        ("starting", 5),
        ("gating", 5),
        ("stopping", 5),
    ] {
        let (request, output) = run(status(boot), "status")?;
        assert_eq!(request, Request::Status);
        assert_eq!(output.status.code(), Some(code), "{boot}");
        let text = String::from_utf8(output.stdout)?;
        assert!(text.contains(&format!("boot     {boot}")), "{text}");
        let (_, output) = run(status(boot), "services")?;
        assert_eq!(output.status.code(), Some(0), "{boot}");
    }
    Ok(())
}

#[test]
fn json_is_printed_as_it_came() -> Result {
    let reply = status("degraded");
    let (_, output) = run(reply.clone(), "status --json")?;
    assert_eq!(String::from_utf8(output.stdout)?, reply);
    assert_eq!(output.status.code(), Some(4));
    let refused = "{\"reply\":\"refused\",\"reason\":\"no\"}\n";
    let (_, output) = run(refused, "--json reboot")?;
    assert_eq!(String::from_utf8(output.stdout)?, refused);
    assert_eq!(output.status.code(), Some(1));
    Ok(())
}

#[test]
fn every_verb_asks_its_question() -> Result {
    let done = "{\"reply\":\"done\"}\n";
    let service = || "nginx".to_owned();
    for (line, reply, expected) in [
        (
            "report",
            "{\"reply\":\"reports\",\"reports\":[]}\n",
            Request::Report,
        ),
        (
            "logs nginx",
            "{\"reply\":\"logs\",\"lines\":[]}\n",
            Request::Logs {
                service: service(),
                lines: 100,
            },
        ),
        (
            "logs nginx -n 7",
            "{\"reply\":\"logs\",\"lines\":[]}\n",
            Request::Logs {
                service: service(),
                lines: 7,
            },
        ),
        (
            "restart nginx",
            done,
            Request::Restart { service: service() },
        ),
        ("rollback", done, Request::Rollback),
        ("poweroff", done, Request::Poweroff),
        ("reboot", done, Request::Reboot),
    ] {
        let (request, output) = run(reply, line)?;
        assert_eq!(request, expected);
        assert_eq!(output.status.code(), Some(0), "{line}: {output:?}");
    }
    Ok(())
}

#[test]
fn failures_are_said_once_in_words() -> Result {
    let long = vec![b'x'; 5 << 20];
    for (reply, expected) in [
        (
            b"{\"reply\":\"refused\",\"reason\":\"found no service `x`\"}\n".to_vec(),
            "error: init refused: found no service `x`\n",
        ),
        (
            b"".to_vec(),
            "error: init closed the connection after 0 bytes, before the end of its reply\n",
        ),
        (
            b"hello\n".to_vec(),
            "error: expected a reply of init, found `hello`\n  caused by: expected value at line 1 column 1\n",
        ),
        (
            long,
            "error: expected a reply of at most 4194304 bytes, found more\n",
        ),
        (
            status("healthy").into_bytes(),
            "error: init answered another question than was asked: is `bedplatectl` of this image?\n",
        ),
    ] {
        let (_, output) = run(reply, "restart x")?;
        assert_eq!(String::from_utf8(output.stderr)?, expected);
        assert_eq!(output.stdout, b"");
        assert_eq!(output.status.code(), Some(1));
    }
    Ok(())
}

#[test]
fn a_machine_that_is_no_appliance_is_recognised() -> Result {
    let directory = tempfile::tempdir()?;
    let socket = directory.path().join("control.sock");
    let name = socket.display();
    let output = bedplatectl(&socket, "status")?;
    let expected = format!("error: found no control socket at `{name}`: is this an appliance?\n");
    assert_eq!(String::from_utf8(output.stderr)?, expected);
    assert_eq!(output.status.code(), Some(1));
    drop(UnixListener::bind(&socket)?);
    let output = bedplatectl(&socket, "status")?;
    let expected = format!("error: nobody listens on the control socket `{name}`: ");
    assert!(String::from_utf8(output.stderr)?.starts_with(&expected));
    Ok(())
}

#[test]
fn wrong_usage_exits_2_and_help_tells_exit_states() -> Result {
    assert_eq!(bedplatectl(Path::new("/s"), "halt")?.status.code(), Some(2));
    let help = bedplatectl(Path::new("/s"), "--help")?;
    assert_eq!(help.status.code(), Some(0));
    let text = String::from_utf8(help.stdout)?;
    assert!(text.contains("4  `status`: degraded"), "{text}");
    Ok(())
}
