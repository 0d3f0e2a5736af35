//! The tables as Markdown.

use super::{Body, Choice, Found, Id, Kind, Name, Row, Section, Set, Tables};

impl Tables<'_> {
    /// All of them, a heading each.
    pub(super) fn text(&self) -> Found<String> {
        self.sections.iter().map(|section| self.section_text(section)).collect()
    }

    fn section_text(&self, section: &Section) -> Found<String> {
        let heading = match section.heading() {
            "" => "At the top".to_owned(),
            heading => format!("`{heading}`"),
        };
        let (things, head) = match section.body {
            Body::Words(_) => ("words", "| word | what it means |\n|---|---|\n"),
            _ => ("keys", "| key | value | what it is |\n|---|---|---|\n"),
        };
        let others: Vec<String> =
            section.paths.iter().skip(1).map(|path| format!("`{path}`")).collect();
        let also = match &others[..] {
            [] => String::new(),
            others => format!(" The same {things} are in {}.", others.join(", ")),
        };
        let rows = self.body_text(&section.body)?;
        Ok(format!("## {heading}\n\n{}{also}\n\n{head}{rows}\n", section.about))
    }

    fn body_text(&self, body: &Body) -> Found<String> {
        match body {
            Body::Keys(rows) => rows.iter().map(|row| self.row_text(row, "")).collect(),
            Body::Words(words) => {
                let row = |(word, about): &(String, String)| format!("| `{word}` | {about} |\n");
                Ok(words.iter().map(row).collect::<Vec<_>>().concat())
            }
            Body::Tagged(tag, choices) => {
                choices.iter().map(|choice| self.choice_text(tag, choice)).collect()
            }
        }
    }

    /// The row of the word, and those of the keys beside it.
    fn choice_text(&self, tag: &str, choice: &Choice) -> Found<String> {
        let Choice { word, about, rows, also } = choice;
        let also = match also {
            Some(id) => format!(" The keys of {} are beside it.", self.link(id)?),
            None => String::new(),
        };
        let of = format!(" of `{word}`");
        let rows = rows.iter().map(|row| self.row_text(row, &of)).collect::<Found<String>>()?;
        Ok(format!("| `{tag}` | `{word}` | {about}{also} |\n{rows}"))
    }

    fn row_text(&self, row: &Row, of: &str) -> Found<String> {
        let left_out = row.left_out.map(|when| format!("; {when}")).unwrap_or_default();
        let value = self.value(&row.kind)?;
        Ok(format!("| `{}`{of} | {value}{left_out} | {} |\n", row.key, row.about))
    }

    /// What stands at a key, in words.
    fn value(&self, kind: &Kind) -> Found<String> {
        Ok(match kind {
            Kind::Text => "text".to_owned(),
            Kind::Flag => "true or false".to_owned(),
            Kind::Whole => "whole number".to_owned(),
            Kind::Number => "number".to_owned(),
            Kind::Time => "number or text `>...`".to_owned(),
            Kind::Word(set) => set.link(),
            Kind::Own(id) if matches!(self.known(id)?.body, Body::Words(_)) => {
                format!("word of {}", self.link(id)?)
            }
            Kind::Own(id) => format!("object {}", self.link(id)?),
            Kind::List(of) => format!("list: {}", self.value(of)?),
            Kind::By(name, of) => {
                let name = match name {
                    Name::Any => "name".to_owned(),
                    Name::Number => "number".to_owned(),
                    Name::Word(set) => set.link(),
                };
                format!("object by {name}: {}", self.value(of)?)
            }
            Kind::Null(of) => {
                let or = if matches!(**of, Kind::Flag | Kind::Time) { "," } else { " or" };
                format!("null{or} {}", self.value(of)?)
            }
        })
    }

    /// A link to a table.
    fn link(&self, id: &Id) -> Found<String> {
        let heading = self.known(id)?.heading();
        Ok(format!("[`{heading}`](#{})", anchor(heading)))
    }
}

/// Where a link to a heading leads, as GitHub makes it.
pub(in super::super) fn anchor(heading: &str) -> String {
    let kept = heading.to_lowercase().replace(' ', "-");
    kept.chars().filter(|it| it.is_alphanumeric() || "-_".contains(*it)).collect()
}

impl Section {
    fn heading(&self) -> &str {
        &self.paths[0]
    }
}

impl Set {
    fn link(&self) -> String {
        format!("[{}](words.md#{})", self.what, self.anchor)
    }
}
