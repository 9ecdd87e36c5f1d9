//! What the builder reads from archives, hosts and users.

use std::{
    fs,
    io::{self, Read},
    path::Path,
};

use bedplate::{
    definition::{self, Repository},
    layer::deb::Deb,
    resolve::{
        apt_sources, deb822,
        lock::Lock,
        relation::{self, Operator, Relation},
        release::Release,
    },
};

use super::round_trips;

/// Bytes of a package that are unpacked: a small file may hold terabytes of zeros.
const UNPACKED: u64 = 1 << 20;

/// Stanzas: what was read is written as text that reads the same.
pub fn deb822(bytes: &[u8]) -> bool {
    let text = String::from_utf8_lossy(bytes);
    let Ok(stanzas) = deb822::stanzas(&text) else {
        return false;
    };
    let stanza = |fields: &Vec<deb822::Field<'_>>| {
        let lines = fields.iter().map(|f| format!("{}: {}\n", f.name, f.value));
        lines.collect::<String>() + "\n"
    };
    let written: String = stanzas.iter().map(stanza).collect();
    round_trips(&stanzas, deb822::stanzas(&written));
    true
}

/// Relations of a package: each is written as text that reads the same.
pub fn relations(bytes: &[u8]) -> bool {
    let text = String::from_utf8_lossy(bytes);
    let _ = relation::parse_list(&text);
    let Ok(groups) = relation::parse_groups(&text) else {
        return false;
    };
    let group = |group: &Vec<Relation<'_>>| {
        let alternatives: Vec<_> = group.iter().map(spell).collect();
        alternatives.join(" | ")
    };
    let written: Vec<_> = groups.iter().map(group).collect();
    round_trips(&groups, relation::parse_groups(&written.join(", ")));
    true
}

fn spell(relation: &Relation<'_>) -> String {
    let qualifier = relation.qualifier.map(|name| format!(":{name}"));
    let constraint = relation.constraint.map(|(operator, version)| {
        let operator = match operator {
            Operator::Earlier => "<<",
            Operator::EarlierOrEqual => "<=",
            Operator::Equal => "=",
            Operator::LaterOrEqual => ">=",
            Operator::Later => ">>",
        };
        format!(" ({operator} {version})")
    });
    let (qualifier, constraint) = (
        qualifier.unwrap_or_default(),
        constraint.unwrap_or_default(),
    );
    format!("{}{qualifier}{constraint}", relation.name)
}

/// Versions, one per line: their order is one (reflexive, antisymmetric, transitive).
pub fn versions(bytes: &[u8]) -> bool {
    let text = String::from_utf8_lossy(bytes);
    let lines = text.lines().take(8);
    let versions: Vec<_> = lines
        .filter_map(|line| relation::parse_version(line).ok())
        .collect();
    for a in &versions {
        assert!(a.cmp(a).is_eq());
        for b in &versions {
            assert_eq!(a.cmp(b), b.cmp(a).reverse(), "{a} and {b}");
            for c in &versions {
                let chain = a <= b && b <= c;
                assert!(!chain || a <= c, "{a} <= {b} <= {c}");
            }
        }
    }
    !versions.is_empty()
}

/// A release file: every index it gives lies where one of the component belongs.
pub fn release(bytes: &[u8]) -> bool {
    let text = String::from_utf8_lossy(bytes);
    let repository = Repository {
        archive: "debian".to_owned(),
        suite: "trixie".to_owned(),
        components: vec!["main".to_owned()],
        keyring: "/keyring".into(),
        url: None,
    };
    // The clock of the sample.
    let Ok(release) = Release::parse(&text, &repository, 1_790_000_000) else {
        return false;
    };
    let Ok(indexes) = release.indexes("main") else {
        return false;
    };
    for index in indexes {
        let path = index.fetch_path();
        assert!(path.starts_with("main/binary-"), "{path}");
        assert!(!path.contains("/../"), "{path}");
    }
    true
}

/// The host's apt sources, in both formats: what is taken for an archive is one.
pub fn apt_sources(bytes: &[u8]) -> bool {
    let found = in_directory(|root| {
        let parts = root.join("etc/apt/sources.list.d");
        fs::create_dir_all(&parts)?;
        fs::write(root.join("etc/apt/sources.list"), bytes)?;
        fs::write(parts.join("a.sources"), bytes)?;
        Ok(apt_sources::discover(root))
    });
    for (archive, url) in &found {
        assert!(["debian", "debian-security"].contains(&archive.as_str()));
        assert!(!url.contains(char::is_whitespace), "{url}");
    }
    !found.is_empty()
}

/// A .deb: its streams end, and neither reads outside its member.
pub fn package(bytes: &[u8]) -> bool {
    in_directory(|directory| {
        let path = directory.join("a.deb");
        fs::write(&path, bytes)?;
        let Ok(deb) = Deb::open(&path) else {
            return Ok(false);
        };
        let control = deb.control();
        let data = deb
            .data()
            .map(|data| io::copy(&mut data.take(UNPACKED), &mut io::sink()));
        Ok(control.is_ok() && matches!(data, Ok(Ok(_))))
    })
}

/// A lock: what was read is written as a file that reads the same.
pub fn lock(bytes: &[u8]) -> bool {
    in_directory(|directory| {
        let path = directory.join("bedplate.lock");
        fs::write(&path, bytes)?;
        let Ok(lock) = Lock::load(&path) else {
            return Ok(false);
        };
        lock.save(&path).map_err(io::Error::other)?;
        round_trips(&lock, Lock::load(&path));
        Ok(true)
    })
}

/// A definition: it is read whole, or refused in words.
pub fn definition(bytes: &[u8]) -> bool {
    let profiles = Path::new(env!("CARGO_MANIFEST_DIR")).join("../profiles");
    in_directory(|directory| {
        fs::write(directory.join("image.toml"), bytes)?;
        let Err(errors) = definition::load(directory, "min", &profiles) else {
            return Ok(true);
        };
        assert!(errors.to_string().contains("error"), "{errors}");
        Ok(false)
    })
}

/// Runs `work` in a directory of its own. The disk of whoever tests is no part of the test.
fn in_directory<T>(work: impl FnOnce(&Path) -> io::Result<T>) -> T {
    let result = tempfile::tempdir().and_then(|directory| work(directory.path()));
    match result {
        Ok(value) => value,
        Err(error) => panic!("the scratch directory failed: {error}"),
    }
}
