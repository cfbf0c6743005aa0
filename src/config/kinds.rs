//! Kinds of values: how each is read from JSON, shown again, and described.

use std::fmt;
use std::fmt::Write as _;
use std::marker::PhantomData;
use std::path::PathBuf;
use std::time::Duration;

use serde_json::Value;

use super::file::Given;
use super::secret::Secret;

mod patterns;

pub use patterns::{
    Clusters, Confirmation, Confirmations, Hosts, Parsed, Pattern, PatternMap, Patterns,
};

/// One kind of value.
pub trait Kind {
    /// What the program works with.
    type Field: Clone;
    /// How a default is written in the table.
    type Default;
    /// The value must not be shown.
    const SECRET: bool = false;
    /// The field a default stands for.
    fn initial(default: Self::Default) -> Self::Field;
    /// Reads a given value; the error says what is wrong with it, beyond what `allowed` says.
    fn read(given: &Given) -> Result<Self::Field, Mismatch>;
    /// The value as it would be written in a file.
    fn show(field: &Self::Field) -> Value;
    /// What may be written, in words.
    fn allowed() -> String;
}

/// Why a given value cannot be read.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Mismatch {
    /// It is not of the kind at all, or out of range.
    NotAllowed,
    /// One thing in it is wrong, for this reason.
    Because(String),
}

use Mismatch::NotAllowed;

/// `true` or `false`.
pub struct Bool;

impl Kind for Bool {
    type Field = bool;
    type Default = bool;
    fn initial(default: bool) -> bool {
        default
    }
    fn read(given: &Given) -> Result<bool, Mismatch> {
        given.value().and_then(Value::as_bool).ok_or(NotAllowed)
    }
    fn show(field: &bool) -> Value {
        (*field).into()
    }
    fn allowed() -> String {
        "true or false, without quotes".to_owned()
    }
}

/// Any text.
pub struct Text;

impl Kind for Text {
    type Field = String;
    type Default = &'static str;
    fn initial(default: &'static str) -> String {
        default.to_owned()
    }
    fn read(given: &Given) -> Result<String, Mismatch> {
        text(given).map(str::to_owned)
    }
    fn show(field: &String) -> Value {
        field.as_str().into()
    }
    fn allowed() -> String {
        "a text in quotes".to_owned()
    }
}

/// A text that must not be shown.
pub struct Password;

impl Kind for Password {
    type Field = Secret;
    type Default = &'static str;
    const SECRET: bool = true;
    fn initial(default: &'static str) -> Secret {
        Secret::new(default)
    }
    fn read(given: &Given) -> Result<Secret, Mismatch> {
        text(given).map(Secret::new)
    }
    fn show(field: &Secret) -> Value {
        field.expose().into()
    }
    fn allowed() -> String {
        "a text in quotes, or \"${NAME}\" for the environment variable NAME".to_owned()
    }
}

/// A path; the empty text is none.
pub struct FilePath;

impl Kind for FilePath {
    type Field = Option<PathBuf>;
    type Default = &'static str;
    fn initial(default: &'static str) -> Option<PathBuf> {
        (!default.is_empty()).then(|| PathBuf::from(default))
    }
    fn read(given: &Given) -> Result<Option<PathBuf>, Mismatch> {
        text(given).map(|path| (!path.is_empty()).then(|| PathBuf::from(path)))
    }
    fn show(field: &Option<PathBuf>) -> Value {
        field.as_ref().map(|path| path.display().to_string()).unwrap_or_default().into()
    }
    fn allowed() -> String {
        "a path in quotes, or \"\" for none".to_owned()
    }
}

/// A whole number from `MIN` to `MAX`.
pub struct Whole<T, const MIN: i64, const MAX: i64>(PhantomData<T>);

impl<T, const MIN: i64, const MAX: i64> Kind for Whole<T, MIN, MAX>
where
    T: TryFrom<i64> + Into<Value> + Copy,
{
    type Field = T;
    type Default = T;
    fn initial(default: T) -> T {
        default
    }
    fn read(given: &Given) -> Result<T, Mismatch> {
        let number = given.value().and_then(Value::as_i64).ok_or(NotAllowed)?;
        if !(MIN..=MAX).contains(&number) {
            return Err(NotAllowed);
        }
        T::try_from(number).map_err(|_| NotAllowed)
    }
    fn show(field: &T) -> Value {
        (*field).into()
    }
    fn allowed() -> String {
        range("a whole number", MIN, MAX)
    }
}

/// A TCP port.
pub type Port = Whole<u16, 1, 65_535>;

/// A number that is at least `1`.
pub struct Factor;

impl Kind for Factor {
    type Field = f64;
    type Default = f64;
    fn initial(default: f64) -> f64 {
        default
    }
    fn read(given: &Given) -> Result<f64, Mismatch> {
        let number = given.value().and_then(Value::as_f64).ok_or(NotAllowed)?;
        if (1.0..=1000.0).contains(&number) { Ok(number) } else { Err(NotAllowed) }
    }
    fn show(field: &f64) -> Value {
        (*field).into()
    }
    fn allowed() -> String {
        "a number from 1 to 1000".to_owned()
    }
}

/// A number that limits something; -1 is no limit.
pub struct Limit;

impl Kind for Limit {
    type Field = Option<u64>;
    type Default = Option<u64>;
    fn initial(default: Option<u64>) -> Option<u64> {
        default
    }
    fn read(given: &Given) -> Result<Option<u64>, Mismatch> {
        let number = given.value().and_then(Value::as_i64).ok_or(NotAllowed)?;
        if number == -1 {
            return Ok(None);
        }
        u64::try_from(number).map(Some).map_err(|_| NotAllowed)
    }
    fn show(field: &Option<u64>) -> Value {
        field.map_or_else(|| Value::from(-1), Value::from)
    }
    fn allowed() -> String {
        "a whole number from 0, or -1 for no limit".to_owned()
    }
}

/// A number of seconds that limits something; -1 is no limit.
pub struct LimitSeconds;

impl Kind for LimitSeconds {
    type Field = Option<Duration>;
    type Default = Option<u64>;
    fn initial(default: Option<u64>) -> Option<Duration> {
        default.map(Duration::from_secs)
    }
    fn read(given: &Given) -> Result<Option<Duration>, Mismatch> {
        Limit::read(given).map(Self::initial)
    }
    fn show(field: &Option<Duration>) -> Value {
        Limit::show(&field.map(|limit| limit.as_secs()))
    }
    fn allowed() -> String {
        Limit::allowed()
    }
}

/// A length of time of `MIN` to `MAX` units of `UNIT_MS` milliseconds; fractions are accepted.
pub struct Span<const UNIT_MS: u64, const MIN: u64, const MAX: u64>;

/// A length of time in milliseconds.
pub type Millis<const MIN: u64, const MAX: u64> = Span<1, MIN, MAX>;
/// A length of time in seconds.
pub type Seconds<const MIN: u64, const MAX: u64> = Span<1_000, MIN, MAX>;
/// A length of time in minutes.
pub type Minutes<const MIN: u64, const MAX: u64> = Span<60_000, MIN, MAX>;
/// A length of time in hours.
pub type Hours<const MIN: u64, const MAX: u64> = Span<3_600_000, MIN, MAX>;
/// A length of time in days.
pub type Days<const MIN: u64, const MAX: u64> = Span<86_400_000, MIN, MAX>;

/// Ten years in seconds: more than any waiting time that makes sense.
pub(crate) const LONG_S: u64 = 315_360_000;

impl<const UNIT_MS: u64, const MIN: u64, const MAX: u64> Kind for Span<UNIT_MS, MIN, MAX> {
    type Field = Duration;
    type Default = u64;
    fn initial(default: u64) -> Duration {
        Duration::from_millis(default.saturating_mul(UNIT_MS))
    }
    fn read(given: &Given) -> Result<Duration, Mismatch> {
        let span = span(given.value().ok_or(NotAllowed)?, UNIT_MS).ok_or(NotAllowed)?;
        let limits = Self::initial(MIN)..=Self::initial(MAX);
        if limits.contains(&span) { Ok(span) } else { Err(NotAllowed) }
    }
    fn show(field: &Duration) -> Value {
        show_span(*field, UNIT_MS)
    }
    fn allowed() -> String {
        range("a number", MIN, MAX)
    }
}

/// A length of time of up to `MAX` units; 0 is none.
pub struct SpanOrOff<const UNIT_MS: u64, const MAX: u64>;

impl<const UNIT_MS: u64, const MAX: u64> Kind for SpanOrOff<UNIT_MS, MAX> {
    type Field = Option<Duration>;
    type Default = u64;
    fn initial(default: u64) -> Option<Duration> {
        (default > 0).then(|| Duration::from_millis(default.saturating_mul(UNIT_MS)))
    }
    fn read(given: &Given) -> Result<Option<Duration>, Mismatch> {
        Span::<UNIT_MS, 0, MAX>::read(given).map(|span| (!span.is_zero()).then_some(span))
    }
    fn show(field: &Option<Duration>) -> Value {
        show_span(field.unwrap_or_default(), UNIT_MS)
    }
    fn allowed() -> String {
        format!("a number from 0 to {MAX}; 0 is none")
    }
}

/// A list of texts.
pub struct Texts;

impl Kind for Texts {
    type Field = Vec<String>;
    type Default = &'static [&'static str];
    fn initial(default: Self::Default) -> Vec<String> {
        default.iter().map(|&text| text.to_owned()).collect()
    }
    fn read(given: &Given) -> Result<Vec<String>, Mismatch> {
        let items = given.value().and_then(Value::as_array).ok_or(NotAllowed)?;
        items.iter().map(|item| item.as_str().map(str::to_owned).ok_or(NotAllowed)).collect()
    }
    fn show(field: &Vec<String>) -> Value {
        field.as_slice().into()
    }
    fn allowed() -> String {
        "a list of texts, as [\"a\", \"b\"]".to_owned()
    }
}

/// One of a few values with names.
pub struct Choice<E>(PhantomData<E>);

/// A type with a name for each of its few values.
pub trait Named: Copy + PartialEq + 'static {
    /// Every accepted spelling; of one value the first is shown.
    const NAMES: &[(&str, Self)];
}

impl<E: Named> Kind for Choice<E> {
    type Field = E;
    type Default = E;
    fn initial(default: E) -> E {
        default
    }
    fn read(given: &Given) -> Result<E, Mismatch> {
        let text = text(given)?.trim();
        let found = E::NAMES.iter().find(|(name, _)| name.eq_ignore_ascii_case(text));
        found.map(|(_, value)| *value).ok_or(NotAllowed)
    }
    fn show(field: &E) -> Value {
        E::NAMES.iter().find(|(_, value)| value == field).map_or("", |(name, _)| name).into()
    }
    fn allowed() -> String {
        let names = E::NAMES.iter().fold(String::new(), |mut all, (name, _)| {
            let _ = write!(all, "{}{name:?}", if all.is_empty() { "" } else { ", " });
            all
        });
        format!("one of {names}")
    }
}

/// A text in quotes.
pub(crate) fn text(given: &Given) -> Result<&str, Mismatch> {
    given.value().and_then(Value::as_str).ok_or(NotAllowed)
}

fn span(value: &Value, unit_ms: u64) -> Option<Duration> {
    if let Some(whole) = value.as_u64() {
        return whole.checked_mul(unit_ms).map(Duration::from_millis);
    }
    let seconds = value.as_f64()? * Duration::from_millis(unit_ms).as_secs_f64();
    Duration::try_from_secs_f64(seconds).ok()
}

fn show_span(span: Duration, unit_ms: u64) -> Value {
    let unit = Duration::from_millis(unit_ms);
    if span.as_nanos().is_multiple_of(unit.as_nanos())
        && let Ok(whole) = u64::try_from(span.as_nanos() / unit.as_nanos())
    {
        return whole.into();
    }
    (span.as_secs_f64() / unit.as_secs_f64()).into()
}

fn range<T: fmt::Display + Copy>(what: &str, min: T, max: T) -> String {
    format!("{what} from {min} to {max}")
}
