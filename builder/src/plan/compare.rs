//! Why a step is not the one of an earlier plan.

use std::fmt;

use super::step::{Input, Step};

/// One difference between two steps of the same name.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Change {
    /// An input has another version.
    Updated {
        /// Name of the input.
        name: String,
        /// Earlier version.
        from: String,
        /// Version now.
        to: String,
    },
    /// An input has other bytes.
    Changed(String),
    /// An input that was not there.
    New(Input),
    /// An input that is no longer there.
    Gone(Input),
    /// The same inputs in another order.
    Order,
    /// The same inputs, but the builder makes something else of them.
    Builder,
}

/// All that made the key of a step another one; empty for equal keys.
pub fn changes(before: &Step, now: &Step) -> Vec<Change> {
    if before.key == now.key {
        return Vec::new();
    }
    let came = now.inputs.iter();
    let came = came.filter_map(|input| match find(before, &input.name) {
        Some(earlier) => change(earlier, input),
        None => Some(Change::New(input.clone())),
    });
    let went = before.inputs.iter();
    let went = went.filter(|input| find(now, &input.name).is_none());
    let mut changes: Vec<Change> = came.chain(went.cloned().map(Change::Gone)).collect();
    if changes.is_empty() {
        changes.push(match before.inputs == now.inputs {
            true => Change::Builder,
            false => Change::Order,
        });
    }
    changes
}

fn find<'a>(step: &'a Step, name: &str) -> Option<&'a Input> {
    step.inputs.iter().find(|input| input.name == name)
}

fn change(before: &Input, now: &Input) -> Option<Change> {
    let name = now.name.clone();
    match (&before.version, &now.version) {
        (Some(from), Some(to)) if from != to => Some(Change::Updated {
            name,
            from: from.clone(),
            to: to.clone(),
        }),
        _ if before != now => Some(Change::Changed(name)),
        _ => None,
    }
}

impl fmt::Display for Change {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Updated { name, from, to } => write!(f, "{name} {from} → {to}"),
            Self::Changed(name) => write!(f, "{name} changed"),
            Self::New(input) => write!(f, "{} is new", described(input)),
            Self::Gone(input) => write!(f, "{} is gone", described(input)),
            Self::Order => write!(f, "the order of its inputs changed"),
            Self::Builder => write!(f, "the builder makes it in another way"),
        }
    }
}

fn described(input: &Input) -> String {
    match &input.version {
        Some(version) => format!("{} {version}", input.name),
        None => input.name.clone(),
    }
}

#[cfg(test)]
mod tests {
    use bedplate_contract::Digest;

    use super::*;

    fn step(inputs: &[(&str, &str, &str)]) -> Step {
        let input = |(name, version, bytes): &(&str, &str, &str)| {
            let input = Input::new(*name, Digest::of(bytes.as_bytes()));
            match version.is_empty() {
                true => input,
                false => input.version(version),
            }
        };
        Step::new("packages", 1, inputs.iter().map(input).collect())
    }

    #[test]
    fn changes_read_as_reasons() {
        let (nginx, file) = (("package nginx", "1-3", "a"), ("file /etc/x", "", "b"));
        let before = step(&[nginx, file]);
        for (now, expected) in [
            (vec![nginx, file], vec![]),
            (
                vec![("package nginx", "1-4", "c"), file],
                vec!["package nginx 1-3 → 1-4"],
            ),
            (
                vec![("package nginx", "1-3", "c"), file],
                vec!["package nginx changed"],
            ),
            (
                vec![nginx, ("file /etc/x", "", "c")],
                vec!["file /etc/x changed"],
            ),
            (
                vec![nginx, ("file /etc/y", "", "b")],
                vec!["file /etc/y is new", "file /etc/x is gone"],
            ),
            (vec![file], vec!["package nginx 1-3 is gone"]),
            (vec![file, nginx], vec!["the order of its inputs changed"]),
        ] {
            let texts: Vec<String> = changes(&before, &step(&now))
                .iter()
                .map(Change::to_string)
                .collect();
            assert_eq!(texts, expected);
        }
        let newer = Step::new("packages", 2, before.inputs.clone());
        assert_eq!(changes(&before, &newer), [Change::Builder]);
    }
}
