//! The device nodes of NVIDIA GPUs, which their driver leaves to others to make, and who may use them.
//!
//! Source: NVIDIA Linux driver README, "How and when are the NVIDIA device files created?", and the
//! driver's `/proc/driver/nvidia/gpus/*/information`; proc(5), `/proc/devices`.

use std::{
    fs, io,
    path::{Path, PathBuf},
};

use bedplate_sys::file;

/// What the driver tells of its GPUs, below `/proc`.
const GPUS: &str = "driver/nvidia/gpus";
/// Character devices of the driver itself: this major number, and as minor that of the GPU.
const MAJOR: u32 = 195;
/// Minor number of the node by which all GPUs are controlled.
const CONTROL: u32 = 255;
/// The driver of unified memory, whose major number is given out by the kernel.
const UVM: &str = "nvidia-uvm";
/// Group of those that may work on a GPU: `video` of Debian's base-passwd.
pub const GROUP: u32 = 44;
/// Nobody else: a service that is given no GPU cannot take one.
const MODE: u32 = 0o660;

/// A node that could not be made.
#[derive(Debug, thiserror::Error)]
#[error("making the device node `{}`", path.display())]
pub struct GpuError {
    /// Path of the node.
    path: PathBuf,
    /// Cause.
    source: io::Error,
}

/// A character device.
#[derive(Debug, Clone, PartialEq, Eq)]
struct Node {
    name: String,
    major: u32,
    minor: u32,
}

/// Whether the driver runs, and has found a GPU.
pub fn is_there() -> bool {
    !nodes(Path::new("/proc")).is_empty()
}

/// Makes the nodes of this machine's GPUs in the directory `dev`, those that are not there.
///
/// # Errors
/// The first node that cannot be made; the others were tried.
pub fn make_nodes(dev: &Path) -> Result<(), GpuError> {
    make(&nodes(Path::new("/proc")), dev)
}

fn make(nodes: &[Node], directory: &Path) -> Result<(), GpuError> {
    let made = nodes.iter().map(|node| {
        let path = directory.join(&node.name);
        let made = file::make_character_device(&path, (node.major, node.minor), (GROUP, MODE));
        made.map_err(|source| GpuError { path, source })
    });
    made.fold(Ok(()), Result::and)
}

/// None without a GPU.
fn nodes(proc: &Path) -> Vec<Node> {
    let node = |name: String, major, minor| Node { name, major, minor };
    let minors = minors(&proc.join(GPUS));
    if minors.is_empty() {
        return Vec::new();
    }
    let gpus = minors
        .into_iter()
        .map(|minor| node(format!("nvidia{minor}"), MAJOR, minor));
    let uvm = uvm_major(proc).into_iter().flat_map(|major| {
        [
            node(UVM.to_owned(), major, 0),
            node(format!("{UVM}-tools"), major, 1),
        ]
    });
    let control = node("nvidiactl".to_owned(), MAJOR, CONTROL);
    [control].into_iter().chain(gpus).chain(uvm).collect()
}

/// `Device Minor:` of every GPU, sorted; a GPU that tells none is left out.
fn minors(gpus: &Path) -> Vec<u32> {
    let entries = fs::read_dir(gpus).into_iter().flatten().flatten();
    let minor = |entry: fs::DirEntry| {
        let text = fs::read_to_string(entry.path().join("information")).ok()?;
        let mut lines = text.lines();
        let value = lines.find_map(|line| line.strip_prefix("Device Minor:"))?;
        value.trim().parse().ok()
    };
    let mut minors: Vec<u32> = entries.filter_map(minor).collect();
    minors.sort_unstable();
    minors
}

fn uvm_major(proc: &Path) -> Option<u32> {
    let text = fs::read_to_string(proc.join("devices")).ok()?;
    let mut pairs = text.lines().filter_map(|line| line.trim().split_once(' '));
    let (major, _) = pairs.find(|(_, name)| *name == UVM)?;
    major.parse().ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn put(root: &Path, path: &str, text: &str) {
        let path = root.join(path);
        fs::create_dir_all(path.parent().unwrap()).unwrap();
        fs::write(path, text).unwrap();
    }

    /// A `/proc` of a driver with these minor numbers.
    fn proc(minors: &[&str], devices: &str) -> tempfile::TempDir {
        let root = tempfile::tempdir().unwrap();
        for (at, minor) in minors.iter().enumerate() {
            let path = format!("{GPUS}/0000:0{at}:00.0/information");
            let text =
                format!("Model: \t\t NVIDIA H100\nDevice Minor: \t {minor}\nGPU Excluded:\t No\n");
            put(root.path(), &path, &text);
        }
        put(root.path(), "devices", devices);
        root
    }

    fn shown(nodes: &[Node]) -> String {
        let each = nodes
            .iter()
            .map(|node| format!("{} {}:{}", node.name, node.major, node.minor));
        each.collect::<Vec<_>>().join(", ")
    }

    #[test]
    fn every_gpu_has_a_node_beside_those_of_the_driver() {
        let devices = "Character devices:\n  1 mem\n195 nvidia\n511 nvidia-uvm\n\nBlock devices:\n";
        for (minors, devices, expected) in [
            (
                &["1", "0"][..],
                devices,
                "nvidiactl 195:255, nvidia0 195:0, nvidia1 195:1, nvidia-uvm 511:0, \
                 nvidia-uvm-tools 511:1",
            ),
            (
                &["0", "N/A"],
                "195 nvidia\n",
                "nvidiactl 195:255, nvidia0 195:0",
            ),
            (&[], devices, ""),
            (&["N/A"], devices, ""),
        ] {
            let proc = proc(minors, devices);
            assert_eq!(shown(&nodes(proc.path())), expected);
        }
        assert_eq!(nodes(Path::new("/no/such/proc")), []);
    }

    #[test]
    fn a_node_that_cannot_be_made_is_named_and_costs_no_other() {
        let directory = tempfile::tempdir().unwrap();
        let name = |name: &str| Node {
            name: name.to_owned(),
            major: 1,
            minor: 3,
        };
        let nodes = [name("missing/node"), name("there")];
        // Something is there: that is no failure, and it stays.
        put(directory.path(), "there", "x");
        let error = make(&nodes, directory.path()).unwrap_err();
        assert!(error.to_string().contains("missing/node"), "{error}");
        assert!(make(&nodes[1..], directory.path()).is_ok());
        assert_eq!(fs::read(directory.path().join("there")).unwrap(), b"x");
    }
}
