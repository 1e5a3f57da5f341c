//! An instance's configuration: one small JSON object, already checked against the manifest's schema.

use crate::{Failure, Json, Result};
use std::ops::RangeInclusive;

/// Each reader names the key in its error, so that an operator knows what to change.
pub struct Config {
    object: Json,
}

impl Config {
    /// Reads the object; no bytes are an empty one.
    pub fn parse(bytes: &[u8]) -> Result<Config> {
        let object = if bytes.is_empty() { Ok(Json::Object(Vec::new())) } else { Json::parse(bytes) };
        match object {
            Ok(object @ Json::Object(_)) => Ok(Config { object }),
            Ok(_) => Err(Failure::config("config.invalid", "The configuration is no JSON object.")),
            Err(error) => Err(Failure::config("config.invalid", format!("The configuration is no JSON: {}.", error))),
        }
    }

    /// Refuses keys that nobody reads: a misspelled key must not be silently ignored.
    pub fn allow(&self, keys: &[&str]) -> Result<()> {
        match self.object.as_object().unwrap_or(&[]).iter().find(|m| !keys.contains(&m.0.as_str())) {
            Some((name, _)) => Err(wrong(name, &format!("is unknown; known are {}", keys.join(", ")))),
            None => Ok(()),
        }
    }

    /// A text.
    pub fn text(&self, key: &str) -> Result<String> {
        let value = self.get(key).ok_or_else(|| wrong(key, "is missing"))?;
        value.as_text().map(str::to_owned).ok_or_else(|| wrong(key, "must be a text"))
    }

    /// A whole number inside `range`; `otherwise` when it is absent.
    pub fn integer(&self, key: &str, range: RangeInclusive<i64>, otherwise: Option<i64>) -> Result<i64> {
        let value = match (self.get(key), otherwise) {
            (None, Some(number)) => return Ok(number),
            (None, None) => return Err(wrong(key, "is missing")),
            (Some(value), _) => value.as_integer(),
        };
        value.filter(|number| range.contains(number)).ok_or_else(|| {
            wrong(key, &format!("must be a whole number from {} to {}", range.start(), range.end()))
        })
    }

    /// True or false; `otherwise` when it is absent.
    pub fn bool(&self, key: &str, otherwise: Option<bool>) -> Result<bool> {
        match (self.get(key), otherwise) {
            (None, Some(flag)) => Ok(flag),
            (None, None) => Err(wrong(key, "is missing")),
            (Some(value), _) => value.as_bool().ok_or_else(|| wrong(key, "must be true or false")),
        }
    }

    /// The value as it is, for what is none of the above.
    pub fn get(&self, key: &str) -> Option<&Json> { self.object.get(key) }
}

fn wrong(key: &str, what: &str) -> Failure { Failure::config("config.invalid", format!("`{}` {}.", key, what)) }
