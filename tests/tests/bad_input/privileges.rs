//! Hosts that do not let an ordinary user build.

use std::{fs, process::Command};

use anyhow::Result;

use crate::case::{BUILD, Case, Ended};

/// Runs `$3…` as a user with the subordinate ids of the file `$2`, who may make `$1` user namespaces.
const SCRIPT: &str = r#"
limit=$1 ranges=$2
shift 2
set -e
for file in /etc/subuid /etc/subgid; do mount --bind "$ranges" "$file"; done
echo "$limit" > /proc/sys/user/max_user_namespaces
exec "$@"
"#;

/// Builds as root of a user namespace that has no other user: nobody special to the builder.
fn build(case: &Case, limit: &str, ranges: &str) -> Result<Ended> {
    let file = case.path("ranges");
    fs::write(&file, ranges)?;
    let program = case.command(&BUILD)?;
    let output = Command::new("unshare")
        .args(["--user", "--map-root-user", "--mount", "sh", "-c", SCRIPT])
        .args(["sh", limit])
        .arg(&file)
        .arg(program.get_program())
        .args(program.get_args())
        .current_dir(case.path("."))
        .output()?;
    Ok(output.into())
}

#[test]
fn without_user_namespaces_the_setting_is_named() -> Result<()> {
    let case = Case::locked()?;
    let ended = build(&case, "0", "root:100000:65536\n")?;
    let words = [
        "user namespaces are not allowed: `user.max_user_namespaces = 0`",
        "`sysctl -w user.max_user_namespaces=10000`",
    ];
    ended.expect(1, &words)?;
    case.untouched()
}

#[test]
fn without_subordinate_ids_the_command_is_named() -> Result<()> {
    let case = Case::locked()?;
    let ended = build(&case, "100", "somebody:100000:65536\n")?;
    let words = [
        "subordinate ids of `root` in `/etc/subuid`, found none",
        "`usermod --add-subuids 100000-165535 --add-subgids 100000-165535 root`",
    ];
    ended.expect(1, &words)?;
    case.untouched()
}
