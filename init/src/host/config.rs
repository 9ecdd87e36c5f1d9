//! Files with secrets, which are there while their service runs.
//!
//! They lie in directories of the service's user, who may put links where a file is to be: nothing
//! here follows one. They are in memory alone, so a power cut leaves none.

use std::path::Path;

use bedplate_contract::{
    reference::{self, Piece},
    service::{ConfigFile, Service},
};
use bedplate_sys::beneath::{self, Owner};

use crate::{secrets, stage1::chain};

/// Where the files are.
const RUN: &str = "/run";

/// Writes the files of `service` with the secrets of now; a reader sees an old file or a new one.
///
/// # Errors
/// The file or secret that failed, in words.
pub(super) fn write(service: &Service) -> Result<(), String> {
    for file in &service.config {
        let text = fill(file, |name| {
            secrets::read(name).map_err(|error| chain(&error))
        })?;
        let owner = Owner {
            uid: service.uid,
            gid: service.gid,
        };
        let written = beneath::write(
            (Path::new(RUN), Path::new(&file.path)),
            text.as_bytes(),
            (file.mode, owner),
        );
        written.map_err(|error| format!("write `{RUN}/{}`: {error}", file.path))?;
    }
    Ok(())
}

/// Takes the files of `service` away.
pub(super) fn remove(service: &Service) {
    for file in &service.config {
        // The service may have removed it, or its directory; then nothing is left to hide.
        let _ = beneath::remove(Path::new(RUN), Path::new(&file.path));
    }
}

fn fill(
    file: &ConfigFile,
    value: impl Fn(&str) -> Result<String, String>,
) -> Result<String, String> {
    let failed = |error| format!("read `{}`: {error}", file.path);
    let mut text = String::new();
    for piece in reference::pieces(&file.content).map_err(failed)? {
        match piece {
            Piece::Text(piece) => text.push_str(piece),
            Piece::Secret(name) => text.push_str(&value(name)?),
        }
    }
    Ok(text)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn file(content: &str) -> ConfigFile {
        ConfigFile {
            path: "db/auth".to_owned(),
            content: content.to_owned(),
            mode: 0o400,
        }
    }

    #[test]
    fn values_stand_where_they_are_named() {
        let value = |name: &str| match name {
            "a" => Ok("${secret:b}".to_owned()),
            other => Err(format!("no `{other}`")),
        };
        let text = fill(&file("x ${secret:a}\n$y"), value).unwrap();
        assert_eq!(text, "x ${secret:b}\n$y", "a value is not looked into");
        assert_eq!(fill(&file("${secret:b}"), value).unwrap_err(), "no `b`");
        let open = fill(&file("\n${secret:a"), value).unwrap_err();
        assert!(
            open.contains("db/auth") && open.contains("line 2"),
            "{open}"
        );
    }
}
