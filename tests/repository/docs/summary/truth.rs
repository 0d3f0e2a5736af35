//! The tables against what is written and read.

use std::fs;

use serde_json::{Map, Value, json};
use tokenstorm::record::results::Summary;

use super::super::{documents, root};
use super::{
    Body, Choice, Found, Id, Kind, Name, Row, Section, Tables, sources, text::anchor, types::Types,
};

impl Tables<'_> {
    /// The table of a type.
    pub(super) fn known(&self, id: &Id) -> Found<&Section> {
        let missing = || format!("`{}::{}` has no table of its own", id.0, id.1);
        self.sections.iter().find(|section| section.id == *id).ok_or_else(missing)
    }

    fn top(&self) -> Kind {
        Kind::Own(self.sections[0].id.clone())
    }

    /// Something that has everything that the tables have, and says something at each key.
    fn sample(&self, kind: &Kind) -> Value {
        match kind {
            Kind::Text => json!("x"),
            Kind::Flag => json!(true),
            Kind::Whole => json!(1),
            Kind::Number | Kind::Time => json!(1.5),
            Kind::Word(set) => json!((set.words)()[0]),
            Kind::Null(of) => self.sample(of),
            Kind::Own(id) => self.samples(id)[0].clone(),
            Kind::List(of) => match &**of {
                Kind::Own(id) => Value::Array(self.samples(id)),
                of => json!([self.sample(of)]),
            },
            Kind::By(name, of) => {
                let names = match name {
                    Name::Any => vec!["x"],
                    Name::Number => vec!["1"],
                    Name::Word(set) => (set.words)(),
                };
                names.into_iter().map(|name| (name.to_owned(), self.sample(of))).collect()
            }
        }
    }

    /// The same of a type, in each form that it may have.
    fn samples(&self, id: &Id) -> Vec<Value> {
        let object = |rows: &[Row]| -> Map<String, Value> {
            rows.iter().map(|row| (row.key.clone(), self.sample(&row.kind))).collect()
        };
        match &self.known(id).unwrap().body {
            Body::Keys(rows) => vec![Value::Object(object(rows))],
            Body::Words(words) => words.iter().map(|(word, _)| json!(word)).collect(),
            Body::Tagged(tag, choices) => {
                let form = |choice: &Choice| {
                    let mut form = object(&choice.rows);
                    if let Some(id) = &choice.also
                        && let Value::Object(more) = self.samples(id)[0].clone()
                    {
                        form.extend(more);
                    }
                    form.insert(tag.clone(), json!(choice.word));
                    Value::Object(form)
                };
                choices.iter().map(form).collect()
            }
        }
    }

    /// What a value has that the tables do not, by its path.
    fn unlike(&self, value: &Value, kind: &Kind, path: &str) -> Vec<String> {
        let fits = match (kind, value) {
            (Kind::Null(of), _) if !value.is_null() => return self.unlike(value, of, path),
            (Kind::List(of), Value::Array(all)) => {
                return all.iter().flat_map(|one| self.unlike(one, of, path)).collect();
            }
            (Kind::By(name, of), Value::Object(all)) => {
                let one = |(key, one): (&String, &Value)| {
                    let path = format!("{path}.{key}");
                    if name.fits(key) { self.unlike(one, of, &path) } else { vec![path] }
                };
                return all.iter().flat_map(one).collect();
            }
            (Kind::Own(id), _) => return self.unlike_own(value, id, path),
            (Kind::Word(set), Value::String(word)) => (set.words)().contains(&word.as_str()),
            (Kind::Time, Value::String(text)) => text.starts_with('>'),
            (Kind::Null(_), Value::Null)
            | (Kind::Text, Value::String(_))
            | (Kind::Flag, Value::Bool(_))
            | (Kind::Number | Kind::Time, Value::Number(_)) => true,
            (Kind::Whole, Value::Number(number)) => number.is_u64(),
            _ => false,
        };
        if fits { Vec::new() } else { vec![format!("{path}: {value}")] }
    }

    fn unlike_own(&self, value: &Value, id: &Id, path: &str) -> Vec<String> {
        let body = &self.known(id).unwrap().body;
        let (rows, tag) = match (body, value) {
            (Body::Words(words), Value::String(word))
                if words.iter().any(|(known, _)| known == word) =>
            {
                return Vec::new();
            }
            (Body::Keys(rows), Value::Object(_)) => (rows.iter().collect::<Vec<_>>(), ""),
            (Body::Tagged(tag, choices), Value::Object(all)) => {
                let is_it = |choice: &&Choice| Some(choice.word.as_str()) == all[tag].as_str();
                let Some(choice) = choices.iter().find(is_it) else {
                    return vec![format!("{path}: {value}")];
                };
                let also = choice.also.as_ref().map(|id| self.known(id).unwrap().body.rows());
                (choice.rows.iter().chain(also.unwrap_or_default()).collect(), tag.as_str())
            }
            _ => return vec![format!("{path}: {value}")],
        };
        let all = value.as_object().unwrap().iter().filter(|(key, _)| *key != tag);
        all.flat_map(|(key, one)| {
            let path = format!("{path}.{key}");
            match rows.iter().find(|row| row.key == *key) {
                Some(row) => self.unlike(one, &row.kind, &path),
                None => vec![path],
            }
        })
        .collect()
    }
}

impl Name {
    fn fits(self, key: &str) -> bool {
        match self {
            Self::Any => true,
            Self::Number => key.parse::<u64>().is_ok(),
            Self::Word(set) => (set.words)().contains(&key),
        }
    }
}

#[test]
fn a_summary_that_has_every_key_of_the_reference_is_read_and_written_as_it_is() {
    let types = sources();
    let tables = Tables::of(&types).unwrap();
    let sample = tables.sample(&tables.top());
    let read: Summary = serde_json::from_value(sample.clone()).unwrap();
    let written = serde_json::to_value(read).unwrap();
    assert_eq!(written, sample);
}

#[test]
fn an_empty_summary_has_every_key_that_the_reference_does_not_leave_out() {
    let types = sources();
    let tables = Tables::of(&types).unwrap();
    let written = serde_json::to_value(Summary::default()).unwrap();
    let always = tables.sections[0].body.rows().into_iter().filter(|row| row.left_out.is_none());
    let always: Vec<&str> = always.map(|row| row.key.as_str()).collect();
    let mut keys: Vec<&str> = written.as_object().unwrap().keys().map(String::as_str).collect();
    keys.sort_by_key(|key| always.iter().position(|known| known == key));
    assert_eq!(keys, always);
}

#[test]
fn every_key_of_the_newest_summary_that_is_kept_stands_in_the_reference() {
    let types = sources();
    let tables = Tables::of(&types).unwrap();
    let kept = fs::read_dir(root().join("tests/formats")).unwrap().filter_map(|entry| {
        let text = fs::read_to_string(entry.unwrap().path().join("summary.json")).ok()?;
        Some(serde_json::from_str::<Value>(&text).unwrap())
    });
    // Older ones may have keys that are dropped since.
    let newest = kept.max_by_key(|summary| summary["started_at"].to_string()).unwrap();
    assert_eq!(tables.unlike(&newest, &tables.top(), ""), Vec::<String>::new());
}

#[test]
fn every_link_to_a_table_of_the_reference_leads_to_its_heading() {
    let types = sources();
    let text = Tables::of(&types).unwrap().text().unwrap();
    let headings: Vec<String> =
        text.lines().filter_map(|line| Some(anchor(line.strip_prefix("## ")?))).collect();
    let within = text.split("](#").skip(1).map(|rest| ("summary.md".to_owned(), rest.to_owned()));
    let from_others = documents().into_iter().flat_map(|document| {
        let text = fs::read_to_string(&document).unwrap();
        let links = text.split("](summary.md#").skip(1).map(str::to_owned).collect::<Vec<_>>();
        links.into_iter().map(move |rest| (document.display().to_string(), rest))
    });
    let mut count = 0;
    for (document, rest) in within.chain(from_others) {
        let to = rest.split(')').next().unwrap();
        assert!(headings.iter().any(|heading| heading == to), "{document} leads to `#{to}`");
        count += 1;
    }
    assert!(count > headings.len(), "{count} links");
}

#[test]
fn what_the_tables_cannot_follow_is_named() {
    let cases = [
        ("pub bare: u64,", "`summary::Summary.bare` has no doc comment"),
        ("/// A.\n#[serde(flatten)] pub more: u64,", "`summary::Summary.more`: `serde(flatten)`"),
        ("/// A.\n#[serde(with = \"x\")] pub a: u64,", "`summary::Summary.a`: `serde(with)`"),
        ("/// A.\n#[serde(skip_serializing_if = \"is_odd\")] pub a: u64,", "`is_odd`"),
        ("/// A.\npub pair: (u64, u64),", "`summary::Summary.pair` is of a type without a name"),
        ("/// A.\npub other: Other,", "`summary` names `Other`, which no source has"),
        ("/// A.\npub hand: Hand,", "`summary::Hand` does not derive `Serialize`"),
        ("/// A.\npub loose: Loose,", "`summary::Loose`: `serde(untagged)`"),
        ("/// A.\npub by: BTreeMap<bool, u64>,", "a map by `bool`"),
        ("/// Of [`Self`].\npub a: u64,", "`summary::Summary.a`: a page can't follow links"),
    ];
    for (field, named) in cases {
        let text = format!(
            "/// It.\n#[derive(Serialize)]\npub struct Summary {{ {field} }}\n\
             /// It.\npub struct Hand {{}}\n\
             /// It.\n#[derive(Serialize)]\n#[serde(untagged)]\npub enum Loose {{ }}"
        );
        let types = Types::of(&[("summary".to_owned(), text)]).unwrap();
        let error = Tables::of(&types).err().unwrap_or_default();
        assert!(error.contains(named), "{field}: {error}");
    }
}
