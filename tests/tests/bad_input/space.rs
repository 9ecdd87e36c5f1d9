//! A file system that is full before the build is done.

use std::{fs, path::Path, process::Command};

use anyhow::{Context, Result, ensure};

use crate::case::{BUILD, Case, Ended, good, link_downloads};

/// Runs its arguments twice: on an empty file system of size `$1` at `$2`, which gets the links in
/// `$3`, and again once that has space; `$3` gets the exit code and the words of the first. The
/// mount goes away with the script.
const SCRIPT: &str = r#"
size=$1 store=$2 first=$3
shift 3
set -u
mount -t tmpfs -o "size=$size" bedplate-test "$store" || exit 120
cp -a "$first/blobs" "$store/blobs" || exit 120
"$@" 2> "$first/said"
echo $? > "$first/code"
find out "$store/steps" "$store/tmp" -mindepth 1 -maxdepth 1 > "$first/left"
mount -o remount,size=2G "$store" || exit 120
"$@"
"#;

/// How a build ends on a store of `size`, and what lies around afterwards; the one after that, with
/// enough space, must succeed.
fn build_on(size: &str, case: &Case) -> Result<(Ended, String)> {
    let [first, store] = ["first", "store"].map(|name| case.path(name));
    link_downloads(&first)?;
    fs::create_dir(&store)?;
    let script = |program: &Command| {
        let mut command = Command::new("unshare");
        command
            .args(["--mount", "sh", "-c", SCRIPT, "sh", size])
            .args([&store, &first])
            .arg(program.get_program())
            .args(program.get_args())
            .current_dir(case.path("."))
            .env("BEDPLATE_STORE", &store);
        command
    };
    let second = Ended::from(script(&case.command(&BUILD)?).output()?);
    ensure!(second.code == Some(0), "with space: {second:?}");
    let read = |name: &str| read(&first.join(name));
    let code = read("code")?.trim().parse().context("an exit code")?;
    let ended = Ended {
        code: Some(code),
        said: read("said")?,
    };
    Ok((ended, read("left")?))
}

fn read(path: &Path) -> Result<String> {
    fs::read_to_string(path).with_context(|| format!("reading `{}`", path.display()))
}

#[test]
fn a_full_store_is_named_and_more_space_is_enough() -> Result<()> {
    // In the tools, and in the disk.
    for size in ["16M", "250M"] {
        let case = Case::locked()?;
        let (ended, left) = build_on(size, &case)?;
        ended.expect(1, &["No space left on device", "store/tmp/"])?;
        assert!(!left.contains("store/tmp"), "{left}");
        assert!(!left.contains(".new"), "{left}");
        assert_eq!(case.document()?, good()?.document);
    }
    Ok(())
}
