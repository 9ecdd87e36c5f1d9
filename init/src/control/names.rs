//! Names that an operator gives: what they mean, or the nearest one that means something.

use bedplate_contract::{Appliance, backup::Backup, control::Reply};

/// The refusal of a `noun` that there is none of.
pub fn unknown<'a>(noun: &str, name: &str, known: impl IntoIterator<Item = &'a str>) -> Reply {
    let near = known
        .into_iter()
        .map(|known| (strsim::osa_distance(name, known), known))
        .min_by_key(|(distance, _)| *distance)
        // One letter in three may be wrong, missing or exchanged with its neighbour.
        .filter(|(distance, known)| *distance <= (known.chars().count() / 3).max(1));
    let near = near.map(|(_, near)| format!("; did you mean `{near}`?"));
    let near = near.unwrap_or_default();
    Reply::Refused {
        reason: format!("no {noun} is called `{name}`{near}"),
    }
}

/// The refusal of a service that there is none of.
pub fn unknown_service(name: &str, appliance: &Appliance) -> Reply {
    let names = appliance.services.iter().map(|s| s.name.as_str());
    unknown("service", name, names)
}

/// The backup called `name`.
///
/// # Errors
/// The refusal, when there is none.
pub fn backup<'a>(name: &str, appliance: &'a Appliance) -> Result<&'a Backup, Reply> {
    let mut backups = appliance.backups.iter();
    let names = backups.clone().map(|backup| backup.name.as_str());
    backups
        .find(|backup| backup.name == name)
        .ok_or_else(|| unknown("backup", name, names))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_nearest_name_is_told_if_it_is_near() {
        let reason = |name: &str| match unknown("service", name, ["web", "database"]) {
            Reply::Refused { reason } => reason,
            other => format!("{other:?}"),
        };
        assert_eq!(
            reason("databse"),
            "no service is called `databse`; did you mean `database`?"
        );
        assert_eq!(reason("x"), "no service is called `x`");
    }
}
