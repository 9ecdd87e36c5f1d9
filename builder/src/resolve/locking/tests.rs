use super::{Draft, Request, ResolveError, Rule};
use crate::resolve::universe::{
    Universe,
    tests::{index, stanza},
};

/// A small distribution: an essential closure with a cycle, alternatives, virtual packages, a
/// kernel.
fn distribution() -> String {
    [
        (
            "base",
            "1",
            "Essential: yes\nPre-Depends: libc\nDepends: shell",
        ),
        ("libc", "2", "Depends: libgcc"),
        ("libgcc", "2", "Depends: libc"),
        ("shell", "1", "Pre-Depends: libc"),
        ("app", "2", "Depends: mta | none, libssl (>= 3), libc:any"),
        ("app", "1", "Depends: none"),
        (
            "exim",
            "1",
            "Provides: mta\nConflicts: mta\nPriority: standard",
        ),
        ("postfix", "1", "Provides: mta\nConflicts: mta"),
        ("libssl", "1", ""),
        ("libssl3t", "3", "Provides: libssl (= 3.1)"),
        ("old", "2", "Breaks: app (>= 2)\nDepends: none"),
        ("aaa", "1", ""),
        ("picky", "1", "Breaks: library (>= 2)"),
        ("library", "2", ""),
        ("library", "1", ""),
        ("uses-library", "1", "Depends: library"),
        (
            "linux-image-cloud",
            "6",
            "Depends: linux-image-6.12-cloud (= 6)",
        ),
        (
            "linux-image-6.12-cloud",
            "6",
            "Depends: kmod, initramfs-tools | none",
        ),
        (
            "linux-headers-cloud",
            "6",
            "Depends: linux-image-6.12-built, compiler",
        ),
        ("linux-image-6.12-built", "6", "Depends: maker"),
        ("maker", "1", ""),
        ("compiler", "14", "Depends: libc"),
    ]
    .iter()
    .map(|(name, version, fields)| stanza(name, version, &fields_with_content(fields)))
    .collect()
}

fn fields_with_content(fields: &str) -> String {
    let any = "Multi-Arch: allowed\nFilename: pool/x.deb\nSize: 1\nSHA256: ";
    format!("{any}{}\n{fields}", "ab".repeat(32))
        .trim_end()
        .to_owned()
}

fn request(rule: Rule, packages: &[&str]) -> Request {
    Request {
        set: "set".into(),
        repositories: Vec::new(),
        directory: "".into(),
        rule,
        packages: packages.iter().map(|&name| name.to_owned()).collect(),
    }
}

fn resolve(rule: Rule, packages: &[&str]) -> Result<Draft, ResolveError> {
    let index = index(&distribution());
    let mut draft = Draft::default();
    draft.add(&request(rule, packages), &Universe::new(&[&index])?)?;
    Ok(draft)
}

fn chosen(rule: Rule, packages: &[&str]) -> String {
    resolve(rule, packages).unwrap().sets["set"].join(" ")
}

#[test]
fn packages_are_chosen_and_ordered() {
    for (packages, expected) in [
        (&["libc"][..], "libc=2 libgcc=2"),
        (&["app"], "exim=1 libc=2 libgcc=2 libssl3t=3 app=2"),
        (
            &["app", "postfix"],
            "libc=2 libgcc=2 libssl3t=3 postfix=1 app=2",
        ),
        (&["uses-library"], "library=2 uses-library=1"),
        (
            &["uses-library", "picky"],
            "library=1 picky=1 uses-library=1",
        ),
    ] {
        assert_eq!(chosen(Rule::Closure, packages), expected);
    }
}

#[test]
fn the_essential_closure_is_the_base() {
    let draft = resolve(Rule::ClosureWithEssential, &["aaa"]).unwrap();
    assert_eq!(
        draft.sets["set"].join(" "),
        "libc=2 libgcc=2 shell=1 base=1 aaa=1"
    );
    let base = draft.packages.values().filter(|package| package.base);
    let names: Vec<_> = base.map(|package| package.name.as_str()).collect();
    assert_eq!(names, ["base", "libc", "libgcc", "shell"]);
    assert!(
        resolve(Rule::Closure, &["libc"])
            .unwrap()
            .packages
            .values()
            .all(|p| !p.base)
    );
}

#[test]
fn of_a_kernel_only_its_own_packages_are_taken() {
    let found = chosen(Rule::Kernel, &["linux-image-cloud"]);
    assert_eq!(found, "linux-image-6.12-cloud=6 linux-image-cloud=6");
}

#[test]
fn a_build_root_has_no_kernel_and_says_nothing_of_the_base() {
    let draft = resolve(Rule::Build, &["linux-headers-cloud"]).unwrap();
    assert_eq!(
        draft.sets["set"].join(" "),
        "libc=2 libgcc=2 shell=1 base=1 compiler=14 linux-headers-cloud=6"
    );
    assert!(draft.packages.values().all(|package| !package.base));
}

#[test]
fn conflicts_are_told_in_words() {
    for (packages, expected) in [
        (&["exim", "postfix"][..], &["exim", "postfix"][..]),
        (&["old"], &["old", "none"]),
        (
            &["mta"],
            &["no package `mta`", "provided by `exim`, `postfix`"],
        ),
        (&["librari"], &["nearest name is `library`"]),
        (&["something-else"], &["no package `something-else`"]),
    ] {
        let Err(error) = resolve(Rule::Closure, packages) else {
            panic!("{packages:?} were resolved");
        };
        let text = error.to_string();
        assert!(expected.iter().all(|part| text.contains(part)), "{text}");
    }
}

#[test]
fn a_hundred_solves_give_one_answer() {
    let first = chosen(
        Rule::ClosureWithEssential,
        &["app", "uses-library", "picky"],
    );
    for _ in 0..100 {
        let again = chosen(
            Rule::ClosureWithEssential,
            &["app", "uses-library", "picky"],
        );
        assert_eq!(again, first);
    }
}

#[test]
fn one_version_with_two_contents_is_refused() {
    let one = index(&stanza("a", "1", &fields_with_content("")));
    let other = index(&stanza("a", "1", &fields_with_content("")).replace("abab", "cdcd"));
    let mut draft = Draft::default();
    let wanted = request(Rule::Closure, &["a"]);
    draft
        .add(&wanted, &Universe::new(&[&one]).unwrap())
        .unwrap();
    let second = draft.add(&wanted, &Universe::new(&[&other]).unwrap());
    assert!(matches!(second, Err(ResolveError::Ambiguous { .. })));
}
