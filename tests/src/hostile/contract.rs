//! Formats of `bedplate_contract`.

use bedplate_contract::{
    Appliance, Cron, Digest, EntryName,
    backup::Manifest,
    control,
    event::Event,
    fat, gpu,
    meta::{self, Frame},
    reference,
    verity::Superblock,
};
use sha2::{Digest as _, Sha256};

use super::round_trips;

/// A console line: an event that was read is one harmless line that reads as the same event.
pub fn event(bytes: &[u8]) -> bool {
    let text = String::from_utf8_lossy(bytes);
    let Some(event) = Event::parse(&text) else {
        return false;
    };
    let line = event.to_string();
    assert!(!line.contains(char::is_control), "{line:?}");
    round_trips(&event, Event::parse(&line).ok_or(&line));
    true
}

/// A name on the ESP: it has one spelling, stays in its directory, and its successors are names.
pub fn entry_name(bytes: &[u8]) -> bool {
    let text = String::from_utf8_lossy(bytes);
    let Ok(name) = text.parse::<EntryName>() else {
        return false;
    };
    assert_eq!(name.to_string(), text);
    assert!(!text.contains(['/', '\\', '\0']) && !text.starts_with("../"));
    for successor in [name.blessed(), name.bad()] {
        assert!(successor.same_entry(&name));
        round_trips(&successor, successor.to_string().parse());
    }
    true
}

/// A digest: it has one spelling.
pub fn digest(bytes: &[u8]) -> bool {
    let text = String::from_utf8_lossy(bytes);
    let read = text.parse::<Digest>();
    assert!(read.as_ref().is_ok_and(|digest| digest.to_string() == text) || read.is_err());
    read.is_ok()
}

/// A line on the control socket, which strangers may write: it reads again as the same request.
pub fn control_request(bytes: &[u8]) -> bool {
    let Ok(request) = serde_json::from_slice::<control::Request>(bytes) else {
        return false;
    };
    let again = serde_json::to_vec(&request).and_then(|bytes| serde_json::from_slice(&bytes));
    round_trips(&request, again);
    true
}

/// A line that `bedplatectl` gets: it reads again as the same reply.
pub fn control_reply(bytes: &[u8]) -> bool {
    let Ok(reply) = serde_json::from_slice::<control::Reply>(bytes) else {
        return false;
    };
    let again = serde_json::to_vec(&reply).and_then(|bytes| serde_json::from_slice(&bytes));
    round_trips(&reply, again);
    true
}

/// A copy of the boot record, as it lies on the disk and as the payload of a frame that is whole:
/// a whole one beats anything of an older generation and is written as what reads the same.
pub fn boot_record(bytes: &[u8]) -> bool {
    let sealed = seal(b"BdpMeta1", bytes);
    let found = [bytes, &sealed].map(|copy| {
        let frame = meta::newest_record([copy, &[]])?;
        assert_eq!(meta::newest_record([&[], copy]).as_ref(), Some(&frame));
        // A record that is larger than ours may be read; it is never written.
        if let Ok(written) = meta::encode_record(&frame) {
            round_trips(&frame, meta::newest_record([&written, &[]]).ok_or("torn"));
        }
        Some(frame.generation)
    });
    found.iter().any(Option::is_some)
}

/// A report slot, like [`boot_record`].
pub fn boot_report(bytes: &[u8]) -> bool {
    let sealed = seal(b"BdpRept1", bytes);
    let found = [bytes, &sealed].map(|slot| {
        let frame: Frame<control::BootReport> = meta::decode_report(slot)?;
        if let Ok(written) = meta::encode_report(&frame) {
            round_trips(&frame, meta::decode_report(&written).ok_or("torn"));
        }
        Some(frame.generation)
    });
    found.iter().any(Option::is_some)
}

/// A whole frame around `payload`, so that the checksum does not shield what lies behind it.
/// Written out here and not by the contract: the bytes on disk must never change.
fn seal(magic: &[u8; 8], payload: &[u8]) -> Vec<u8> {
    let length = u32::try_from(payload.len()).unwrap_or(u32::MAX);
    let mut frame = magic.to_vec();
    frame.extend(1u64.to_le_bytes());
    frame.extend(length.to_le_bytes());
    frame.extend(
        Sha256::new()
            .chain_update(&frame)
            .chain_update(payload)
            .finalize(),
    );
    frame.extend(payload);
    frame
}

/// Block 0 of a hash partition: what was read is written as bytes that read the same, and the
/// device it promises has a length that fits.
pub fn verity_superblock(bytes: &[u8]) -> bool {
    let Ok(superblock) = Superblock::parse(bytes) else {
        return false;
    };
    assert_eq!(superblock.sectors() / 8, superblock.data_blocks);
    round_trips(&superblock, Superblock::parse(&superblock.encode()));
    true
}

/// The document that tells init everything: it reads again as the same.
pub fn appliance(bytes: &[u8]) -> bool {
    let text = String::from_utf8_lossy(bytes);
    let Ok(appliance) = Appliance::parse(&text) else {
        return false;
    };
    round_trips(&appliance, Appliance::parse(&appliance.encode()));
    true
}

/// A schedule: it reads again as the same, and its next time is later than any.
pub fn cron(bytes: &[u8]) -> bool {
    let text = String::from_utf8_lossy(bytes);
    let Ok(cron) = text.parse::<Cron>() else {
        return false;
    };
    round_trips(&cron, cron.to_string().parse());
    for now in [0, 1_785_549_600, u64::from(u32::MAX)] {
        let next = cron.next_after(now).unwrap_or_default();
        assert!(next > now && next % 60 == 0, "{cron} after {now}: {next}");
    }
    true
}

/// The manifest beside an archive, which lies where its user may write: it reads again as the same,
/// and names a file beside it.
pub fn backup_manifest(bytes: &[u8]) -> bool {
    let Ok(manifest) = Manifest::parse(bytes) else {
        return false;
    };
    assert!(manifest.archive.bytes().all(|b| b.is_ascii_alphanumeric()));
    round_trips(&manifest, Manifest::parse(manifest.encode().as_bytes()));
    true
}

/// What `gpu-probe` printed before it was killed, perhaps.
pub fn gpu_report(bytes: &[u8]) -> bool {
    let text = String::from_utf8_lossy(bytes);
    let Ok(report) = gpu::Report::parse(&text) else {
        return false;
    };
    let again = report.encode().and_then(|text| gpu::Report::parse(&text));
    round_trips(&report, again);
    true
}

/// The first sector of a disk that somebody plugged in: a label fits its field.
pub fn fat_label(bytes: &[u8]) -> bool {
    let Some(label) = fat::label(bytes) else {
        return false;
    };
    assert!(label.len() <= 11 && label.is_ascii(), "{label:?}");
    true
}

/// A text with secrets to be put in: its pieces are the text, and none of its names reaches beyond a
/// line.
pub fn secret_references(bytes: &[u8]) -> bool {
    let text = String::from_utf8_lossy(bytes);
    let Ok(pieces) = reference::pieces(&text) else {
        assert_eq!(reference::names(&text).count(), 0);
        return false;
    };
    let whole: String = pieces.iter().map(ToString::to_string).collect();
    assert_eq!(whole, text);
    assert!(reference::names(&text).all(|name| !name.contains(['}', '\n'])));
    true
}
