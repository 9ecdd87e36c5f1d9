//! Bundles that are refused before a byte is written, all on one boot of one machine.

use std::path::Path;

use anyhow::{Context, Result, ensure};
use bedplate_contract::{
    bundle::BundleManifest,
    control::{Reply, Request, UpgradeStep},
};
use bedplate_tests::{
    disk, esp,
    release::{self, BETTER, Keys, forge::Forge},
};

use crate::scene::{Scene, refuses};

/// A bundle that is signed, and should not be taken all the same.
struct Case {
    /// Name.
    name: &'static str,
    /// What is wrong with it.
    wrong: fn(&mut BundleManifest),
    /// What the refusal must say.
    says: &'static [&'static str],
}

const SIGNED: [Case; 8] = [
    Case {
        name: "expired",
        wrong: |manifest| manifest.expires = Some("2020-01-01T00:00:00Z".to_owned()),
        says: &["expired", "2020-01-01T00:00:00Z"],
    },
    Case {
        name: "older",
        wrong: |manifest| manifest.version = "0.9.0".to_owned(),
        says: &["0.9.0", "1.0.0"],
    },
    Case {
        name: "the-same",
        wrong: |manifest| manifest.version = "1.0.0".to_owned(),
        says: &["1.0.0"],
    },
    Case {
        name: "from-later",
        wrong: |manifest| manifest.minimum_version = Some("1.0.0.5".to_owned()),
        says: &["1.0.0.5", "1.0.0"],
    },
    Case {
        name: "another-profile",
        wrong: |manifest| manifest.profile = "recommended".to_owned(),
        says: &["recommended", "min"],
    },
    Case {
        name: "another-image",
        wrong: |manifest| manifest.name = "other".to_owned(),
        says: &["other", "lab"],
    },
    Case {
        name: "too-big-a-root",
        wrong: |manifest| manifest.root.image.size = 64 << 30,
        says: &["slot"],
    },
    Case {
        name: "too-big-a-uki",
        wrong: |manifest| manifest.uki.size = 2 << 30,
        says: &["ESP"],
    },
];

#[test]
fn what_should_not_be_taken_is_refused_with_its_words_and_nothing_is_written() -> Result<()> {
    let scene = Scene::new()?;
    let keys = release::keys()?;
    let both: [&Path; 2] = [&keys.first, &keys.second];
    let refused = Refused {
        before: disk::fingerprint(&scene.vm.disk())?,
        scene: &scene,
    };
    unsigned(&refused, keys)?;
    for case in &SIGNED {
        let mut forge = refused.forge(case.name)?;
        (case.wrong)(&mut forge.manifest);
        forge.sign(&both)?;
        refused.check(case.name, case.says)?;
    }
    // What is wrong with none of this is taken: the words above are about what they say.
    refused.forge("nothing-wrong")?.sign(&both)?;
    let url = scene.shelf.url("nothing-wrong");
    let taken = scene.machine.upgrade(&url, UpgradeStep::Stage, false)?;
    ensure!(taken == Reply::Done, "{taken:?}");
    let entries = esp::entries(&scene.vm.disk())?;
    ensure!(
        entries == ["lab_1.0.0.efi", "lab_1.0.1+3.efi"],
        "{entries:?}"
    );
    cancel(&scene)?;
    scene.machine.power_off()
}

fn unsigned(refused: &Refused<'_>, keys: &Keys) -> Result<()> {
    refused.forge("unsealed")?.open()?;
    refused.check("unsealed", &["sign"])?;
    let untrusted = "not trusted here";
    let cases: [(&str, &[&Path], &str); 4] = [
        ("unsigned", &[], "it is not signed"),
        ("by-a-stranger", &[&keys.stranger], untrusted),
        (
            "by-one-of-two",
            &[&keys.first],
            "expected good signatures by 2 trusted keys, found 1",
        ),
        (
            "by-one-twice",
            &[&keys.first, &keys.first],
            "by 2 trusted keys, found 1",
        ),
    ];
    for (name, signers, says) in cases {
        refused.forge(name)?.sign(signers)?;
        refused.check(name, &[says])?;
    }
    Ok(())
}

fn cancel(scene: &Scene) -> Result<()> {
    let cancelled = scene.machine.ask(&Request::Upgrade {
        source: None,
        step: UpgradeStep::Cancel,
        force: false,
    })?;
    ensure!(cancelled == Reply::Done, "{cancelled:?}");
    let entries = esp::entries(&scene.vm.disk())?;
    ensure!(
        entries == ["lab_1.0.0.efi"],
        "the entry is taken back: {entries:?}"
    );
    Ok(())
}

struct Refused<'a> {
    scene: &'a Scene,
    before: Vec<(String, String)>,
}

impl Refused<'_> {
    /// A bundle like that of the better version, to be changed.
    fn forge(&self, name: &str) -> Result<Forge> {
        let good = release::lab(BETTER)?.bundle();
        Forge::new(&good, &self.scene.shelf.path(name))
    }

    /// The machine must refuse the bundle, with these words, and write nothing.
    fn check(&self, name: &str, says: &[&str]) -> Result<()> {
        let url = self.scene.shelf.url(name);
        let reply = self.scene.machine.upgrade(&url, UpgradeStep::All, false)?;
        refuses(&reply, says).with_context(|| format!("the bundle `{name}`"))?;
        println!("{name}: {reply:?}");
        let after = disk::fingerprint(&self.scene.vm.disk())?;
        ensure!(after == self.before, "`{name}` has written: {after:#?}");
        Ok(())
    }
}
