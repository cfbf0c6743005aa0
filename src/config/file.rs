//! Configuration files as text: one JSON object whose order, repetitions and positions matter.

use std::fmt;

use serde::de::{MapAccess, Visitor};
use serde::{Deserialize, Deserializer};
use serde_json::Value;

/// A value as given in a file.
#[derive(Debug, Clone, PartialEq, Deserialize)]
#[serde(untagged)]
pub enum Given {
    /// An object, in the order of the file.
    Object(Pairs),
    /// Anything else.
    Value(Value),
}

/// The members of an object, in order, repetitions included.
#[derive(Debug, Clone, PartialEq)]
pub struct Pairs<T = Value>(pub Vec<(String, T)>);

impl Given {
    /// The value, unless it is an object.
    pub fn value(&self) -> Option<&Value> {
        match self {
            Self::Object(_) => None,
            Self::Value(value) => Some(value),
        }
    }

    /// The members, if it is an object.
    pub fn pairs(&self) -> Option<&[(String, Value)]> {
        match self {
            Self::Object(Pairs(pairs)) => Some(pairs),
            Self::Value(_) => None,
        }
    }

    /// It is `null`, which gives no value.
    pub fn is_null(&self) -> bool {
        self.value().is_some_and(Value::is_null)
    }

    /// It is `""`, `0`, `false` or an empty list or object: what the ancestors took for "not given".
    pub fn is_blank(&self) -> bool {
        match self {
            Self::Object(Pairs(pairs)) => pairs.is_empty(),
            Self::Value(Value::Null) => true,
            Self::Value(Value::Bool(given)) => !given,
            Self::Value(Value::Number(number)) => number.as_f64() == Some(0.0),
            Self::Value(Value::String(text)) => text.is_empty(),
            Self::Value(Value::Array(items)) => items.is_empty(),
            Self::Value(Value::Object(members)) => members.is_empty(),
        }
    }

    /// The number times `factor`, for names that differ in their unit.
    pub fn scaled(self, factor: u64) -> Self {
        match &self {
            Self::Value(Value::Number(number)) if factor != 1 => {
                let whole = number.as_u64().and_then(|whole| whole.checked_mul(factor));
                let scaled = whole.map(Value::from).or_else(|| {
                    let factor = u32::try_from(factor).ok()?;
                    number.as_f64().map(|number| Value::from(number * f64::from(factor)))
                });
                scaled.map_or(self, Self::Value)
            }
            _ => self,
        }
    }

    /// The value as JSON, for messages.
    pub fn to_text(&self) -> String {
        match self {
            Self::Value(value) => value.to_string(),
            Self::Object(Pairs(pairs)) => {
                let members = pairs.iter().map(|(key, value)| format!("{key:?}:{value}"));
                format!("{{{}}}", members.collect::<Vec<_>>().join(","))
            }
        }
    }
}

impl<'de, T: Deserialize<'de>> Deserialize<'de> for Pairs<T> {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        struct Members<T>(std::marker::PhantomData<T>);
        impl<'de, T: Deserialize<'de>> Visitor<'de> for Members<T> {
            type Value = Pairs<T>;
            fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str("an object")
            }
            fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<Pairs<T>, A::Error> {
                let mut pairs = Vec::new();
                while let Some(pair) = map.next_entry()? {
                    pairs.push(pair);
                }
                Ok(Pairs(pairs))
            }
        }
        deserializer.deserialize_map(Members(std::marker::PhantomData))
    }
}

/// Why a text is no configuration.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct SyntaxError {
    /// Line, from 1; 0 when it is not known.
    pub line: usize,
    /// Column, from 1.
    pub column: usize,
    /// What is wrong there.
    pub reason: String,
}

/// Reads the members of the one object of a file.
pub(crate) fn read(bytes: &[u8]) -> Result<Vec<(String, Given)>, SyntaxError> {
    let bytes = bytes.strip_prefix(b"\xef\xbb\xbf").unwrap_or(bytes);
    serde_json::from_slice::<Pairs<Given>>(bytes).map(|pairs| pairs.0).map_err(|error| {
        let text = error.to_string();
        let position = format!(" at line {} column {}", error.line(), error.column());
        let reason = text.strip_suffix(&position).unwrap_or(&text).to_owned();
        SyntaxError { line: error.line(), column: error.column(), reason }
    })
}
