//! The QEMU command line of an appliance: pure.

use std::path::{Path, PathBuf};

use bedplate_contract::layout::CONTROL_PORT;

use super::{
    link::{Link, UserNetwork},
    ports::Forward,
    switch::Cable,
};

/// The machine that is started.
#[derive(Debug, Clone)]
pub struct Machine {
    /// Raw disk, written by the guest; the first that it finds.
    pub disk: PathBuf,
    /// Files that the guest sees as further, read-only disks, in this order.
    pub attached: Vec<PathBuf>,
    /// Where the guest's writes to its disk are recorded, in the format of dm-log-writes.
    pub record: Option<PathBuf>,
    /// Writable copy of the firmware's variables.
    pub variables: PathBuf,
    /// Read-only firmware code.
    pub firmware: PathBuf,
    /// Unix socket that QEMU makes for the guest's control port.
    pub control: PathBuf,
    /// MiB.
    pub memory_mib: u64,
    /// Virtual CPUs.
    pub cpus: u32,
    /// Forwarded ports.
    pub forwards: Vec<Forward>,
    /// The network that they go through.
    pub network: UserNetwork,
    /// The switch of a linked machine.
    pub link: Option<Link>,
    /// How instructions are run.
    pub accelerator: Accelerator,
}

/// How instructions are run.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Accelerator {
    /// QEMU's own translator; works everywhere.
    Tcg,
    /// The host kernel's; may open and still hang, so it is believed only once a guest has spoken.
    Kvm,
}

/// Arguments for `qemu-system-x86_64`.
///
/// Serial port on stdio, no display, no default devices. `-no-reboot` is left out: a reboot is part
/// of what an appliance does, and a watchdog that nobody feeds any more makes one.
pub fn arguments(machine: &Machine) -> Vec<String> {
    let mut words = Vec::new();
    let mut option = |name: &str, value: String| words.extend([name.to_owned(), value]);
    option("-machine", "q35,smm=off".into());
    option("-accel", accelerator(machine.accelerator).into());
    option("-cpu", cpu(machine.accelerator).into());
    option("-smp", machine.cpus.to_string());
    option("-m", format!("{}M", machine.memory_mib));
    option("-drive", flash(&machine.firmware, ",readonly=on"));
    option("-drive", flash(&machine.variables, ""));
    for node in disk(machine) {
        option("-blockdev", node);
    }
    option("-device", root_disk(machine));
    for (index, path) in machine.attached.iter().enumerate() {
        let name = format!("attached-{index}");
        option("-blockdev", raw(&name, path, ",read-only=on"));
        // After the root disk, so that the guest counts them after it.
        option("-device", format!("virtio-blk-pci,drive={name}"));
    }
    option("-device", "i6300esb".into());
    option("-action", "watchdog=reset".into());
    for netdev in netdevs(machine) {
        option("-netdev", netdev);
    }
    option("-device", card(machine));
    option("-device", "virtio-rng-pci".into());
    option("-device", "virtio-serial-pci".into());
    option(
        "-chardev",
        format!(
            "socket,id=control,server=on,wait=off,path={}",
            file(&machine.control)
        ),
    );
    option(
        "-device",
        format!("virtserialport,chardev=control,name={CONTROL_PORT}"),
    );
    option("-serial", "stdio".into());
    option("-display", "none".into());
    option("-monitor", "none".into());
    words.extend(["-nodefaults".to_owned(), "-no-user-config".to_owned()]);
    words
}

fn accelerator(accelerator: Accelerator) -> &'static str {
    match accelerator {
        Accelerator::Tcg => "tcg,thread=multi",
        Accelerator::Kvm => "kvm",
    }
}

fn cpu(accelerator: Accelerator) -> &'static str {
    match accelerator {
        Accelerator::Tcg => "max",
        Accelerator::Kvm => "host",
    }
}

/// The node `disk`, after those that it stands on.
///
/// With a record, every write goes to the disk and, in its order, to the record (QEMU,
/// block/blklogwrites.c; kernel, Documentation/admin-guide/device-mapper/log-writes.rst).
fn disk(machine: &Machine) -> Vec<String> {
    let Some(record) = &machine.record else {
        return vec![raw("disk", &machine.disk, "")];
    };
    vec![
        raw("recorded", &machine.disk, ""),
        format!("driver=file,node-name=record,filename={}", file(record)),
        "driver=blklogwrites,node-name=disk,file=recorded,log=record,log-append=off,\
         log-sector-size=512"
            .to_owned(),
    ]
}

/// The device that the guest boots from.
///
/// The record takes two of the 1024 pieces that one write may have, and a write that does not fit
/// fails in the guest; so requests stay as the guest makes them, of 254 pieces at most.
fn root_disk(machine: &Machine) -> String {
    let unmerged = match machine.record {
        Some(_) => ",request-merging=off",
        None => "",
    };
    format!("virtio-blk-pci,drive=disk,bootindex=0{unmerged}")
}

fn raw(name: &str, path: &Path, more: &str) -> String {
    let path = file(path);
    format!("driver=raw,node-name={name}{more},file.driver=file,file.filename={path}")
}

fn flash(path: &Path, more: &str) -> String {
    format!(
        "if=pflash,unit={},format=raw,file={}{more}",
        u8::from(more.is_empty()),
        file(path)
    )
}

/// A path as the value of an option: commas are doubled (qemu(1), "-blockdev").
fn file(path: &Path) -> String {
    path.display().to_string().replace(',', ",,")
}

/// What the card `net` is on: the user network, or the switch, which the user network is on too. The
/// hub joins two networks of QEMU as a cable does.
fn netdevs(machine: &Machine) -> Vec<String> {
    let Some(link) = &machine.link else {
        return vec![user("net", machine)];
    };
    vec![
        dgram("net", &link.card),
        user("user", machine),
        dgram("switch", &link.user),
        "hubport,id=hub-user,hubid=0,netdev=user".to_owned(),
        "hubport,id=hub-switch,hubid=0,netdev=switch".to_owned(),
    ]
}

fn dgram(id: &str, cable: &Cable) -> String {
    let (own, other) = (file(&cable.own), file(&cable.other));
    format!("dgram,id={id},local.type=unix,local.path={own},remote.type=unix,remote.path={other}")
}

fn user(id: &str, machine: &Machine) -> String {
    let forwards = machine
        .forwards
        .iter()
        .map(|f| format!(",hostfwd=tcp:127.0.0.1:{}-:{}", f.host, f.guest));
    std::iter::once(format!("user,id={id}{}", addresses(machine)))
        .chain(forwards)
        .collect()
}

/// Without DHCP the first address that it would hand out is where forwarded ports go.
fn addresses(machine: &Machine) -> String {
    match machine.network {
        UserNetwork::Dhcp => String::new(),
        UserNetwork::Fixed {
            network,
            prefix,
            machine,
            host,
            nameserver,
        } => format!(
            ",ipv6=off,net={network}/{prefix},host={host},dhcpstart={machine},dns={nameserver}"
        ),
    }
}

fn card(machine: &Machine) -> String {
    let mac = machine.link.as_ref().map(|link| link.side.mac());
    let mac = mac.map_or_else(String::new, |mac| format!(",mac={mac}"));
    format!("virtio-net-pci,netdev=net,romfile={mac}")
}

#[cfg(test)]
mod tests {
    use super::{super::link::Side, *};

    fn machine() -> Machine {
        Machine {
            disk: "/a,b/disk.raw".into(),
            attached: Vec::new(),
            record: None,
            variables: "/v".into(),
            firmware: "/f".into(),
            control: "/c".into(),
            memory_mib: 1024,
            cpus: 2,
            forwards: vec![Forward {
                host: 8080,
                guest: 80,
            }],
            network: UserNetwork::Dhcp,
            link: None,
            accelerator: Accelerator::Tcg,
        }
    }

    #[test]
    fn the_machine_is_spelled_out() {
        let line = arguments(&machine()).join(" ");
        for part in [
            "-accel tcg,thread=multi -cpu max -smp 2 -m 1024M",
            "if=pflash,unit=0,format=raw,file=/f,readonly=on",
            "if=pflash,unit=1,format=raw,file=/v ",
            "-blockdev driver=raw,node-name=disk,file.driver=file,file.filename=/a,,b/disk.raw ",
            "-device i6300esb -action watchdog=reset",
            "user,id=net,hostfwd=tcp:127.0.0.1:8080-:80",
            "virtserialport,chardev=control,name=bedplate.control",
        ] {
            assert!(line.contains(part), "{part} is not in {line}");
        }
    }

    #[test]
    fn a_record_stands_between_guest_and_disk() {
        let machine = Machine {
            record: Some("/r".into()),
            ..machine()
        };
        let line = arguments(&machine).join(" ");
        for part in [
            "driver=raw,node-name=recorded,file.driver=file,file.filename=/a,,b/disk.raw",
            "driver=file,node-name=record,filename=/r",
            "driver=blklogwrites,node-name=disk,file=recorded,log=record,",
            "virtio-blk-pci,drive=disk,bootindex=0,request-merging=off",
        ] {
            assert!(line.contains(part), "{part} is not in {line}");
        }
    }

    fn cable(name: &str) -> Cable {
        Cable {
            own: format!("/s/{name}-of-qemu").into(),
            other: format!("/s/{name}").into(),
        }
    }

    #[test]
    fn a_linked_machine_is_on_a_switch() {
        let machine = Machine {
            network: UserNetwork::Fixed {
                network: [192, 0, 2, 0].into(),
                prefix: 24,
                machine: [192, 0, 2, 7].into(),
                host: [192, 0, 2, 252].into(),
                nameserver: [192, 0, 2, 251].into(),
            },
            link: Some(Link {
                card: cable("card"),
                user: cable("user"),
                side: Side::B,
            }),
            ..machine()
        };
        let line = arguments(&machine).join(" ");
        for part in [
            "user,id=user,ipv6=off,net=192.0.2.0/24,host=192.0.2.252,dhcpstart=192.0.2.7,dns=192.0.2.251,\
             hostfwd=tcp:127.0.0.1:8080-:80",
            "dgram,id=net,local.type=unix,local.path=/s/card-of-qemu,remote.type=unix,remote.path=/s/card ",
            "dgram,id=switch,local.type=unix,local.path=/s/user-of-qemu,remote.type=unix,remote.path=/s/user ",
            "hubport,id=hub-switch,hubid=0,netdev=switch",
            "virtio-net-pci,netdev=net,romfile=,mac=52:54:00:12:34:57",
        ] {
            assert!(line.contains(part), "{part} is not in {line}");
        }
    }

    #[test]
    fn attached_files_follow_the_disk() {
        let machine = Machine {
            attached: vec!["/one".into(), "/two".into()],
            ..machine()
        };
        let line = arguments(&machine).join(" ");
        let drives: Vec<_> = line.split("virtio-blk-pci,drive=").skip(1).collect();
        let expected = ["disk,", "attached-0 ", "attached-1 "];
        assert_eq!(drives.len(), expected.len());
        assert!(
            drives.iter().zip(expected).all(|(d, e)| d.starts_with(e)),
            "{line}"
        );
        assert!(
            line.contains("node-name=attached-1,read-only=on,file.driver=file,file.filename=/two")
        );
    }
}
