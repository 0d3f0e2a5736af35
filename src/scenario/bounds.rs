//! What each kind of number in a scenario may be: more than any run needs, and little enough that whatever is computed
//! from it fits. A key is given its kind where its field is declared; reading refuses what is beyond, and the JSON Schema
//! says so. The plan may allow less.

use std::{borrow::Cow, fmt, time::Duration};

use schemars::{JsonSchema, Schema, SchemaGenerator, json_schema};
use serde::{
    Deserialize, Deserializer, Serialize, Serializer,
    de::{Error, Unexpected, Visitor},
};

/// The longest time: no token is given out for longer, and three such times one after the other, in nanoseconds from
/// 1970 on, are still an instant (`i64`). A year is the mean Gregorian one, as `humantime` has it.
pub const LONGEST: Duration = Duration::from_hours(100 * 8766);
/// Attempts of a run at most. At the highest rate of any broker seen they take an hour.
pub const MOST_CLIENTS: u64 = 100_000_000;

/// A kind of number.
pub trait Kind {
    /// Its name in the schema.
    const NAME: &'static str;
    /// What it is, in the schema.
    const WHAT: &'static str;
    /// `integer` or `number`.
    const TYPE: &'static str;
    /// The smallest.
    const LEAST: i64;
    /// The largest.
    const MOST: i64;
}

macro_rules! kinds {
    ($($(#[doc = $what:literal])+ $name:ident: $type:literal, $least:expr, $most:expr;)+) => {$(
        $(#[doc = $what])+
        #[derive(Debug)]
        pub struct $name;

        impl Kind for $name {
            const NAME: &'static str = stringify!($name);
            const WHAT: &'static str = concat!($($what),+).trim_ascii_start();
            const TYPE: &'static str = $type;
            const LEAST: i64 = $least;
            const MOST: i64 = $most;
        }

        impl JsonSchema for $name {
            fn schema_name() -> Cow<'static, str> {
                Self::NAME.into()
            }

            fn json_schema(_: &mut SchemaGenerator) -> Schema {
                json_schema!({
                    "description": Self::WHAT,
                    "type": Self::TYPE,
                    "minimum": Self::LEAST,
                    "maximum": Self::MOST,
                })
            }
        }
    )+};
}

kinds! {
    /// A number of clients, attempts, connections or tokens.
    Clients: "integer", 0, MOST_CLIENTS as i64;
    /// A number of clients that may stand for all there are.
    All: "integer", 0, i64::MAX;
    /// How often something is done, or how many threads, keys or requests there are.
    Count: "integer", 0, 1_000_000;
    /// A length in bytes or bits: up to 16 MiB, hundreds of times the 65 535 bytes that CONNECT carries.
    Length: "integer", 0, 16 * 1024 * 1024;
    /// The id of a process: the kernel gives none above 2^22 (`PID_MAX_LIMIT`).
    Process: "integer", 1, 4_194_304;
    /// How many come in a second: up to ten million, more than any host can send.
    Rate: "number", 0, 10_000_000;
    /// A share, a weight, a factor or a percentage: what counts is its proportion to others.
    Share: "number", 0, 1_000_000_000;
}

/// One number, none, or several of one kind.
pub trait Numbers: Sized {
    /// The same as wide as a file can have them.
    type Wide: for<'de> Deserialize<'de>;

    /// Those within bounds; else the first that is not.
    ///
    /// # Errors
    /// The number that is outside.
    fn within(wide: Self::Wide, least: i64, most: i64) -> Result<Self, Unexpected<'static>>;
}

macro_rules! whole {
    ($($type:ty)+) => {$(
        impl Numbers for $type {
            type Wide = i64;

            fn within(wide: i64, least: i64, most: i64) -> Result<Self, Unexpected<'static>> {
                let is_within = (least..=most).contains(&wide);
                let number = Self::try_from(wide).ok().filter(|_| is_within);
                number.ok_or(Unexpected::Signed(wide))
            }
        }
    )+};
}

whole!(u16 u32 u64 i32);

impl Numbers for f64 {
    type Wide = Self;

    fn within(wide: Self, least: i64, most: i64) -> Result<Self, Unexpected<'static>> {
        // What is no number is in no range.
        let is_within = (least as Self..=most as Self).contains(&wide);
        if is_within { Ok(wide) } else { Err(Unexpected::Float(wide)) }
    }
}

impl<N: Numbers> Numbers for Option<N> {
    type Wide = Option<N::Wide>;

    fn within(wide: Self::Wide, least: i64, most: i64) -> Result<Self, Unexpected<'static>> {
        wide.map(|wide| N::within(wide, least, most)).transpose()
    }
}

impl<N: Numbers> Numbers for Vec<N> {
    type Wide = Vec<N::Wide>;

    fn within(wide: Self::Wide, least: i64, most: i64) -> Result<Self, Unexpected<'static>> {
        wide.into_iter().map(|wide| N::within(wide, least, most)).collect()
    }
}

/// How a field that holds `V` is read, written and described, as in `#[serde(with = "bounds::Time")]`. Of a field that may
/// be left out it is `Option::<bounds::Time>`, of a list `Vec::<bounds::Rate>`.
pub trait As<V> {
    /// Reads it.
    ///
    /// # Errors
    /// When it is no such thing, or beyond its bounds: with what was found and the bounds.
    fn deserialize<'de, D: Deserializer<'de>>(from: D) -> Result<V, D::Error>;

    /// Writes it.
    ///
    /// # Errors
    /// As whatever it is written to.
    fn serialize<S: Serializer>(value: &V, to: S) -> Result<S::Ok, S::Error>;
}

macro_rules! several {
    ($($of:ident)+) => {$(
        impl<V, T: As<V>> As<V> for $of<T> {
            fn deserialize<'de, D: Deserializer<'de>>(from: D) -> Result<V, D::Error> {
                T::deserialize(from)
            }

            fn serialize<S: Serializer>(value: &V, to: S) -> Result<S::Ok, S::Error> {
                T::serialize(value, to)
            }
        }
    )+};
}

// What there is of each says the type of the field.
several!(Option Vec);

impl<K: Kind, N: Numbers + Serialize> As<N> for K {
    fn deserialize<'de, D: Deserializer<'de>>(from: D) -> Result<N, D::Error> {
        let wide = N::Wide::deserialize(from)?;
        N::within(wide, K::LEAST, K::MOST).map_err(|found| {
            let allowed = format!("{} to {}", K::LEAST, K::MOST);
            D::Error::invalid_value(found, &allowed.as_str())
        })
    }

    fn serialize<S: Serializer>(value: &N, to: S) -> Result<S::Ok, S::Error> {
        value.serialize(to)
    }
}

/// A length of time, such as `500ms`, `10s` or `1h 30m`: up to 100 years.
#[derive(Debug)]
pub struct Time;

impl JsonSchema for Time {
    fn schema_name() -> Cow<'static, str> {
        "Time".into()
    }

    fn json_schema(_: &mut SchemaGenerator) -> Schema {
        json_schema!({
            "description": "A length of time, such as `500ms`, `10s` or `1h 30m`: up to 100 years.",
            "type": "string",
        })
    }
}

/// Reads a length of time as scenarios and command lines write it.
///
/// # Errors
/// When it is none, or longer than 100 years.
pub fn duration(text: &str) -> Result<Duration, String> {
    let read = humantime::parse_duration(text).map_err(|error| error.to_string())?;
    if read > LONGEST { Err("must be at most 100 years".into()) } else { Ok(read) }
}

/// The same for an argument of the command line.
///
/// # Errors
/// As [`duration`].
pub fn argument(text: &str) -> Result<humantime::Duration, String> {
    duration(text).map(Into::into)
}

struct Text;

impl Visitor<'_> for Text {
    type Value = Duration;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("a duration of at most 100 years")
    }

    fn visit_str<E: Error>(self, text: &str) -> Result<Duration, E> {
        duration(text).map_err(|_| E::invalid_value(Unexpected::Str(text), &self))
    }
}

impl<L: Lasting> As<L> for Time {
    fn deserialize<'de, D: Deserializer<'de>>(from: D) -> Result<L, D::Error> {
        from.deserialize_str(Text).map(L::from)
    }

    fn serialize<S: Serializer>(value: &L, to: S) -> Result<S::Ok, S::Error> {
        match value.duration() {
            Some(duration) => to.collect_str(&humantime::format_duration(duration)),
            None => to.serialize_none(),
        }
    }
}

/// A time that is there, or may be.
pub trait Lasting: From<Duration> {
    /// The time, where there is one.
    fn duration(&self) -> Option<Duration>;
}

impl Lasting for Duration {
    fn duration(&self) -> Option<Duration> {
        Some(*self)
    }
}

impl Lasting for Option<Duration> {
    fn duration(&self) -> Option<Duration> {
        *self
    }
}
