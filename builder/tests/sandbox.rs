//! Tools run where their own `/usr` is `/usr`, and isolated roots see nothing of the host.

#[path = "support/skip.rs"]
mod skip;

use std::path::Path;

use bedplate::tool::Tool;
use bedplate_sys::sandbox::{Isolation, MountFlags, Sandbox};

/// A sandbox of the host's own programs: `None`, said aloud, where namespaces are not allowed.
fn host_programs(mount_point: &Path, isolation: Isolation) -> Option<Sandbox> {
    if !rustix::process::geteuid().is_root() {
        skip::skip("needs root for namespaces");
        return None;
    }
    let mut sandbox = Sandbox::in_tmpfs(mount_point, isolation).unwrap();
    for name in ["usr", "bin", "lib", "lib64"] {
        let path = Path::new("/").join(name);
        sandbox = match path.read_link() {
            Ok(text) => sandbox.link(&text, name).unwrap(),
            Err(_) => sandbox.directory(name).unwrap().bind(&path, name).unwrap(),
        };
    }
    Some(sandbox.directory("proc").unwrap().proc("proc").unwrap())
}

#[test]
fn a_full_sandbox_has_its_own_processes_and_no_network() {
    let directory = tempfile::tempdir().unwrap();
    let Some(sandbox) = host_programs(directory.path(), Isolation::Full) else {
        return;
    };
    let script = "echo $$; ls /; cat /proc/net/route | wc -l; cat /proc/sys/kernel/hostname";
    let output = Tool::sandboxed(sandbox, "/bin/sh")
        .args(["-c", script])
        .env("PATH", "/usr/bin:/bin")
        .run()
        .unwrap();
    let text = String::from_utf8(output.stdout).unwrap();
    assert_eq!(text, "1\nbin\nlib\nlib64\nproc\nusr\n0\nlocalhost\n");
    assert_eq!(std::fs::read_dir(directory.path()).unwrap().count(), 0);
}

#[test]
fn a_program_may_listen_on_every_port_of_its_own_network() {
    let directory = tempfile::tempdir().unwrap();
    let Some(sandbox) = host_programs(directory.path(), Isolation::Full) else {
        return;
    };
    let null = Path::new("/dev/null");
    let sandbox = sandbox.directory("dev").unwrap().file("dev/null").unwrap();
    let sandbox = sandbox.bind(null, "dev/null").unwrap();
    // As `nginx -t` does with the ports of a configuration that it judges.
    let script = "use Socket; socket(S, PF_INET, SOCK_STREAM, 0); \
                  bind(S, sockaddr_in(80, INADDR_ANY)) or die $!";
    let perl = Tool::sandboxed(sandbox, "/usr/bin/perl").args(["-e", script]);
    perl.run().unwrap();
}

#[test]
fn the_status_crosses_the_process_namespace() {
    let directory = tempfile::tempdir().unwrap();
    let Some(sandbox) = host_programs(directory.path(), Isolation::Full) else {
        return;
    };
    let failed = Tool::sandboxed(sandbox, "/bin/sh")
        .args(["-c", "exit 7"])
        .run();
    assert!(failed.unwrap_err().to_string().contains("exit status: 7"));
}

#[test]
fn a_failed_step_is_named() {
    let directory = tempfile::tempdir().unwrap();
    let Some(sandbox) = host_programs(directory.path(), Isolation::Mounts) else {
        return;
    };
    let sandbox = sandbox.bind(Path::new("/no/such/path"), "usr").unwrap();
    let error = Tool::sandboxed(sandbox, "/bin/sh").run().unwrap_err();
    let cause = std::error::Error::source(&error).unwrap().to_string();
    assert!(
        cause.starts_with("cannot bind `/no/such/path` to"),
        "{cause}"
    );
}

#[test]
fn root_of_a_full_sandbox_is_nobody_outside() {
    let directory = tempfile::tempdir().unwrap();
    let Some(sandbox) = host_programs(directory.path(), Isolation::Full) else {
        return;
    };
    let sandbox = sandbox
        .directory("dev")
        .and_then(|sandbox| sandbox.restrict("usr", MountFlags::RDONLY))
        .unwrap();
    let tries = [
        "mknod /dev/vda b 254 0",
        "mknod /dev/mem c 1 1",
        "mount -t tmpfs none /dev",
        "mount -o remount,rw,bind /usr",
        "umount -l /usr",
        "hostname other",
        "ip link set lo up",
        "nsenter --target 1 --mount true",
        "dmesg",
        "chown 70000 /dev",
        "touch /usr/planted",
    ];
    let script: String = tries
        .iter()
        .map(|line| format!("if {line} >/dev/null 2>&1; then echo \"{line}\"; fi\n"))
        .collect();
    // What it may: owners below 65536, and those of files that it makes.
    let script = script.replace("/dev/null", "/dev/out")
        + "touch /dev/x && chown 800:65534 /dev/x && stat -c %u:%g /dev/x";
    let output = Tool::sandboxed(sandbox, "/bin/sh")
        .args(["-c", &script])
        .env("PATH", "/usr/sbin:/usr/bin:/bin")
        .run()
        .unwrap();
    assert_eq!(String::from_utf8_lossy(&output.stdout), "800:65534\n");
}
