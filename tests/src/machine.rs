//! A running appliance: followed by its console, asked by its control port, used by its ports.

use std::{
    ffi::OsStr,
    fs,
    io::{BufRead, BufReader, Read, Write},
    net::{TcpListener, TcpStream},
    os::unix::net::UnixStream,
    path::PathBuf,
    process::{Child, Command, ExitStatus, Stdio},
    sync::mpsc::{Receiver, RecvTimeoutError, channel},
    thread,
    time::{Duration, Instant},
};

use anyhow::{Context, Error, Result, anyhow, bail, ensure};
use bedplate_contract::{
    control::{BootReport, Reply, Request, Status, UpgradeStep},
    event::{Event, name},
};

use crate::{
    bedplate,
    story::{Line, Story},
    toolbox,
    vm::Vm,
};

/// How long one answer of the control port or a service may take under TCG.
const ANSWER: Duration = Duration::from_secs(60);
/// How long an upgrade may be written.
const UPGRADE: Duration = Duration::from_secs(300);
/// How long the kernel may take to end a killed QEMU.
const END: Duration = Duration::from_secs(20);

/// A machine that runs until [`Machine::power_off`]; a dropped one is killed.
#[derive(Debug)]
pub struct Machine {
    run: Child,
    console: Receiver<Line>,
    serial_log: PathBuf,
    control: PathBuf,
    port: u16,
    /// What was read of the console so far.
    pub story: Story,
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
        Self::start_with(vm, guest, &[] as &[&str])
    }

    /// As [`Machine::start`], with more arguments of `bedplate run`.
    ///
    /// # Errors
    /// `bedplate run` cannot be started.
    pub fn start_with(vm: &Vm, guest: u16, more: &[impl AsRef<OsStr>]) -> Result<Self> {
        // A boot's entries are read between its first event and its verdict: no time to set up tools.
        toolbox::succeed(&["true"])?;
        let port = TcpListener::bind("127.0.0.1:0")?.local_addr()?.port();
        let control = vm.path("control.sock");
        let serial_log = vm.path("console.log");
        let mut run = bedplate::command()?
            .arg("run")
            .args(vm.arguments())
            .args(["--port", &format!("{port}:{guest}")])
            .args(["--memory", &vm.memory_mib().to_string()])
            .arg("--serial-log")
            .arg(&serial_log)
            .arg("--control")
            .arg(&control)
            .arg("--events")
            .args(more)
            .stdout(Stdio::piped())
            .spawn()?;
        let output = run.stdout.take().context("the run's output")?;
        let (sender, console) = channel();
        let disk = vm.disk();
        thread::spawn(move || {
            for text in BufReader::new(output).lines().map_while(Result::ok) {
                if sender.send(Line::read(text, &disk)).is_err() {
                    return;
                }
            }
        });
        Ok(Self {
            run,
            console,
            serial_log,
            control,
            port,
            story: Story::default(),
        })
    }

    /// Reads the console until the event comes.
    ///
    /// # Errors
    /// A failed gate, the end of the machine, or no such event in time; with the last lines.
    pub fn wait_for(&mut self, wanted: &str, timeout: Duration) -> Result<Event> {
        let event = self.until(timeout, |event| {
            event.name == wanted || event.name == name::GATE_FAILED
        });
        let event = event.with_context(|| format!("waiting for {wanted}"))?;
        ensure!(
            event.name == wanted,
            "the gate failed:\n{}",
            self.story.tail()
        );
        Ok(event)
    }

    /// Reads the console, through reboots, until an event that is `wanted`.
    ///
    /// # Errors
    /// The end of the machine, or no such event in time; with the last lines.
    pub fn until(&mut self, timeout: Duration, wanted: impl Fn(&Event) -> bool) -> Result<Event> {
        let deadline = Instant::now() + timeout;
        loop {
            let left = deadline.saturating_duration_since(Instant::now());
            let line = self.console.recv_timeout(left);
            let line = line.map_err(|end| self.silence(end, timeout))?;
            let event = self.story.take(line)?;
            if let Some(event) = event.filter(&wanted) {
                return Ok(event);
            }
        }
    }

    /// Why nothing more is read. Firmware, loader and kernel tell of no event: what they said is in
    /// the log of the serial port alone.
    fn silence(&self, end: RecvTimeoutError, timeout: Duration) -> Error {
        let end = match end {
            RecvTimeoutError::Timeout => format!("no such event in {} s", timeout.as_secs()),
            RecvTimeoutError::Disconnected => "`bedplate run` ended without it".to_owned(),
        };
        let log = fs::read(&self.serial_log).unwrap_or_default();
        let last = String::from_utf8_lossy(&log[log.len().saturating_sub(2000)..]).into_owned();
        let story = self.story.tail();
        anyhow!("{end}; the events are\n{story}\nand the serial port ends with\n{last}")
    }

    /// Reads the console until a boot of `version` is healthy, whatever comes before it.
    ///
    /// # Errors
    /// As [`Machine::until`].
    pub fn healthy_as(&mut self, version: &str, timeout: Duration) -> Result<Event> {
        let event = self.until(timeout, |event| {
            event.name == name::HEALTHY && event.field("version") == Some(version)
        });
        event.with_context(|| format!("waiting for version {version} to be healthy"))
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

    /// The boot reports, newest first.
    ///
    /// # Errors
    /// The control port does not answer, or not with reports.
    pub fn reports(&self) -> Result<Vec<BootReport>> {
        match self.ask(&Request::Report)? {
            Reply::Reports { reports } => Ok(reports),
            other => bail!("expected reports, found {other:?}"),
        }
    }

    /// Asks for an upgrade, and waits until it is done or refused.
    ///
    /// # Errors
    /// No answer in time, or not one of the protocol.
    pub fn upgrade(&self, source: &str, step: UpgradeStep, force: bool) -> Result<Reply> {
        let source = Some(source.to_owned());
        let request = Request::Upgrade {
            source,
            step,
            force,
        };
        self.ask_within(&request, UPGRADE)
    }

    /// One request over the control port.
    ///
    /// # Errors
    /// No answer in time, or not one of the protocol.
    pub fn ask(&self, request: &Request) -> Result<Reply> {
        self.ask_within(request, ANSWER)
    }

    /// As [`Machine::ask`], for what takes its time.
    ///
    /// # Errors
    /// As [`Machine::ask`].
    pub fn ask_within(&self, request: &Request, time: Duration) -> Result<Reply> {
        let stream = self.send(request)?;
        stream.set_read_timeout(Some(time))?;
        let mut answer = String::new();
        let read = BufReader::new(stream).read_line(&mut answer);
        read.with_context(|| format!("waiting {} s for the reply to {request:?}", time.as_secs()))?;
        serde_json::from_str(&answer).with_context(|| format!("reading the reply `{answer}`"))
    }

    /// Sends a request and returns the connection on which its answer comes.
    ///
    /// # Errors
    /// No connection.
    pub fn send(&self, request: &Request) -> Result<UnixStream> {
        let mut stream = UnixStream::connect(&self.control)?;
        writeln!(stream, "{}", serde_json::to_string(request)?)?;
        Ok(stream)
    }

    /// One HTTP request to the forwarded port; returns status code and body.
    ///
    /// # Errors
    /// No connection, or no answer in time.
    pub fn http(&self, method: &str, path: &str, body: &str) -> Result<(u16, String)> {
        self.http_with(method, path, &[], body)
    }

    /// As [`Machine::http`], with more headers, each a name and a value.
    ///
    /// # Errors
    /// As [`Machine::http`].
    pub fn http_with(
        &self,
        method: &str,
        path: &str,
        headers: &[(&str, &str)],
        body: &str,
    ) -> Result<(u16, String)> {
        let mut stream = TcpStream::connect(("127.0.0.1", self.port))?;
        stream.set_read_timeout(Some(ANSWER))?;
        let length = body.len();
        let mut head =
            "Host: appliance\r\nConnection: close\r\nContent-Type: application/json\r\n".to_owned();
        for (name, value) in headers {
            head.push_str(&format!("{name}: {value}\r\n"));
        }
        // 1.0: the answer ends with the connection, and comes in no chunks.
        write!(
            stream,
            "{method} {path} HTTP/1.0\r\n{head}Content-Length: {length}\r\n\r\n{body}"
        )?;
        let mut answer = String::new();
        let read = stream.read_to_string(&mut answer);
        read.with_context(|| format!("reading the answer to {method} {path}"))?;
        let (head, body) = answer.split_once("\r\n\r\n").context("an HTTP answer")?;
        let code = head.split(' ').nth(1).context("a status line")?.parse()?;
        Ok((code, body.to_owned()))
    }

    /// Asks PID 1 to power off, and waits until QEMU has ended.
    ///
    /// # Errors
    /// PID 1 refuses, or the run does not end well.
    pub fn power_off(mut self) -> Result<()> {
        // A machine without services may be gone before its reply has crossed the port.
        if let Ok(reply) = self.ask(&Request::Poweroff) {
            ensure!(reply == Reply::Done, "expected `done`, found {reply:?}");
        }
        self.until(ANSWER, |event| event.field("how") == Some("poweroff"))?;
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
        let rest: Vec<String> = self.console.iter().map(|line| line.text).collect();
        Ok((self.run.wait()?, rest.join("\n")))
    }

    /// Pulls the plug: QEMU is gone when this returns, and what the guest had not yet written is lost.
    ///
    /// # Errors
    /// QEMU does not end.
    pub fn cut(mut self) -> Result<()> {
        self.run.kill()?;
        self.run.wait()?;
        let deadline = Instant::now() + END;
        // Its control socket refuses connections as soon as it has ended, and not before.
        while UnixStream::connect(&self.control).is_ok() {
            ensure!(Instant::now() < deadline, "QEMU outlives its run");
            thread::sleep(Duration::from_millis(20));
        }
        Ok(())
    }
}

impl Drop for Machine {
    fn drop(&mut self) {
        // It has ended already after `power_off`; then there is nothing to kill.
        let _ = self.run.kill();
        let _ = self.run.wait();
    }
}
