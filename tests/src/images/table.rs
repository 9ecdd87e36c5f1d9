//! The pairs as a table.

use std::{collections::BTreeMap, fmt};

use super::Pair;

/// Rows of pairs; layers are compared over all of them.
#[derive(Debug)]
pub struct Table<'a>(pub &'a [Pair]);

impl Table<'_> {
    /// In how many pairs each layer is.
    fn users(&self) -> BTreeMap<&str, usize> {
        let mut users = BTreeMap::new();
        for layer in self.0.iter().flat_map(|pair| &pair.layers) {
            *users.entry(layer.digest.as_str()).or_default() += 1;
        }
        users
    }
}

impl fmt::Display for Table<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        writeln!(
            f,
            "{:<24} {:<20} {:>8} {:>8} {:>8} {:>13} {:>8} {:>8}  boot to healthy",
            "image", "profile", "packages", "services", "root MB", "shared layers", "MB", "build s"
        )?;
        let users = self.users();
        for pair in self.0 {
            let shared = |digest: &str| users.get(digest).is_some_and(|count| *count > 1);
            let layers = pair.layers.iter().filter(|layer| shared(&layer.digest));
            let (count, bytes) = layers.fold((0, 0), |(n, sum), layer| (n + 1, sum + layer.bytes));
            write!(
                f,
                "{:<24} {:<20} {:>8} {:>8} {:>8.0} {:>13} {:>8.0} {:>8.1}  ",
                pair.image.trim_start_matches("images/"),
                pair.profile,
                pair.packages,
                pair.services,
                pair.root_bytes as f64 / 1e6,
                format!("{count} of {}", pair.layers.len()),
                bytes as f64 / 1e6,
                pair.build.as_secs_f64(),
            )?;
            match &pair.boot {
                None => writeln!(f, "-")?,
                Some(Ok(figures)) => writeln!(
                    f,
                    "{:.1} s, init {:.1} MiB",
                    figures.healthy_ms as f64 / 1e3,
                    figures.init_kib as f64 / 1024.0
                )?,
                Some(Err(error)) => {
                    let first = error.lines().next().unwrap_or_default();
                    writeln!(f, "FAILED: {first}")?;
                }
            }
        }
        Ok(())
    }
}
