//! The vocabulary: the closed sets of words that files, thresholds and reports share.
//!
//! Each set is one list: for every word its name in files and its label for people, in the order in which they are
//! shown. Whoever adds a word adds a line there, and the compiler names what has to know it.

mod counts;
mod metric;
mod operation;
mod outcome;
mod phase;
mod ruling;
mod severity;
mod standing;
mod validity;
mod verdict;

pub use counts::Counts;
pub use metric::{Metric, Unit};
pub use operation::{Due, ExpectedEnd, Operation, OperationOutcome};
pub use outcome::OutcomeKind;
pub use phase::Phase;
pub use ruling::{Conclusion, Tone};
pub use severity::Severity;
pub use standing::{BoundState, Cause, RunState};
pub use validity::{LimitedBy, Validity};
pub use verdict::{Expected, Verdict};

/// A word of a closed set. In JSON and CSV it is its name, on the bus its place in the list.
pub trait Word: Copy + Eq + Ord + Send + Sync + 'static {
    /// What such a word is called in an error.
    const WHAT: &'static str;
    /// All of them, in order.
    const WORDS: &'static [Self];

    /// Its name in files.
    fn name(self) -> &'static str;

    /// Its place in the list, from 0.
    fn index(self) -> usize;

    /// The word of this name.
    fn named(name: &str) -> Option<Self> {
        Self::WORDS.iter().copied().find(|word| word.name() == name)
    }
}

/// What is said of a name that no word of a set has.
fn unknown<W: Word>(name: &str) -> String {
    let names: Vec<&str> = W::WORDS.iter().map(|word| word.name()).collect();
    // Whoever wrote it may have written anything.
    let shown: String = name.chars().filter(|c| !c.is_control()).take(40).collect();
    format!("there is no {} `{shown}`: it is one of `{}`", W::WHAT, names.join("`, `"))
}

/// Reads a word by its name.
struct ByName<W>(std::marker::PhantomData<W>);

impl<W: Word> serde::de::Visitor<'_> for ByName<W> {
    type Value = W;

    fn expecting(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "the name of a {}", W::WHAT)
    }

    fn visit_str<E: serde::de::Error>(self, name: &str) -> Result<W, E> {
        W::named(name).ok_or_else(|| E::custom(unknown::<W>(name)))
    }
}

pub(crate) fn write<W: Word, S: serde::Serializer>(word: W, to: S) -> Result<S::Ok, S::Error> {
    if to.is_human_readable() {
        to.serialize_str(word.name())
    } else {
        to.serialize_u8(word.index() as u8)
    }
}

pub(crate) fn read<'de, W: Word, D: serde::Deserializer<'de>>(from: D) -> Result<W, D::Error> {
    use serde::{Deserialize, de::Error};
    if from.is_human_readable() {
        return from.deserialize_str(ByName(std::marker::PhantomData));
    }
    let place = u8::deserialize(from)?;
    let word = W::WORDS.get(usize::from(place)).copied();
    word.ok_or_else(|| D::Error::custom(format!("there is no {} {place}", W::WHAT)))
}

/// A closed set of words, one a line: `Variant = "name in files", "label for people";`, the label only where it is another.
macro_rules! vocabulary {
    (
        $(#[$about:meta])*
        $set:ident: $what:literal {
            $($(#[doc = $doc:literal])+ $(#[default$($default:tt)?])? $word:ident = $name:literal $(, $label:literal)?;)+
        }
    ) => {
        $(#[$about])*
        #[derive(Clone, Copy, Debug, Eq, Hash, Ord, PartialEq, PartialOrd)]
        #[repr(u8)]
        pub enum $set { $($(#[doc = $doc])+ $(#[default$($default)?])? $word),+ }

        impl $set {
            /// How many there are.
            pub const COUNT: usize = [$(Self::$word),+].len();
            /// All of them, in order.
            pub const ALL: [Self; Self::COUNT] = [$(Self::$word),+];

            /// Its name in files.
            pub const fn name(self) -> &'static str {
                match self { $(Self::$word => $name),+ }
            }

            /// What people read: its name, where it has nothing better.
            pub const fn label(self) -> &'static str {
                let words: &[&str] = match self { $(Self::$word => &[$name $(, $label)?]),+ };
                words[words.len() - 1]
            }

            /// What it means, in a sentence: its doc comment.
            pub const fn about(self) -> &'static str {
                match self { $(Self::$word => concat!($($doc),+)),+ }
            }

            /// Its name as a sentence has it: `false accept`.
            pub fn words(self) -> String {
                self.name().replace('_', " ")
            }
        }

        impl $crate::base::words::Word for $set {
            const WHAT: &'static str = $what;
            const WORDS: &'static [Self] = &Self::ALL;

            fn name(self) -> &'static str {
                self.name()
            }

            fn index(self) -> usize {
                self as usize
            }
        }

        impl std::fmt::Display for $set {
            fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
                f.pad(self.name())
            }
        }

        impl serde::Serialize for $set {
            fn serialize<S: serde::Serializer>(&self, to: S) -> Result<S::Ok, S::Error> {
                $crate::base::words::write(*self, to)
            }
        }

        impl<'de> serde::Deserialize<'de> for $set {
            fn deserialize<D: serde::Deserializer<'de>>(from: D) -> Result<Self, D::Error> {
                $crate::base::words::read(from)
            }
        }
    };
}
pub(crate) use vocabulary;

#[cfg(test)]
mod tests;
