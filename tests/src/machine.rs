//! A running appliance: followed by its console, asked by its control port, used by its ports.

use std::{
    io::{BufRead, BufReader, Read, Write},
    net::{TcpListener, TcpStream},
    os::unix::net::UnixStream,
    path::PathBuf,
    process::{Child, Command, ExitStatus, Stdio},
    sync::mpsc::{Receiver, channel},
    thread,
    time::{Duration, Instant},
};

use anyhow::{Context, Result, bail, ensure};
use bedplate_contract::{
    control::{Reply, Request, Status},
    event::{Event, name},
};

use crate::{bedplate, vm::Vm};

/// How long one answer of the control port or a service may take under TCG.
const ANSWER: Duration = Duration::from_secs(60);

/// A machine that runs until [`Machine::power_off`]; a dropped one is killed.
#[derive(Debug)]
pub struct Machine {
    run: Child,
    console: Receiver<String>,
    control: PathBuf,
    port: u16,
    seen: Vec<String>,
}

impl Machine {
    /// Boots `vm` with `guest` forwarded, and returns once it is healthy.
    ///
    /// # Errors
    /// The gate fails, or nothing is decided within `timeout`.
    pub fn healthy(vm: &Vm, guest: u16, timeout: Duration) -> Result<Self> {
        let mut machine = Self::start(vm, guest)?;
        machine.wait_for(name::HEALTHY, timeout)?;
        Ok(machine)
    }

    /// Boots `vm` with `guest` forwarded, and returns at once.
    ///
    /// # Errors
    /// `bedplate run` cannot be started.
    pub fn start(vm: &Vm, guest: u16) -> Result<Self> {
        let port = TcpListener::bind("127.0.0.1:0")?.local_addr()?.port();
        let control = vm.path("control.sock");
        let mut run = bedplate::command()?
            .args([
                "run",
                vm.image(),
                "--profile",
                "min",
                "--accelerator",
                "tcg",
                "--disk",
            ])
            .arg(vm.disk())
            .args([
                "--port",
                &format!("{port}:{guest}"),
                "--memory",
                "2048",
                "--serial-log",
            ])
            .arg(vm.path("console.log"))
            .arg("--control")
            .arg(&control)
            .arg("--events")
            .stdout(Stdio::piped())
            .spawn()?;
        let output = run.stdout.take().context("the run's output")?;
        let (sender, console) = channel();
        thread::spawn(move || {
            for line in BufReader::new(output).lines().map_while(Result::ok) {
                if sender.send(line).is_err() {
                    return;
                }
            }
        });
        Ok(Self {
            run,
            console,
            control,
            port,
            seen: Vec::new(),
        })
    }

    /// Reads the console until the event comes.
    ///
    /// # Errors
    /// A failed gate, the end of the machine, or no such event in time; with the last lines.
    pub fn wait_for(&mut self, wanted: &str, timeout: Duration) -> Result<Event> {
        let deadline = Instant::now() + timeout;
        loop {
            let left = deadline.saturating_duration_since(Instant::now());
            let Ok(line) = self.console.recv_timeout(left) else {
                bail!("no {wanted}; the console ends with\n{}", self.tail());
            };
            let event = Event::parse(&line);
            self.seen.push(line);
            match event {
                Some(event) if event.name == wanted => return Ok(event),
                Some(event) if event.name == name::GATE_FAILED => {
                    bail!("the gate failed:\n{}", self.tail())
                }
                _ => {}
            }
        }
    }

    /// What PID 1 says of everything.
    ///
    /// # Errors
    /// The control port does not answer, or not with a status.
    pub fn status(&self) -> Result<Status> {
        match self.ask(&Request::Status)? {
            Reply::Status(status) => Ok(*status),
            other => bail!("expected a status, found {other:?}"),
        }
    }

    /// One request over the control port.
    ///
    /// # Errors
    /// No answer in time, or not one of the protocol.
    pub fn ask(&self, request: &Request) -> Result<Reply> {
        let mut stream = UnixStream::connect(&self.control)?;
        stream.set_read_timeout(Some(ANSWER))?;
        writeln!(stream, "{}", serde_json::to_string(request)?)?;
        let mut answer = String::new();
        BufReader::new(stream).read_line(&mut answer)?;
        serde_json::from_str(&answer).with_context(|| format!("reading the reply `{answer}`"))
    }

    /// One HTTP request to the forwarded port; returns status code and body.
    ///
    /// # Errors
    /// No connection, or no answer in time.
    pub fn http(&self, method: &str, path: &str, body: &str) -> Result<(u16, String)> {
        let mut stream = TcpStream::connect(("127.0.0.1", self.port))?;
        stream.set_read_timeout(Some(ANSWER))?;
        let length = body.len();
        let head = "Host: appliance\r\nConnection: close\r\nContent-Type: application/json\r\n";
        write!(
            stream,
            "{method} {path} HTTP/1.1\r\n{head}Content-Length: {length}\r\n\r\n{body}"
        )?;
        let mut answer = String::new();
        stream.read_to_string(&mut answer)?;
        let (head, body) = answer.split_once("\r\n\r\n").context("an HTTP answer")?;
        let code = head.split(' ').nth(1).context("a status line")?.parse()?;
        Ok((code, body.to_owned()))
    }

    /// Asks PID 1 to power off, and waits until QEMU has ended.
    ///
    /// # Errors
    /// PID 1 refuses, or the run does not end well.
    pub fn power_off(mut self) -> Result<()> {
        let reply = self.ask(&Request::Poweroff)?;
        ensure!(reply == Reply::Done, "expected `done`, found {reply:?}");
        let status = self.run.wait()?;
        ensure!(status.success(), "the run ended with {status}");
        Ok(())
    }

    /// Sends the run what Ctrl-C sends; returns how it ended and the rest of the console.
    ///
    /// # Errors
    /// The signal cannot be sent, or the run cannot be waited for.
    pub fn interrupt(mut self) -> Result<(ExitStatus, String)> {
        // The shell's own `kill`: the program of that name is not on every machine.
        let kill = format!("kill -INT {}", self.run.id());
        let sent = Command::new("sh").args(["-c", &kill]).status()?;
        ensure!(sent.success(), "`kill` ended with {sent}");
        // The console closes when the run ends.
        let rest: Vec<String> = self.console.iter().collect();
        Ok((self.run.wait()?, rest.join("\n")))
    }

    fn tail(&self) -> String {
        self.seen[self.seen.len().saturating_sub(60)..].join("\n")
    }
}

impl Drop for Machine {
    fn drop(&mut self) {
        // It has ended already after `power_off`; then there is nothing to kill.
        let _ = self.run.kill();
        let _ = self.run.wait();
    }
}
