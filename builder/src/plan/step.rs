//! A step of a build and its key: the one way in which keys are made.

use bedplate_contract::Digest;
use serde::{Deserialize, Serialize};

/// Hexadecimal digits of a key that people are shown.
const SHORT: usize = 12;

/// Something that a step reads.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Input {
    /// What it is, such as `package nginx`, `file /etc/hosts`, `layer base`; once in a step.
    pub name: String,
    /// Its version, where it has one.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub version: Option<String>,
    /// Digest of all that the step reads of it.
    pub digest: Digest,
}

impl Input {
    /// Something without a version.
    pub fn new(name: impl Into<String>, digest: Digest) -> Self {
        Self {
            name: name.into(),
            version: None,
            digest,
        }
    }

    /// The same with a version.
    pub fn version(self, version: &str) -> Self {
        Self {
            version: Some(version.to_owned()),
            ..self
        }
    }
}

/// One step: what it is called, what it reads, and the key under which the store has its output.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Step {
    /// `tools`, the name of a layer, `archive <layer>`, `disk` or `bundle`.
    pub name: String,
    /// Digest of the name, the version of the code and the inputs in order.
    pub key: Digest,
    /// All that it reads.
    pub inputs: Vec<Input>,
}

impl Step {
    /// The step `name`, whose code has `version`: raised whenever the same inputs make another output.
    pub fn new(name: impl Into<String>, version: u32, inputs: Vec<Input>) -> Self {
        let name = name.into();
        let start = Parts::default()
            .part(name.as_bytes())
            .part(&version.to_le_bytes());
        let all = inputs.iter().fold(start, |parts, input| {
            parts
                .part(input.name.as_bytes())
                .part(input.version.as_deref().unwrap_or_default().as_bytes())
                .part(input.digest.as_bytes())
        });
        Self {
            key: all.digest(),
            name,
            inputs,
        }
    }

    /// The output of this step as an input of another.
    pub fn output(&self, noun: &str) -> Input {
        Input::new(noun, self.key)
    }

    /// The start of the key, for people.
    pub fn short_key(&self) -> String {
        self.key.hex().chars().take(SHORT).collect()
    }
}

/// Byte strings on their way to a digest.
#[derive(Debug, Default)]
pub(super) struct Parts(Vec<u8>);

impl Parts {
    /// Adds one; its length goes first, so that parts cannot run into each other.
    pub(super) fn part(mut self, bytes: &[u8]) -> Self {
        self.0.extend((bytes.len() as u64).to_le_bytes());
        self.0.extend(bytes);
        self
    }

    pub(super) fn digest(&self) -> Digest {
        Digest::of(&self.0)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn parts_do_not_run_into_each_other() {
        let joined = Parts::default().part(b"a").part(b"bc").digest();
        let split = Parts::default().part(b"ab").part(b"c").digest();
        assert_ne!(joined, split);
    }

    #[test]
    fn a_key_covers_everything_of_a_step() {
        let input = |name: &str, text: &str| Input::new(name, Digest::of(text.as_bytes()));
        let (a, b) = (input("a", "1"), input("b", "2"));
        let step = |inputs: &[&Input]| Step::new("x", 1, inputs.iter().copied().cloned().collect());
        let key = step(&[&a, &b]).key;
        assert_eq!(key, step(&[&a, &b]).key);
        for (what, other) in [
            ("name", Step::new("y", 1, vec![a.clone(), b.clone()])),
            ("code", Step::new("x", 2, vec![a.clone(), b.clone()])),
            ("order", step(&[&b, &a])),
            ("missing input", step(&[&a])),
            ("name of an input", step(&[&a, &input("c", "2")])),
            ("digest", step(&[&a, &input("b", "3")])),
            ("version", step(&[&a, &b.clone().version("1")])),
        ] {
            assert_ne!(other.key, key, "{what}");
        }
    }
}
