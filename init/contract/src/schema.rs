//! A version number that refuses to be any other.

use serde::{Deserialize, Deserializer, Serialize, Serializer, de::Error};

/// The `schema` field of a document of version `N`; deserializing any other number fails.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct SchemaVersion<const N: u32>;

impl<const N: u32> Serialize for SchemaVersion<N> {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.serialize_u32(N)
    }
}

impl<'de, const N: u32> Deserialize<'de> for SchemaVersion<N> {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        match u32::deserialize(deserializer)? {
            found if found == N => Ok(Self),
            found => Err(D::Error::custom(format_args!(
                "expected schema {N}, found {found}"
            ))),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::SchemaVersion;

    #[test]
    fn only_its_own_number_is_read() {
        assert!(serde_json::from_str::<SchemaVersion<1>>("1").is_ok());
        let error = serde_json::from_str::<SchemaVersion<1>>("2").unwrap_err();
        assert!(error.to_string().contains("expected schema 1, found 2"));
    }
}
