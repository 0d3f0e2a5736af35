//! The keys of `summary.json` as tables, from the types that are written into it.

pub(super) mod text;
mod truth;
mod types;

use std::collections::VecDeque;

use tokenstorm::base::words::{
    Conclusion, LimitedBy, Operation, OperationOutcome, OutcomeKind, Phase, Tone, Validity, Verdict,
};

use self::types::{Case, Found, Id, Key, Named, Shape, Types};
use super::{hold, root};

/// The types that the tables are made of.
fn sources() -> Types {
    Types::read(&root().join("src/record/results")).unwrap()
}

#[test]
fn every_key_of_the_summary_stands_in_the_reference_with_its_doc_comment() {
    let types = sources();
    hold("docs/summary.md", "keys", &Tables::of(&types).unwrap().text().unwrap());
}

/// A set of words that docs/words.md has.
struct Set {
    name: &'static str,
    /// What one of them is called.
    what: &'static str,
    anchor: &'static str,
    words: fn() -> Vec<&'static str>,
}

macro_rules! sets {
    ($($set:ident: $what:literal, $anchor:literal;)+) => {
        [$(Set {
            name: stringify!($set),
            what: $what,
            anchor: $anchor,
            words: || $set::ALL.map($set::name).to_vec(),
        }),+]
    };
}

static SETS: [Set; 9] = sets! {
    Phase: "phase", "phases";
    OutcomeKind: "outcome", "outcomes";
    Verdict: "verdict", "verdicts";
    Operation: "operation", "operations";
    OperationOutcome: "outcome", "outcomes-of-operations";
    Validity: "validity", "validity";
    Conclusion: "conclusion", "conclusions";
    Tone: "tone", "tones";
    LimitedBy: "limit", "limits-of-a-search";
};

/// What stands at a key.
enum Kind {
    Text,
    Flag,
    Whole,
    Number,
    /// A number, or `>` and a bound as text.
    Time,
    Word(&'static Set),
    /// What has a table of its own.
    Own(Id),
    List(Box<Self>),
    By(Name, Box<Self>),
    Null(Box<Self>),
}

/// What the names in an object are.
#[derive(Clone, Copy)]
enum Name {
    Any,
    Number,
    Word(&'static Set),
}

struct Row {
    key: String,
    about: String,
    kind: Kind,
    left_out: Option<&'static str>,
}

struct Choice {
    word: String,
    about: String,
    rows: Vec<Row>,
    also: Option<Id>,
}

enum Body {
    Keys(Vec<Row>),
    Tagged(String, Vec<Choice>),
    Words(Vec<(String, String)>),
}

struct Section {
    id: Id,
    /// Where it stands in the file; the first one is its heading.
    paths: Vec<String>,
    about: String,
    body: Body,
}

/// The tables of a type and of all that it leads to, in the order in which they are met.
struct Tables<'a> {
    types: &'a Types,
    sections: Vec<Section>,
}

impl<'a> Tables<'a> {
    /// Those of `Summary`.
    fn of(types: &'a Types) -> Found<Self> {
        let mut tables = Self { types, sections: Vec::new() };
        let top = ("summary".to_owned(), "Summary".to_owned());
        let mut queue = VecDeque::from([(String::new(), top)]);
        while let Some((path, id)) = queue.pop_front() {
            if let Some(known) = tables.sections.iter_mut().find(|section| section.id == id) {
                known.paths.push(path);
                continue;
            }
            let section = tables.section(path.clone(), id)?;
            queue.extend(section.body.leads_to(&path));
            tables.sections.push(section);
        }
        Ok(tables)
    }

    fn section(&self, path: String, id: Id) -> Found<Section> {
        let (about, shape) = self.types.shape(&id)?;
        let module = &id.0;
        let body = match shape {
            Shape::Keys(keys) => Body::Keys(self.rows(keys, module)?),
            Shape::Words(words) => Body::Words(words),
            Shape::Tagged(tag, cases) => {
                let choices = cases.into_iter().map(|case| self.choice(case, module));
                Body::Tagged(tag, choices.collect::<Found<_>>()?)
            }
            Shape::Alias(_) => return Err(format!("`{}` is another name", id.1)),
        };
        Ok(Section { id, paths: vec![path], about, body })
    }

    fn choice(&self, case: Case, module: &str) -> Found<Choice> {
        let also = case.also.map(|named| self.types.find(&named, module)).transpose()?;
        let rows = self.rows(case.keys, module)?;
        Ok(Choice { word: case.word, about: case.about, rows, also })
    }

    fn rows(&self, keys: Vec<Key>, module: &str) -> Found<Vec<Row>> {
        let row = |key: Key| -> Found<Row> {
            let kind = self.kind(&key.of, module)?;
            let left_out = key.left_out.as_deref().map(left_out).transpose()?;
            // What is left out is never null.
            let kind = match kind {
                Kind::Null(kind) if key.left_out.as_deref() == Some("Option::is_none") => *kind,
                kind => kind,
            };
            Ok(Row { key: key.name, about: key.about, kind, left_out })
        };
        keys.into_iter().map(row).collect()
    }

    /// What a type is at a key of a module's type.
    fn kind(&self, named: &Named, module: &str) -> Found<Kind> {
        let of = |at: usize| {
            let missing = || format!("`{module}` names `{}` without its parts", named.name());
            named.of.get(at).ok_or_else(missing)
        };
        let inner = |at: usize| self.kind(of(at)?, module).map(Box::new);
        let is_own = named.path.len() == 1 && self.types.within(module, named.name()).is_some();
        let kind = match named.name() {
            _ if is_own => self.own(named, module)?,
            "String" => Kind::Text,
            "bool" => Kind::Flag,
            // `Exit` is written as its code.
            "u8" | "u16" | "u32" | "u64" | "usize" | "Exit" => Kind::Whole,
            "f64" => Kind::Number,
            "Option" => Kind::Null(inner(0)?),
            "Box" => *inner(0)?,
            "Vec" => Kind::List(inner(0)?),
            "BTreeMap" => Kind::By(names(of(0)?, module)?, inner(1)?),
            // Each word of the set, with its count.
            "Counts" => Kind::By(names(of(0)?, module)?, Box::new(Kind::Whole)),
            name => match set(name) {
                Some(set) => Kind::Word(set),
                None => self.own(named, module)?,
            },
        };
        Ok(kind)
    }

    /// What a type of the sources is: some are written by hand.
    fn own(&self, named: &Named, module: &str) -> Found<Kind> {
        let id = self.types.find(named, module)?;
        match (id.0.as_str(), id.1.as_str()) {
            ("time", "Percentile") => return Ok(Kind::Time),
            ("reason", "Reason") => return Ok(Kind::Text),
            _ => {}
        }
        match self.types.shape(&id)? {
            (_, Shape::Alias(to)) => self.kind(&to, &id.0),
            _ => Ok(Kind::Own(id)),
        }
    }
}

impl Body {
    /// The tables that it leads to, each with its path.
    fn leads_to(&self, path: &str) -> Vec<(String, Id)> {
        let of = |rows: &[Row], path: &str| -> Vec<(String, Id)> {
            let dot = if path.is_empty() { "" } else { "." };
            let led = |row: &Row| row.kind.leads_to(format!("{path}{dot}{}", row.key));
            rows.iter().filter_map(led).collect()
        };
        match self {
            Self::Keys(rows) => of(rows, path),
            Self::Tagged(_, choices) => {
                let place = path.trim_end_matches("[]");
                let led = |it: &Choice| of(&it.rows, &format!("{place}[{}]", it.word));
                choices.iter().flat_map(led).collect()
            }
            Self::Words(_) => Vec::new(),
        }
    }

    /// Its keys, those of all its objects.
    fn rows(&self) -> Vec<&Row> {
        match self {
            Self::Keys(rows) => rows.iter().collect(),
            Self::Tagged(_, choices) => choices.iter().flat_map(|choice| &choice.rows).collect(),
            Self::Words(_) => Vec::new(),
        }
    }
}

impl Kind {
    /// The table that it leads to, with the path at which it stands.
    fn leads_to(&self, path: String) -> Option<(String, Id)> {
        match self {
            Self::Own(id) => Some((path, id.clone())),
            Self::List(of) => of.leads_to(format!("{path}[]")),
            Self::By(name, of) => of.leads_to(format!("{path}.{}", name.place())),
            Self::Null(of) => of.leads_to(path),
            _ => None,
        }
    }
}

impl Name {
    /// What stands for it in a path.
    fn place(self) -> String {
        match self {
            Self::Any => "NAME".to_owned(),
            Self::Number => "NUMBER".to_owned(),
            Self::Word(set) => set.what.to_uppercase(),
        }
    }
}

fn set(name: &str) -> Option<&'static Set> {
    SETS.iter().find(|set| set.name == name)
}

/// What the names in a map are.
fn names(named: &Named, module: &str) -> Found<Name> {
    match named.name() {
        "String" => Ok(Name::Any),
        "u8" => Ok(Name::Number),
        name => match set(name) {
            Some(set) => Ok(Name::Word(set)),
            None => Err(format!("`{module}` has a map by `{name}`, which is not known")),
        },
    }
}

/// When a key is left out, by the function that says so.
fn left_out(function: &str) -> Found<&'static str> {
    match function {
        "Option::is_none" => Ok("left out if there is none"),
        "is_zero" => Ok("left out if it is 0"),
        "Vec::is_empty" | "BTreeMap::is_empty" => Ok("left out if it is empty"),
        "std::ops::Not::not" => Ok("left out if it is false"),
        "super::operations::Lifetime::is_empty" => Ok("left out if `expired` is 0"),
        _ => Err(format!("when `{function}` leaves a key out is not known")),
    }
}
