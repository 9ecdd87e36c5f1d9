//! A root directory with `init` in it, run as process 1 of its own namespaces.

use std::{
    env, fs,
    io::{BufRead, BufReader, Write},
    os::unix::net::UnixStream,
    path::{Path, PathBuf},
    process::{Child, Command, ExitStatus, Stdio},
    thread,
    time::{Duration, Instant},
};

use anyhow::{Context, Result, bail, ensure};
use bedplate_contract::{
    Appliance,
    control::{Reply, Request, ServiceStatus, Status},
    event::Event,
    layout,
};
use tempfile::TempDir;

/// How long anything may take on a busy machine.
const PATIENCE: Duration = Duration::from_secs(60);

/// This program inside the root.
pub const PROGRAM: &str = "/usr/lib/bedplate/service";

/// The root of a container image inside the root.
pub const IMAGE: &str = "/usr/lib/bedplate/oci/image";

/// Enters the root, which is a mount as that of every container; runs as process 1 of the namespaces.
const ENTER: &str = r#"
set -e
mount --bind "$1" "$1"
for directory in usr/bin usr/lib/x86_64-linux-gnu usr/lib64; do
    mount --bind "/$directory" "$1/$directory"
    mount --bind "/$directory" "$1/usr/lib/bedplate/oci/image/$directory"
done
for device in full null random tty urandom zero; do
    mount --bind "/dev/$device" "$1/dev/$device"
done
mount -t proc proc "$1/proc"
exec chroot "$1" /usr/lib/bedplate/init
"#;

/// Whether this process may make the namespaces.
pub fn can_run() -> bool {
    let tried = Command::new("unshare")
        .args([
            "--pid", "--fork", "--mount", "mount", "-t", "tmpfs", "none", "/mnt",
        ])
        .stderr(Stdio::null())
        .status();
    tried.is_ok_and(|status| status.success())
}

/// A running appliance; killed with all it made when dropped.
pub struct Container {
    root: TempDir,
    child: Child,
}

impl Container {
    pub fn start(appliance: &Appliance) -> Result<Self> {
        Self::start_with(appliance, |_| Ok(()))
    }

    /// One whose root is finished by `add`.
    pub fn start_with(
        appliance: &Appliance,
        add: impl FnOnce(&Path) -> Result<()>,
    ) -> Result<Self> {
        let root = make_root(appliance)?;
        add(root.path())?;
        let child = Command::new("unshare")
            .args([
                "--pid",
                "--fork",
                "--mount",
                "--kill-child",
                "sh",
                "-c",
                ENTER,
                "enter",
            ])
            .arg(root.path())
            .spawn()
            .context("running `unshare`")?;
        Ok(Self { root, child })
    }

    pub fn path(&self, path: &str) -> PathBuf {
        self.root.path().join(path.trim_start_matches('/'))
    }

    /// Everything that was said so far.
    pub fn events(&self) -> Vec<Event> {
        let text = fs::read_to_string(self.path("/dev/console")).unwrap_or_default();
        text.lines().filter_map(Event::parse).collect()
    }

    /// Waits until `found` finds what it looks for among the events.
    pub fn wait<T>(&self, what: &str, found: impl Fn(&[Event]) -> Option<T>) -> Result<T> {
        let end = Instant::now() + PATIENCE;
        while Instant::now() < end {
            if let Some(found) = found(&self.events()) {
                return Ok(found);
            }
            thread::sleep(Duration::from_millis(20));
        }
        let events: Vec<_> = self.events().iter().map(ToString::to_string).collect();
        bail!("{what} did not happen:\n{}", events.join("\n"))
    }

    /// Waits for the first event called `name`.
    pub fn wait_for(&self, name: &str) -> Result<Event> {
        self.wait(name, |events| {
            events.iter().find(|e| e.name == name).cloned()
        })
    }

    /// The log of a service on the disk, once `last` is in it: it is written beside everything else.
    pub fn log_with(&self, service: &str, last: &str) -> Result<String> {
        let path = self.path(&format!("/state/logs/{service}.log"));
        let end = Instant::now() + PATIENCE;
        let mut text = String::new();
        while Instant::now() < end && !text.contains(last) {
            thread::sleep(Duration::from_millis(20));
            text = fs::read_to_string(&path).unwrap_or_default();
        }
        ensure!(text.contains(last), "no `{last}` in:\n{text}");
        Ok(text)
    }

    pub fn ask(&self, request: &Request) -> Result<Reply> {
        let mut stream = UnixStream::connect(self.path(layout::CONTROL_SOCKET))?;
        writeln!(stream, "{}", serde_json::to_string(request)?)?;
        let mut line = String::new();
        BufReader::new(stream).read_line(&mut line)?;
        Ok(serde_json::from_str(&line)?)
    }

    pub fn status(&self) -> Result<Status> {
        match self.ask(&Request::Status)? {
            Reply::Status(status) => Ok(*status),
            other => bail!("expected a status, found {other:?}"),
        }
    }

    pub fn service(&self, name: &str) -> Result<ServiceStatus> {
        let services = self.status()?.services;
        let found = services.into_iter().find(|service| service.name == name);
        found.with_context(|| format!("no service `{name}`"))
    }

    /// The last lines that a service printed, `count` at most.
    pub fn lines(&self, service: &str, count: u32) -> Result<Vec<String>> {
        let request = Request::Logs {
            service: service.to_owned(),
            lines: count,
        };
        match self.ask(&request)? {
            Reply::Logs { lines } => Ok(lines),
            other => bail!("expected lines, found {other:?}"),
        }
    }

    /// Process 1 as this side of the namespace sees it.
    pub fn init_pid(&self) -> Result<u32> {
        let id = self.child.id();
        let children = fs::read_to_string(format!("/proc/{id}/task/{id}/children"))?;
        children.trim().parse().context("`unshare` has no child")
    }

    pub fn signal_init(&self, signal: &str) -> Result<()> {
        let pid = self.init_pid()?.to_string();
        let sent = Command::new("kill").args([signal, &pid]).status()?;
        if !sent.success() {
            bail!("`kill {signal} {pid}` failed");
        }
        Ok(())
    }

    /// Waits for the end of process 1.
    pub fn finish(&mut self) -> Result<ExitStatus> {
        let end = Instant::now() + PATIENCE;
        while Instant::now() < end {
            if let Some(status) = self.child.try_wait()? {
                return Ok(status);
            }
            thread::sleep(Duration::from_millis(20));
        }
        bail!("process 1 did not end")
    }
}

impl Drop for Container {
    fn drop(&mut self) {
        // `--kill-child` takes process 1 along, and that the whole namespace.
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

/// The program to be tried: this build's, or `BEDPLATE_INIT`, such as an older one to be compared.
fn init() -> PathBuf {
    let other = env::var_os("BEDPLATE_INIT");
    other.map_or_else(|| env!("CARGO_BIN_EXE_init").into(), PathBuf::from)
}

fn make_root(appliance: &Appliance) -> Result<TempDir> {
    let root = tempfile::tempdir()?;
    let at = |path: &str| root.path().join(path.trim_start_matches('/'));
    let directories = [
        "usr/bin",
        "usr/lib/x86_64-linux-gnu",
        "usr/lib64",
        "usr/lib/bedplate",
        "dev",
        "proc",
        "run",
        "tmp",
        "etc",
        "state/logs",
        "state/secrets",
        "sys",
        "srv/data",
    ];
    for directory in directories {
        fs::create_dir_all(at(directory))?;
    }
    for link in ["bin", "lib", "lib64"] {
        std::os::unix::fs::symlink(Path::new("usr").join(link), at(link))?;
    }
    open_to_all(root.path())?;
    open_to_all(&at("tmp"))?;
    open_to_all(&at("srv/data"))?;
    fs::write(at("etc/hosts"), "127.0.0.1 localhost\n")?;
    fs::write(at("etc/shown"), "of the appliance\n")?;
    fs::write(at("state/secrets/token"), "secret\n")?;
    for device in ["full", "null", "random", "tty", "urandom", "zero"] {
        fs::write(at("dev").join(device), "")?;
    }
    make_image(&at(IMAGE))?;
    fs::write(at("dev/console"), "")?;
    fs::write(at(layout::APPLIANCE), appliance.encode())?;
    fs::copy(init(), at(layout::INIT))?;
    fs::copy(env::current_exe()?, at(PROGRAM))?;
    Ok(root)
}

/// As the builder leaves an image: with every mount point.
fn make_image(root: &Path) -> Result<()> {
    let directories = [
        "usr/bin",
        "usr/lib/x86_64-linux-gnu",
        "usr/lib64",
        "dev",
        "proc",
        "sys",
        "run",
        "tmp",
        "etc",
        "data",
    ];
    for directory in directories {
        fs::create_dir_all(root.join(directory))?;
    }
    for link in ["bin", "lib", "lib64"] {
        std::os::unix::fs::symlink(Path::new("usr").join(link), root.join(link))?;
    }
    for file in ["hosts", "resolv.conf", "shown"] {
        fs::write(root.join("etc").join(file), "")?;
    }
    Ok(fs::write(root.join("etc/own"), "of the image\n")?)
}

/// Services run as another user than the one that makes the root.
fn open_to_all(path: &Path) -> Result<()> {
    use std::os::unix::fs::PermissionsExt;
    Ok(fs::set_permissions(
        path,
        fs::Permissions::from_mode(0o777),
    )?)
}
