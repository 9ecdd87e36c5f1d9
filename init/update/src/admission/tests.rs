//! Every reason for which a bundle is refused, with its words.

use super::*;
use crate::sample;

const DAY: u64 = 86_400;

fn facts() -> Facts {
    sample::facts()
}

/// What becomes of the sample bundle with these changes, signed by both keys.
fn verdict(
    change: impl FnOnce(&mut BundleManifest),
    facts: &Facts,
    quarantine: Quarantine,
) -> Result<BundleManifest, Refusal> {
    let mut manifest = sample::manifest();
    change(&mut manifest);
    let envelope = sample::envelope(&manifest, &[1, 2]);
    judge(Some(&envelope), &sample::trust(), facts, quarantine)
}

fn refused(change: impl FnOnce(&mut BundleManifest)) -> String {
    let refusal = verdict(change, &facts(), Quarantine::Holds).unwrap_err();
    refusal.to_string()
}

#[test]
fn a_good_bundle_is_taken() {
    let manifest = verdict(|_| {}, &facts(), Quarantine::Holds).unwrap();
    assert_eq!(manifest, sample::manifest());
    let last = |manifest: &mut BundleManifest| manifest.expires = Some(version::time(DAY + 1));
    assert!(verdict(last, &facts(), Quarantine::Holds).is_ok());
    let degraded = Facts {
        boot: BootState::Degraded,
        ..facts()
    };
    assert!(verdict(|_| {}, &degraded, Quarantine::Holds).is_ok());
}

#[test]
fn signatures_decide_first() {
    let trust = sample::trust();
    for (signers, expected) in [
        (Some(&[][..]), "it is not signed"),
        (None, "it is not signed"),
        (Some(&[3, 4]), "it is signed by "),
        (
            Some(&[1]),
            "expected good signatures by 2 trusted keys, found 1",
        ),
        (
            Some(&[1, 3]),
            "expected good signatures by 2 trusted keys, found 1",
        ),
    ] {
        let envelope = signers.map(|signers| sample::envelope(&sample::manifest(), signers));
        let refusal = judge(envelope.as_deref(), &trust, &facts(), Quarantine::Forced);
        let words = refusal.unwrap_err().to_string();
        assert!(words.starts_with(expected), "{words}");
    }
    let keyless = Trust::default();
    let refusal = judge(None, &keyless, &facts(), Quarantine::Holds).unwrap_err();
    assert!(refusal.to_string().contains("this image trusts no key"));
    for bytes in [&b"{}"[..], b"", &vec![b' '; signature::MAX_ENVELOPE + 1]] {
        let refusal = judge(Some(bytes), &trust, &facts(), Quarantine::Holds).unwrap_err();
        assert!(refusal.to_string().starts_with("expected a DSSE envelope"));
    }
}

#[test]
fn another_image_profile_or_version_is_refused_with_both() {
    type Change = fn(&mut BundleManifest);
    let cases: [(Change, &str); 8] = [
        (
            |m| m.name = "web".to_owned(),
            "it is for the image `web`; this machine runs `lab`",
        ),
        (
            |m| m.profile = "large".to_owned(),
            "it is for the profile `large`; this machine has `min`",
        ),
        (
            |m| m.version = "0.8".to_owned(),
            "its version 0.8 is older than 0.9, the oldest that this machine takes",
        ),
        (
            |m| m.version = "0.9.5".to_owned(),
            "its version 0.9.5 is older than the running 1.0.0; `bedplatectl rollback` goes back",
        ),
        (
            |m| m.version = "1.0.0".to_owned(),
            "its version 1.0.0 is the one that runs",
        ),
        (
            |m| m.minimum_version = Some("1.0.0.1".to_owned()),
            "it needs a machine that runs 1.0.0.1 or newer; this one runs 1.0.0",
        ),
        (
            |m| m.version = "2_+3".to_owned(),
            "its manifest says version \"2_+3\", which no builder writes",
        ),
        (
            |m| m.root.image.size = 5,
            "its manifest says a root image of 5 bytes, which no builder writes",
        ),
    ];
    for (change, expected) in cases {
        assert_eq!(refused(change), expected);
    }
}

#[test]
fn an_expired_bundle_is_refused_with_both_dates() {
    for expires in ["1970-01-02T00:00:00Z", "1970-01-01T00:00:00Z"] {
        assert_eq!(
            refused(|m| m.expires = Some(expires.to_owned())),
            format!("it expired at {expires}; the clock of this machine says 1970-01-02T00:00:00Z")
        );
    }
    let words = refused(|m| m.expires = Some("soon".to_owned()));
    assert!(words.starts_with("its expiry cannot be read: expected a time"));
}

#[test]
fn a_quarantined_version_is_refused_unless_forced() {
    let failed = Facts {
        quarantine: vec![Quarantined {
            root: sample::manifest().root_hash,
            version: "1.0.1".to_owned(),
        }],
        ..facts()
    };
    let refusal = verdict(|_| {}, &failed, Quarantine::Holds).unwrap_err();
    assert_eq!(
        refusal.to_string(),
        "version 1.0.1 failed on this machine and is in quarantine; `--force` takes it again"
    );
    assert!(verdict(|_| {}, &failed, Quarantine::Forced).is_ok());
    let other = |m: &mut BundleManifest| m.root_hash = Digest::of(b"other");
    assert!(verdict(other, &failed, Quarantine::Holds).is_ok());
}

#[test]
fn a_version_on_trial_keeps_the_other_slot() {
    for (boot, word) in [
        (BootState::Starting, "starting"),
        (BootState::Gating, "gating"),
        (BootState::Stopping, "stopping"),
    ] {
        let facts = Facts { boot, ..facts() };
        // Force is for quarantine alone.
        let refusal = verdict(|_| {}, &facts, Quarantine::Forced).unwrap_err();
        assert_eq!(refusal, Refusal::Unsettled(word));
    }
}

#[test]
fn the_blessed_slot_is_never_written() {
    let mut facts = facts();
    facts.boot = BootState::Degraded;
    facts.inactive.root_hash = Some(Digest::of(b"old"));
    assert!(verdict(|_| {}, &facts, Quarantine::Holds).is_ok());
    facts.blessed = facts.inactive.root_hash;
    let refusal = verdict(|_| {}, &facts, Quarantine::Forced).unwrap_err();
    assert_eq!(refusal, Refusal::Blessed("b"));
    // Nothing blessed and nothing there are not the same thing.
    (facts.blessed, facts.inactive.root_hash) = (None, None);
    assert!(verdict(|_| {}, &facts, Quarantine::Holds).is_ok());
}

#[test]
fn what_does_not_fit_is_refused_with_the_figures() {
    type Change = fn(&mut BundleManifest);
    let cases: [(Change, &str); 3] = [
        (
            |m| m.root.image.size = 8192,
            "its root image needs 8192 bytes, and slot b has 4096",
        ),
        (
            |m| m.verity.size = 8193,
            "its hash tree needs 8193 bytes, and slot b's verity partition has 8192",
        ),
        (
            |m| m.uki.size = u64::MAX,
            "its UKI needs 18446744073709551615 bytes, and the ESP has 1000",
        ),
    ];
    for (change, expected) in cases {
        assert_eq!(refused(change), expected);
    }
}
