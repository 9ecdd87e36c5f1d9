//! Definitions that cannot be meant.

use anyhow::Result;

use crate::case::{BUILD, Case, good, warm_store};

/// Exit code for a wrong definition.
const DEFINITION: i32 = 2;

#[test]
fn an_unknown_key_is_shown_with_the_nearest_name() -> Result<()> {
    let case = Case::new()?;
    case.edit("image.toml", "packages = ", "pakages = ")?;
    let words = [
        "unknown key `pakages` in `[base]`",
        "./image.toml:14:1",
        "did you mean `packages`?",
    ];
    case.refused(&BUILD, DEFINITION, &words)
}

#[test]
fn a_missing_file_is_shown_where_it_is_named() -> Result<()> {
    let case = Case::new()?;
    case.write("files/nginx.conf", "")?;
    let file = "[[file]]\npath = \"/etc/nginx.conf\"\nsource = \"files/nginx.cnf\"\n\n[gate]";
    case.edit("image.toml", "[gate]", file)?;
    let words = [
        "missing source `files/nginx.cnf`",
        "./image.toml:46:10",
        "did you mean `files/nginx.conf`?",
    ];
    case.refused(&BUILD, DEFINITION, &words)
}

#[test]
fn a_cycle_of_services_is_named_link_by_link() -> Result<()> {
    let case = Case::new()?;
    let oneshot = "kind = \"oneshot\"";
    case.edit("image.toml", oneshot, "requires = [\"web\"]")?;
    let words = [
        "services wait for each other",
        "./image.toml:30:1",
        "`count` requires `web`, `web` requires `count`",
    ];
    case.refused(&BUILD, DEFINITION, &words)
}

#[test]
fn a_disk_too_small_for_its_parts_is_counted() -> Result<()> {
    let case = Case::new()?;
    let disk = "slot = \"2GiB\"\nsize = \"4GiB\"\nstate = ";
    case.edit("profiles/min.toml", "state = ", disk)?;
    let words = [
        "the disk is too small for its layout",
        "profiles/min.toml:23:1",
        "the parts need 5632 MiB, `size` is 4096 MiB",
    ];
    case.refused(&BUILD, DEFINITION, &words)
}

#[test]
fn a_slot_too_small_for_the_root_is_counted() -> Result<()> {
    let store = warm_store()?;
    let case = Case::locked()?.with_store(store.path());
    case.edit("profiles/min.toml", "state = ", "slot = \"8MiB\"\nstate = ")?;
    let words = ["slot too small for the root: `disk.slot_mib` is 8, the root image needs "];
    case.refused(&BUILD, DEFINITION, &words)?;
    case.edit("profiles/min.toml", "slot = \"8MiB\"\n", "")?;
    assert_eq!(case.build()?, good()?.document);
    Ok(())
}
