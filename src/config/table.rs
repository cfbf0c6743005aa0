//! The table of keys: what each is called, means and accepts. Everything else here is driven by it.

use std::collections::HashMap;
use std::sync::LazyLock;

use serde_json::Value;

use super::file::Given;
use super::kinds::Mismatch;
use super::secret::HIDDEN;
use super::{Config, settings};

/// All that is known of one key.
#[derive(Debug)]
pub struct Setting {
    /// The name used in messages and documents.
    pub name: &'static str,
    /// Other names that mean the same.
    pub synonyms: &'static [Synonym],
    /// The part of the configuration it belongs to.
    pub group: &'static str,
    /// What it is for, in a line or two.
    pub meaning: &'static str,
    /// Whether setting it does anything.
    pub status: Status,
    /// When a changed value takes effect.
    pub effect: Effect,
    /// The value is never shown.
    pub secret: bool,
    /// How to read and show it; keys without any effect have none.
    pub(crate) access: Option<Access>,
}

/// Another name of a key.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Synonym {
    /// The name.
    pub name: &'static str,
    /// What its number is multiplied by to get the number of the main name.
    pub scale: u64,
}

/// Whether setting a key does anything.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Status {
    /// It does.
    Acted,
    /// It is read and checked, but this version does not act on it.
    NotYet,
    /// This version cannot do what it asks for, and going on without would be wrong.
    Unavailable(&'static str),
    /// It is accepted and never acted on, for this reason.
    Ignored(&'static str),
    /// The ancestors had retired it already.
    Retired,
}

/// When a changed value takes effect.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Effect {
    /// With the next reload.
    OnReload,
    /// Only when the service starts.
    AtStart,
}

/// How a key reaches its field.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Access {
    pub read: fn(&mut Config, &Given) -> Result<(), Mismatch>,
    pub value: fn(&Config) -> Value,
    pub copy: fn(&mut Config, &Config),
    pub allowed: fn() -> String,
}

impl Setting {
    /// A key that is known but has no field.
    pub(crate) const fn without_field(
        name: &'static str,
        status: Status,
        meaning: &'static str,
    ) -> Self {
        Self {
            name,
            synonyms: &[],
            group: "none",
            meaning,
            status,
            effect: Effect::OnReload,
            secret: false,
            access: None,
        }
    }

    /// What may be written, in words.
    pub fn allowed(&self) -> String {
        self.access.as_ref().map_or_else(|| "anything".to_owned(), |access| (access.allowed)())
    }

    /// The value in a configuration, hidden when it is a secret; keys without a field have none.
    pub fn shown(&self, config: &Config) -> Option<Value> {
        let value = self.value(config)?;
        let hide = self.secret && value.as_str() != Some("");
        Some(if hide { HIDDEN.into() } else { value })
    }

    /// Whether two configurations agree on this key.
    pub fn same(&self, one: &Config, other: &Config) -> bool {
        self.value(one) == self.value(other)
    }

    fn value(&self, config: &Config) -> Option<Value> {
        self.access.as_ref().map(|access| (access.value)(config))
    }

    /// Every name of the key, the main one first, with its scale.
    pub fn names(&self) -> impl Iterator<Item = (&'static str, u64)> {
        let main = std::iter::once((self.name, 1));
        main.chain(self.synonyms.iter().map(|synonym| (synonym.name, synonym.scale)))
    }
}

/// Every accepted name with its key and its scale.
pub(crate) fn names() -> impl Iterator<Item = (&'static str, &'static Setting, u64)> {
    settings().flat_map(|setting| setting.names().map(move |(name, scale)| (name, setting, scale)))
}

/// The key that goes by a name, in whatever case, and its scale.
pub(crate) fn find(name: &str) -> Option<(&'static Setting, u64)> {
    static NAMES: LazyLock<HashMap<String, (&'static Setting, u64)>> = LazyLock::new(|| {
        names().map(|(name, setting, scale)| (name.to_lowercase(), (setting, scale))).collect()
    });
    NAMES.get(&name.to_lowercase()).copied()
}

/// Declares a group of keys: the struct that holds them, its defaults, and their rows in the table.
macro_rules! group {
    (
        $(#[$outer:meta])*
        $field:ident: $group:ident;
        $(
            $(#[doc = $doc:literal])+
            $name:literal $(| $synonym:literal $(* $scale:literal)?)*
                => $member:ident: $kind:ty = $default:expr; $status:expr, $effect:ident;
        )+
    ) => {
        $(#[$outer])*
        #[derive(Debug, Clone)]
        pub struct $group {
            $(
                $(#[doc = $doc])+
                #[doc = concat!("\n\nThe key `", $name, "`.")]
                pub $member: <$kind as $crate::config::kinds::Kind>::Field,
            )+
        }

        impl Default for $group {
            fn default() -> Self {
                Self { $($member: <$kind as $crate::config::kinds::Kind>::initial($default),)+ }
            }
        }

        /// The rows of this group.
        pub(crate) const SETTINGS: &[$crate::config::table::Setting] = &[
            $($crate::config::table::Setting {
                name: $name,
                synonyms: &[$($crate::config::table::Synonym {
                    name: $synonym,
                    scale: 1 $(* $scale)?,
                },)*],
                group: stringify!($field),
                meaning: concat!($($doc),+).trim_ascii(),
                status: $status,
                effect: $crate::config::table::Effect::$effect,
                secret: <$kind as $crate::config::kinds::Kind>::SECRET,
                access: Some($crate::config::table::Access {
                    read: |config, given| {
                        config.$field.$member = <$kind as $crate::config::kinds::Kind>::read(given)?;
                        Ok(())
                    },
                    value: |config| <$kind as $crate::config::kinds::Kind>::show(&config.$field.$member),
                    copy: |to, from| to.$field.$member.clone_from(&from.$field.$member),
                    allowed: <$kind as $crate::config::kinds::Kind>::allowed,
                }),
            },)+
        ];
    };
}

pub(crate) use group;
