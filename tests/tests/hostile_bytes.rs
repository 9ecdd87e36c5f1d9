//! Every parser of outside bytes against random bytes and against documents that were damaged.
//!
//! What must hold is in `bedplate_tests::hostile`, one function per parser. The same functions are
//! fuzzed by `tests/fuzz`.

use bedplate_contract::{
    BundleManifest, Digest, EntryName, SchemaVersion,
    backup::{Manifest, archive_name},
    bundle::{self, Content, RootContent, annotation},
    control::BootReport,
    event::{Event, name},
    frames,
    meta::{self, BootRecord, Frame, Outcome},
    signature::{Envelope, Signature},
    utc::Time,
    verity::Superblock,
};
use bedplate_tests::hostile;
use proptest::{
    prelude::*,
    sample::Index,
    test_runner::{Config, TestRunner},
};

/// Bytes tried per parser: all parsers together take seconds.
const CASES: u32 = 400;
/// The same where each case needs files.
const CASES_WITH_FILES: u32 = 100;

/// Random bytes, a document cut short, one with bytes replaced, two joined in the middle.
fn damaged(documents: &[Vec<u8>]) -> impl Strategy<Value = Vec<u8>> + use<> {
    let document = || prop::sample::select(documents.to_vec());
    let change = (any::<Index>(), any::<u8>());
    prop_oneof![
        prop::collection::vec(any::<u8>(), 0..600),
        (document(), any::<Index>()).prop_map(|(mut bytes, at)| {
            bytes.truncate(at.index(bytes.len().max(1)));
            bytes
        }),
        (document(), prop::collection::vec(change, 1..6)).prop_map(|(mut bytes, changes)| {
            for (at, value) in changes {
                let at = at.index(bytes.len().max(1));
                bytes
                    .iter_mut()
                    .skip(at)
                    .take(1)
                    .for_each(|byte| *byte = value);
            }
            bytes
        }),
        (document(), document(), any::<[Index; 2]>()).prop_map(|(head, tail, [end, start])| {
            let end = end.index(head.len() + 1);
            let start = start.index(tail.len() + 1);
            [&head[..end], &tail[start..]].concat()
        }),
    ]
}

/// Checks that `parser` accepts each of `documents` and survives what becomes of them.
fn attack(parser: fn(&[u8]) -> bool, cases: u32, documents: &[Vec<u8>]) {
    for document in documents {
        assert!(parser(document), "{}", String::from_utf8_lossy(document));
    }
    let config = Config {
        cases,
        failure_persistence: None,
        ..Config::default()
    };
    let result = TestRunner::new(config).run(&damaged(documents), |bytes| {
        parser(&bytes);
        Ok(())
    });
    if let Err(error) = result {
        panic!("{error}");
    }
}

fn texts(texts: &[&str]) -> Vec<Vec<u8>> {
    texts.iter().map(|text| text.as_bytes().to_vec()).collect()
}

fn report() -> BootReport {
    BootReport {
        version: "1.0.0".to_owned(),
        entry: "hello_1.0.0+2-1.efi".to_owned(),
        root_hash: Digest::of(b"root").hex(),
        outcome: "gate-failed".to_owned(),
        reason: Some("web was not ready".to_owned()),
        ms: 120_000,
        services: vec![],
        phases: vec![],
    }
}

#[test]
fn events() {
    let log = Event::new(1, name::LOG)
        .with("name", "web")
        .with("text", "a \"b\"\u{1b}é");
    let ready = Event::new(61_002, name::SERVICE_READY)
        .with("ms", 812)
        .with("empty", "");
    let lines = [log, ready].map(|event| format!("[    1.0] {event}\r\n").into_bytes());
    attack(hostile::event, CASES, &lines);
}

#[test]
fn entry_names() {
    let fresh = EntryName::fresh("hello", "1.0.0~rc1");
    let names = [fresh.blessed(), fresh.bad(), fresh].map(|name| name.to_string().into_bytes());
    attack(hostile::entry_name, CASES, &names);
}

#[test]
fn digests() {
    attack(
        hostile::digest,
        CASES,
        &[Digest::of(b"a").to_string().into_bytes()],
    );
}

#[test]
fn fat_labels() {
    let mut sector = vec![0; 512];
    for (at, bytes) in [
        (66, &b"\x29\x12\x34\x56\x78BEDPLATE   FAT32   "[..]),
        (510, &[0x55, 0xaa]),
    ] {
        sector[at..at + bytes.len()].copy_from_slice(bytes);
    }
    attack(hostile::fat_label, CASES, &[sector]);
}

#[test]
fn secret_references() {
    let documents = texts(&[
        "requirepass ${secret:redis-password}\nmasterauth ${secret:redis-password}\n",
        "# $1 ${HOME}\n",
    ]);
    attack(hostile::secret_references, CASES, &documents);
}

#[test]
fn control_requests() {
    let requests = texts(&[
        r#"{"request":"status"}"#,
        r#"{"request":"logs","service":"web","lines":100}"#,
        r#"{"request":"restart","service":"w\u00e9b\n"}"#,
    ]);
    attack(hostile::control_request, CASES, &requests);
}

#[test]
fn control_replies() {
    let replies = texts(&[
        r#"{"reply":"done"}"#,
        r#"{"reply":"refused","reason":"found no service `x`"}"#,
        r#"{"reply":"logs","lines":["a","b"]}"#,
    ]);
    attack(hostile::control_reply, CASES, &replies);
}

#[test]
fn boot_records() -> Result<(), meta::MetaError> {
    let mut value = BootRecord::default();
    value.begin(Digest::of(b"a"));
    value.finish(Digest::of(b"a"), Outcome::Blessed);
    value.begin(Digest::of(b"b"));
    let payload = serde_json::to_vec(&value).map_err(|_| meta::MetaError::Json)?;
    let frame = meta::encode_record(&Frame {
        generation: 7,
        value,
    })?;
    attack(hostile::boot_record, CASES, &[frame, payload]);
    Ok(())
}

#[test]
fn boot_reports() -> Result<(), meta::MetaError> {
    let payload = serde_json::to_vec(&report()).map_err(|_| meta::MetaError::Json)?;
    let value = report();
    let mut frame = meta::encode_report(&Frame {
        generation: 7,
        value,
    })?;
    // The padding is not looked at; damage had better hit what is.
    frame.truncate(1024);
    attack(hostile::boot_report, CASES, &[frame, payload]);
    Ok(())
}

#[test]
fn verity_superblocks() {
    let superblock = Superblock {
        uuid: [7; 16],
        data_blocks: 129,
        salt: [0xab; 32],
    };
    attack(
        hostile::verity_superblock,
        CASES,
        &[superblock.encode().to_vec()],
    );
}

#[test]
fn appliances() {
    let documents = texts(&[include_str!("../hostile/appliance.json")]);
    attack(hostile::appliance, CASES, &documents);
}

#[test]
fn schedules() {
    let documents = texts(&["0 2 * * *", "*/15 1-5/2,23 1,15 jan-mar Sun", "@weekly"]);
    attack(hostile::cron, CASES, &documents);
}

#[test]
fn backup_manifests() {
    let time = Time::new(1_785_549_600);
    let manifest = Manifest {
        schema: SchemaVersion,
        backup: "database".to_owned(),
        archive: archive_name(time),
        image: "justnews".to_owned(),
        version: "4.0.0".to_owned(),
        time,
        content_bytes: 9,
        bytes: 20,
        sha256: Digest::of(b"archive"),
    };
    let documents = [manifest.encode().into_bytes()];
    attack(hostile::backup_manifest, CASES, &documents);
}

#[test]
fn gpu_reports() {
    let documents = texts(&[
        r#"{"error":"driver is not loaded"}"#,
        r#"{"driver_version":"550","cuda_version":null,"gpus":[{"index":0,"name":"a","uuid":null,
            "memory_total_mib":24576,"memory_used_mib":1,"temperature_c":40,
            "utilization_percent":null}]}"#,
    ]);
    attack(hostile::gpu_report, CASES, &documents);
}

#[test]
fn stanzas() {
    let documents = texts(&[
        include_str!("../hostile/Release"),
        "Package: a\nDescription: one\n two\n .\n\n# comment\nPackage: b\nSize:  1 \n",
    ]);
    attack(hostile::deb822, CASES, &documents);
}

#[test]
fn relations() {
    let fields = texts(&[
        "libc6 (>= 2.38), debconf (>= 0.5) | debconf-2.0, perl:any",
        "a (<< 1:2~rc1-3), b(=1)",
    ]);
    attack(hostile::relations, CASES, &fields);
}

#[test]
fn versions() {
    let lists = texts(&["1.0\n1.0~rc1\n1:0.9-2+b1", "2.36-9+deb12u1\n2.36\n0\n1_2"]);
    attack(hostile::versions, CASES, &lists);
}

#[test]
fn releases() {
    let documents = texts(&[include_str!("../hostile/Release")]);
    attack(hostile::release, CASES, &documents);
}

#[test]
fn apt_sources() {
    let documents = texts(&[
        include_str!("../hostile/debian.sources"),
        "deb [arch=amd64] http://mirror.example/debian trixie main\n",
    ]);
    attack(hostile::apt_sources, CASES_WITH_FILES, &documents);
}

#[test]
fn packages() -> std::io::Result<()> {
    attack(hostile::package, CASES_WITH_FILES, &[package()?]);
    Ok(())
}

/// A .deb without compression, so that damage reaches the tar inside.
fn package() -> std::io::Result<Vec<u8>> {
    let mut deb = b"!<arch>\n".to_vec();
    let control = tar(b"./control", b"Package: a\nVersion: 1\nArchitecture: all\n");
    let data = tar(b"./usr/share/a", b"content");
    for (name, content) in [
        ("debian-binary", b"2.0\n".to_vec()),
        ("control.tar", control),
        ("data.tar", data),
    ] {
        let size = content.len();
        deb.extend(format!("{name:<16}{:<32}{size:<10}`\n", "0").bytes());
        deb.extend(content);
    }
    Ok(deb)
}

/// A tar archive of one file (ustar, POSIX.1-1988).
fn tar(path: &[u8], content: &[u8]) -> Vec<u8> {
    let mut header = [0; 512];
    let size = format!("{:011o}", content.len());
    let fields: [(usize, &[u8]); 6] = [
        (0, path),
        (100, b"0000644"),
        (124, size.as_bytes()),
        (136, b"00000000000"),
        (148, b"        "),
        (156, b"0"),
    ];
    for (at, field) in fields {
        header[at..at + field.len()].copy_from_slice(field);
    }
    let sum: u32 = header.iter().map(|byte| u32::from(*byte)).sum();
    header[148..155].copy_from_slice(format!("{sum:06o}\0").as_bytes());
    let mut tar = header.to_vec();
    tar.extend(content);
    tar.resize(512 * 2, 0);
    tar.resize(512 * 4, 0);
    tar
}

#[test]
fn locks() {
    let documents = texts(&[include_str!("../hostile/bedplate.lock")]);
    attack(hostile::lock, CASES_WITH_FILES, &documents);
}

#[test]
fn definitions() {
    let documents = texts(&[include_str!("../definition/good/image.toml")]);
    attack(hostile::definition, CASES_WITH_FILES, &documents);
}

#[test]
fn dhcp_options() {
    let options: [&[u8]; 2] = [
        &[
            54, 4, 10, 0, 2, 2, 51, 4, 0, 0, 14, 16, 1, 4, 255, 255, 255, 0, 3, 4, 10, 0, 2, 2, 255,
        ],
        &[
            51, 4, 255, 255, 255, 255, 26, 2, 5, 220, 6, 8, 10, 0, 2, 3, 10, 0, 2, 4, 255,
        ],
    ];
    attack(hostile::dhcp, CASES, &options.map(<[u8]>::to_vec));
}

#[test]
fn sign_requests() {
    let documents = texts(&[include_str!("../hostile/sign-request.json")]);
    attack(hostile::sign_request, CASES, &documents);
}

#[test]
fn answers() {
    let documents = texts(&[include_str!("../hostile/answer.json")]);
    attack(hostile::answer, CASES, &documents);
}

#[test]
fn cosign_payloads() {
    let digest = Digest::of(b"manifest");
    let payload = format!(
        r#"{{"critical":{{"identity":{{"docker-reference":"lab"}},"image":
            {{"docker-manifest-digest":"{digest}"}},"type":"cosign container image signature"}},
            "optional":null}}"#
    );
    attack(hostile::cosign_payload, CASES, &[payload.into_bytes()]);
}

/// A layout of one blob as a tar.
#[test]
fn published_files() {
    let digest = Digest::of(b"blob");
    let index = format!(
        r#"{{"schemaVersion":2,"manifests":[{{"mediaType":"m","digest":"{digest}","size":4}}]}}"#
    );
    let blob = format!("blobs/sha256/{}", digest.hex());
    let end = |tar: Vec<u8>| tar[..1024].to_vec();
    let file = [
        end(tar(b"index.json", index.as_bytes())),
        tar(blob.as_bytes(), b"blob"),
    ];
    attack(hostile::published_file, CASES_WITH_FILES, &[file.concat()]);
}

#[test]
fn archive_members() {
    let layout = [
        tar(b"./index.json", b"{}"),
        tar(b"blobs/sha256/ab", b"blob"),
    ];
    // The first without its closing blocks, so that the second belongs to it.
    let whole = [&layout[0][..1024], &layout[1]].concat();
    attack(hostile::archive_members, CASES, &[whole]);
}

fn content(byte: u8, size: u64) -> Content {
    let digest = Digest::from_bytes([byte; 32]);
    Content { digest, size }
}

fn bundle_manifest() -> BundleManifest {
    BundleManifest {
        schema: SchemaVersion,
        name: "lab".to_owned(),
        version: "1.0.1".to_owned(),
        profile: "min".to_owned(),
        minimum_version: Some("1.0.0".to_owned()),
        expires: Some("2027-06-30T00:00:00Z".to_owned()),
        root_hash: Digest::of(b"root"),
        root: RootContent {
            image: content(1, 4096),
            frames: content(2, 100),
            index: content(3, 84),
        },
        verity: content(4, 8192),
        uki: content(5, 10),
    }
}

#[test]
fn bundle_manifests() {
    attack(
        hostile::bundle_manifest,
        CASES,
        &[bundle_manifest().encode()],
    );
}

#[test]
fn envelopes() {
    let mut envelope = Envelope::new(bundle::MANIFEST, &bundle_manifest().encode());
    let unsigned = envelope.encode();
    envelope.signatures.push(Signature {
        keyid: Digest::of(b"key").hex(),
        sig: "AAAA".to_owned(),
    });
    attack(hostile::envelope, CASES, &[unsigned, envelope.encode()]);
}

#[test]
fn layout_indexes() {
    let descriptor = |kind: &str, version: &str| {
        format!(
            r#"{{"mediaType":"m","artifactType":"{kind}","digest":"{}","size":9,"annotations":
            {{"{}":"lab","{}":"{version}","{}":"min"}}}}"#,
            Digest::of(version.as_bytes()),
            annotation::NAME,
            annotation::VERSION,
            annotation::PROFILE
        )
    };
    let descriptors = [
        descriptor(bundle::ARTIFACT, "1.0.1"),
        descriptor(bundle::ENVELOPE_ARTIFACT, "1.0.1"),
        descriptor(bundle::ARTIFACT, "1.0.2"),
    ];
    let index = format!(r#"{{"manifests":[{}]}}"#, descriptors.join(","));
    attack(hostile::layout_index, CASES, &texts(&[&index]));
}

#[test]
fn envelope_manifests() {
    let kind = bundle::ENVELOPE_ARTIFACT;
    let digest = Digest::of(b"envelope");
    let manifest = format!(
        r#"{{"artifactType":"{kind}","layers":[{{"mediaType":"{kind}","digest":"{digest}","size":9}}]}}"#
    );
    attack(hostile::envelope_manifest, CASES, &texts(&[&manifest]));
}

#[test]
fn frame_indexes() {
    let frame = frames::Frame {
        compressed_size: 100,
        compressed: Digest::of(b"compressed"),
        piece: Digest::of(b"piece"),
    };
    let indexes = [1, 3].map(|count| frames::Index::new(vec![frame; count]).encode());
    attack(hostile::frame_index, CASES, &indexes);
}

/// Replies to the question for `host.example` (RFC 1035, 4.1): an address, and one behind an alias.
#[test]
fn name_replies() {
    let reply = |answers: u8, records: &[u8]| {
        let head = [0, 7, 0x81, 0x80, 0, 1, 0, answers, 0, 0, 0, 0];
        let question = b"\x04host\x07example\0\0\x01\0\x01";
        [&head[..], question, records].concat()
    };
    let address = b"\xc0\x0c\0\x01\0\x01\0\0\0\x09\0\x04\x0a\0\0\x01";
    let alias = b"\xc0\x0c\0\x05\0\x01\0\0\0\x09\0\x08\x05other\xc0\x11";
    let target = b"\xc0\x2a\0\x01\0\x01\0\0\0\x09\0\x04\x0a\0\0\x02";
    let behind = [&alias[..], target].concat();
    attack(
        hostile::name_reply,
        CASES,
        &[reply(1, address), reply(2, &behind)],
    );
}

#[test]
fn images_of_registries() {
    let digest = Digest::of(b"x");
    let reference = format!("localhost:5000/a/b:1.0@{digest}");
    let references = texts(&["grafana/grafana:12.0.2", &reference]);
    attack(hostile::image_reference, CASES, &references);
    let blob = format!(
        r#"{{"mediaType":"application/vnd.oci.image.layer.v1.tar","digest":"{digest}","size":7}}"#
    );
    let manifest = format!(r#"{{"schemaVersion":2,"config":{blob},"layers":[{blob},{blob}]}}"#);
    let platform = r#""platform":{"os":"linux","architecture":"amd64"}}"#;
    let entry = blob.replace("}", &format!(",{platform}"));
    let index = format!(r#"{{"schemaVersion":2,"manifests":[{entry}]}}"#);
    attack(hostile::image_document, CASES, &texts(&[&manifest, &index]));
    let config = format!(
        r#"{{"os":"linux","architecture":"amd64","config":{{"Env":["A=b"],"Cmd":["/x"],"WorkingDir":"/w"}},"rootfs":{{"diff_ids":["{digest}"]}}}}"#
    );
    attack(hostile::image_config, CASES, &texts(&[&config]));
    let challenge = r#"Bearer realm="https://a.test/t",service="r",scope="repository:a/b:pull""#;
    attack(
        hostile::challenge,
        CASES,
        &texts(&[challenge, "Basic realm=x"]),
    );
    let kept = r#"{"auths":{"r.test":{"auth":"dXNlcjpwYXNz"}}}"#;
    attack(hostile::credentials, CASES, &texts(&[kept]));
}

#[test]
fn image_layers() {
    let mut archive = tar::Builder::new(Vec::new());
    for (kind, name, target) in [
        (tar::EntryType::Directory, "a/", ""),
        (tar::EntryType::Regular, "a/x", ""),
        (tar::EntryType::Link, "h", "a/x"),
        (tar::EntryType::Symlink, "s", "a"),
        (tar::EntryType::Regular, "s/.wh.x", ""),
    ] {
        let mut header = tar::Header::new_gnu();
        header.set_entry_type(kind);
        header.set_mode(0o755);
        header.set_uid(rustix::process::getuid().as_raw().into());
        header.set_gid(rustix::process::getgid().as_raw().into());
        header.set_mtime(0);
        header.set_size(0);
        let appended = match target {
            "" => archive.append_data(&mut header, name, std::io::empty()),
            target => archive.append_link(&mut header, name, target),
        };
        appended.unwrap();
    }
    let layer = archive.into_inner().unwrap();
    attack(hostile::image_layer, CASES_WITH_FILES, &[layer]);
}

#[test]
fn python_wheels() {
    attack(
        hostile::python_wheel,
        CASES,
        &[include_bytes!("../hostile/app-1.0-py3-none-any.whl").to_vec()],
    );
}
