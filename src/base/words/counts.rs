//! How often each word of a set came.

use std::{
    fmt,
    marker::PhantomData,
    ops::{AddAssign, Index, IndexMut},
};

use serde::{
    Deserialize, Deserializer, Serialize, Serializer,
    de::{MapAccess, Visitor},
    ser::SerializeMap,
};

use super::{Word, unknown};

/// How often each word of a set came; in files a table with every name, in the order of the set.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct Counts<W> {
    by: Vec<u64>,
    of: PhantomData<W>,
}

impl<W: Word> Counts<W> {
    /// How many in all.
    pub fn sum(&self) -> u64 {
        self.by.iter().copied().fold(0, u64::saturating_add)
    }

    /// Each word with its count, in order.
    pub fn iter(&self) -> impl Iterator<Item = (W, u64)> {
        W::WORDS.iter().copied().zip(self.by.iter().copied())
    }

    /// How many of the words that are asked for.
    pub fn of(&self, is_wanted: impl Fn(W) -> bool) -> u64 {
        let wanted = self.iter().filter(|(word, _)| is_wanted(*word));
        wanted.map(|(_, count)| count).fold(0, u64::saturating_add)
    }
}

impl<W: Word> Default for Counts<W> {
    fn default() -> Self {
        Self { by: vec![0; W::WORDS.len()], of: PhantomData }
    }
}

impl<W: Word> Index<W> for Counts<W> {
    type Output = u64;

    fn index(&self, word: W) -> &u64 {
        &self.by[word.index()]
    }
}

impl<W: Word> IndexMut<W> for Counts<W> {
    fn index_mut(&mut self, word: W) -> &mut u64 {
        &mut self.by[word.index()]
    }
}

impl<W: Word> AddAssign<&Self> for Counts<W> {
    fn add_assign(&mut self, other: &Self) {
        self.by.iter_mut().zip(&other.by).for_each(|(own, more)| *own += more);
    }
}

impl<W: Word> FromIterator<(W, u64)> for Counts<W> {
    fn from_iter<I: IntoIterator<Item = (W, u64)>>(all: I) -> Self {
        let mut counts = Self::default();
        for (word, count) in all {
            counts[word] += count;
        }
        counts
    }
}

impl<W: Word> Serialize for Counts<W> {
    fn serialize<S: Serializer>(&self, to: S) -> Result<S::Ok, S::Error> {
        let mut map = to.serialize_map(Some(self.by.len()))?;
        for (word, count) in self.iter() {
            map.serialize_entry(word.name(), &count)?;
        }
        map.end()
    }
}

impl<'de, W: Word> Deserialize<'de> for Counts<W> {
    fn deserialize<D: Deserializer<'de>>(from: D) -> Result<Self, D::Error> {
        from.deserialize_map(ByName(PhantomData))
    }
}

/// Reads counts: what is missing is 0, as files of before had fewer words.
struct ByName<W>(PhantomData<W>);

impl<'de, W: Word> Visitor<'de> for ByName<W> {
    type Value = Counts<W>;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "counts by {}", W::WHAT)
    }

    fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<Counts<W>, A::Error> {
        let mut counts = Counts::default();
        while let Some(name) = map.next_key::<std::borrow::Cow<'_, str>>()? {
            let word =
                W::named(&name).ok_or_else(|| serde::de::Error::custom(unknown::<W>(&name)))?;
            counts[word] = map.next_value()?;
        }
        Ok(counts)
    }
}

#[cfg(test)]
mod tests {
    use super::{super::Verdict, *};

    #[test]
    fn counts_have_every_name_in_files_and_are_read_where_some_are_missing() {
        let counts: Counts<Verdict> =
            [(Verdict::FalseAccept, 2), (Verdict::Correct, 5)].into_iter().collect();
        assert_eq!((counts.sum(), counts[Verdict::NotJudged]), (7, 0));
        assert_eq!(counts.of(Verdict::is_wrong), 2);
        let text = serde_json::to_string(&counts).unwrap();
        assert!(
            text.starts_with("{\"correct\":5,\"false_accept\":2,\"false_reject\":0,"),
            "{text}"
        );
        assert_eq!(serde_json::from_str::<Counts<Verdict>>(&text).unwrap(), counts);
        let few = "{\"false_accept\":2,\"correct\":5}";
        assert_eq!(serde_json::from_str::<Counts<Verdict>>(few).unwrap(), counts);
        let error = serde_json::from_str::<Counts<Verdict>>("{\"corect\":1}").unwrap_err();
        assert!(error.to_string().contains("no verdict `corect`"), "{error}");
    }
}
