//! Types as `serde` writes them into files, read from their sources. What it can't follow is an error that names the place.

use std::{collections::BTreeMap, fs, path::Path};

use syn::{
    Attribute, Data, DeriveInput, Expr, ExprLit, Field, Fields, GenericArgument, Ident, Lit,
    LitStr, Meta, PathArguments, Token, Type, Variant, Visibility,
    parse::{Parse, ParseStream, discouraged::Speculative},
};

use super::super::cell;

pub(crate) type Found<T> = Result<T, String>;
/// A type: the file that defines it, and its name.
pub(crate) type Id = (String, String);

/// A type as a source names it, such as `BTreeMap<Phase, PhaseStats>`.
pub(crate) struct Named {
    pub(crate) path: Vec<String>,
    pub(crate) of: Vec<Self>,
}

/// What a type is in a file.
pub(crate) enum Shape {
    /// An object with these keys.
    Keys(Vec<Key>),
    /// One of several objects; the key of this name says which.
    Tagged(String, Vec<Case>),
    /// One of these words, each with what it means.
    Words(Vec<(String, String)>),
    /// Another type.
    Alias(Named),
}

/// A key of an object.
pub(crate) struct Key {
    pub(crate) name: String,
    pub(crate) about: String,
    pub(crate) of: Named,
    /// The function that says when it is left out.
    pub(crate) left_out: Option<String>,
}

/// One of several objects.
pub(crate) struct Case {
    pub(crate) word: String,
    pub(crate) about: String,
    pub(crate) keys: Vec<Key>,
    /// The type whose keys it has beside these.
    pub(crate) also: Option<Named>,
}

/// The types of some sources.
pub(crate) struct Types(BTreeMap<Id, Item>);

enum Item {
    Type(DeriveInput),
    Alias(Type),
}

/// The types of one source, those within functions and modules left out.
struct Source(Vec<(String, Item)>);

impl Parse for Source {
    fn parse(input: ParseStream<'_>) -> syn::Result<Self> {
        let mut items = Vec::new();
        while !input.is_empty() {
            let ahead = input.fork();
            if let Ok(found) = ahead.parse::<DeriveInput>() {
                items.push((found.ident.to_string(), Item::Type(found)));
                input.advance_to(&ahead);
                continue;
            }
            let ahead = input.fork();
            if let Ok((name, to)) = alias(&ahead) {
                items.push((name.to_string(), Item::Alias(to)));
                input.advance_to(&ahead);
                continue;
            }
            input.step(|cursor| {
                cursor
                    .token_tree()
                    .map(|(_, rest)| ((), rest))
                    .ok_or_else(|| cursor.error("an end"))
            })?;
        }
        Ok(Self(items))
    }
}

fn alias(input: ParseStream<'_>) -> syn::Result<(Ident, Type)> {
    input.parse::<Visibility>()?;
    input.parse::<Token![type]>()?;
    let name = input.parse()?;
    input.parse::<Token![=]>()?;
    Ok((name, input.parse()?))
}

impl Types {
    /// The types of the sources of a folder.
    pub(crate) fn read(folder: &Path) -> Found<Self> {
        let mut sources = Vec::new();
        for entry in fs::read_dir(folder).map_err(|error| error.to_string())? {
            let path = entry.map_err(|error| error.to_string())?.path();
            if path.extension().is_some_and(|extension| extension == "rs") {
                let module = path.file_stem().unwrap_or_default().to_string_lossy().into_owned();
                let text = fs::read_to_string(&path).map_err(|error| error.to_string())?;
                sources.push((module, text));
            }
        }
        Self::of(&sources)
    }

    /// The types of sources, each with the name of its module.
    pub(crate) fn of(sources: &[(String, String)]) -> Found<Self> {
        let mut all = BTreeMap::new();
        for (module, text) in sources {
            let source: Source =
                syn::parse_str(text).map_err(|error| format!("`{module}`: {error}"))?;
            for (name, item) in source.0 {
                all.insert((module.clone(), name), item);
            }
        }
        Ok(Self(all))
    }

    /// The type of this name in a module.
    pub(crate) fn within(&self, module: &str, name: &str) -> Option<Id> {
        let id = (module.to_owned(), name.to_owned());
        self.0.contains_key(&id).then_some(id)
    }

    /// The type that a module means: by its path, or the only one of its name.
    pub(crate) fn find(&self, named: &Named, module: &str) -> Found<Id> {
        let name = named.name();
        let parent = named.path.len().checked_sub(2).map_or(module, |at| &named.path[at]);
        if let Some(id) = self.within(parent, name) {
            return Ok(id);
        }
        let of_name: Vec<&Id> = self.0.keys().filter(|(_, other)| other == name).collect();
        match of_name[..] {
            [only] => Ok(only.clone()),
            [] => Err(format!("`{module}` names `{name}`, which no source has")),
            _ => Err(format!("`{module}` names `{name}`, which several have: {of_name:?}")),
        }
    }

    /// What a type is in a file, with its doc comment.
    pub(crate) fn shape(&self, id: &Id) -> Found<(String, Shape)> {
        let place = format!("{}::{}", id.0, id.1);
        let input = match self.0.get(id) {
            None => return Err(format!("no source has `{place}`")),
            Some(Item::Alias(to)) => return Ok((String::new(), Shape::Alias(named(to, &place)?))),
            Some(Item::Type(input)) => input,
        };
        if !is_derived(&input.attrs) {
            return Err(format!("`{place}` does not derive `Serialize`"));
        }
        let about = about(&input.attrs, &place)?;
        let serde = Serde::of(&input.attrs, &place)?;
        let shape = match (&input.data, serde.tag.clone()) {
            (Data::Struct(it), None) if serde.rename_all.is_none() => {
                Shape::Keys(keys(&it.fields, &place)?)
            }
            (Data::Enum(it), Some(tag)) => {
                let cases = it.variants.iter().map(|variant| case(variant, &serde, &place));
                Shape::Tagged(tag, cases.collect::<Found<_>>()?)
            }
            (Data::Enum(it), None)
                if it.variants.iter().all(|variant| variant.fields.is_empty()) =>
            {
                let words = it.variants.iter().map(|variant| {
                    case(variant, &serde, &place).map(|case| (case.word, case.about))
                });
                Shape::Words(words.collect::<Found<_>>()?)
            }
            _ => return Err(format!("`{place}` is of a form that the tables do not know")),
        };
        Ok((about, shape))
    }
}

impl Named {
    /// Its name without the path.
    pub(crate) fn name(&self) -> &str {
        self.path.last().map_or("", String::as_str)
    }
}

/// What `serde` is told of a type, a variant or a field.
#[derive(Default)]
struct Serde {
    rename: Option<String>,
    rename_all: Option<String>,
    tag: Option<String>,
    left_out: Option<String>,
    is_skipped: bool,
}

impl Serde {
    fn of(attributes: &[Attribute], place: &str) -> Found<Self> {
        let mut own = Self::default();
        if attributes.iter().any(|it| it.path().is_ident("cfg_attr")) {
            return Err(format!("`{place}` has `cfg_attr`, which may change how it is written"));
        }
        for attribute in attributes.iter().filter(|it| it.path().is_ident("serde")) {
            let told = attribute.parse_nested_meta(|meta| {
                let word = meta.path.get_ident().map(ToString::to_string).unwrap_or_default();
                let text = || meta.value()?.parse::<LitStr>().map(|text| text.value());
                match word.as_str() {
                    "rename" => own.rename = Some(text()?),
                    "rename_all" => own.rename_all = Some(text()?),
                    "tag" => own.tag = Some(text()?),
                    "skip_serializing_if" => own.left_out = Some(text()?),
                    "skip" | "skip_serializing" => own.is_skipped = true,
                    // What files are read with.
                    "default" if meta.input.peek(Token![=]) => drop(text()?),
                    "default" => {}
                    _ => return Err(meta.error(format!("`serde({word})` is not followed"))),
                }
                Ok(())
            });
            told.map_err(|error| format!("`{place}`: {error}"))?;
        }
        Ok(own)
    }
}

fn keys(fields: &Fields, place: &str) -> Found<Vec<Key>> {
    match fields {
        Fields::Named(fields) => {
            fields.named.iter().filter_map(|field| key(field, place).transpose()).collect()
        }
        Fields::Unit => Ok(Vec::new()),
        Fields::Unnamed(_) => Err(format!("`{place}` has fields without names")),
    }
}

/// The key that a field is; none of one that is not written.
fn key(field: &Field, place: &str) -> Found<Option<Key>> {
    let name = field.ident.as_ref().map(ToString::to_string).unwrap_or_default();
    let place = format!("{place}.{name}");
    let serde = Serde::of(&field.attrs, &place)?;
    if serde.is_skipped {
        return Ok(None);
    }
    Ok(Some(Key {
        name: serde.rename.unwrap_or(name),
        about: about(&field.attrs, &place)?,
        of: named(&field.ty, &place)?,
        left_out: serde.left_out,
    }))
}

fn case(variant: &Variant, all: &Serde, place: &str) -> Found<Case> {
    let name = variant.ident.to_string();
    let place = format!("{place}::{name}");
    let own = Serde::of(&variant.attrs, &place)?;
    if own.is_skipped {
        return Err(format!("`{place}` is not written, and what is in its place is not known"));
    }
    let also = match &variant.fields {
        Fields::Unnamed(fields) if fields.unnamed.len() == 1 => {
            Some(named(&fields.unnamed[0].ty, &place)?)
        }
        _ => None,
    };
    Ok(Case {
        word: match own.rename {
            Some(word) => word,
            None => in_case(&name, all.rename_all.as_deref(), &place)?,
        },
        about: about(&variant.attrs, &place)?,
        keys: if also.is_some() { Vec::new() } else { keys(&variant.fields, &place)? },
        also,
    })
}

/// The name of a variant as `rename_all` has it.
fn in_case(name: &str, rule: Option<&str>, place: &str) -> Found<String> {
    match rule {
        None => Ok(name.to_owned()),
        Some("lowercase") => Ok(name.to_lowercase()),
        Some("snake_case") => {
            let parted = name.chars().map(|letter| {
                let mark = if letter.is_uppercase() { "_" } else { "" };
                format!("{mark}{}", letter.to_lowercase())
            });
            Ok(parted.collect::<String>().trim_start_matches('_').to_owned())
        }
        Some(other) => Err(format!("`{place}`: `rename_all = \"{other}\"` is not followed")),
    }
}

/// The doc comment, in one line; an error where there is none.
fn about(attributes: &[Attribute], place: &str) -> Found<String> {
    let mut told = String::new();
    for attribute in attributes.iter().filter(|it| it.path().is_ident("doc")) {
        if let Meta::NameValue(meta) = &attribute.meta
            && let Expr::Lit(ExprLit { lit: Lit::Str(text), .. }) = &meta.value
        {
            told.push_str(&text.value());
            told.push('\n');
        }
    }
    let told = cell(&told);
    match &told {
        it if it.is_empty() => Err(format!("`{place}` has no doc comment")),
        it if it.contains("[`") => Err(format!("`{place}`: a page can't follow links into code")),
        _ => Ok(told),
    }
}

fn is_derived(attributes: &[Attribute]) -> bool {
    let mut is_it = false;
    for attribute in attributes.iter().filter(|it| it.path().is_ident("derive")) {
        let told = attribute.parse_nested_meta(|meta| {
            is_it |= meta.path.segments.last().is_some_and(|it| it.ident == "Serialize");
            Ok(())
        });
        is_it &= told.is_ok();
    }
    is_it
}

fn named(of: &Type, place: &str) -> Found<Named> {
    let Type::Path(path) = of else {
        return Err(format!("`{place}` is of a type without a name"));
    };
    let mut own = Named { path: Vec::new(), of: Vec::new() };
    for segment in &path.path.segments {
        own.path.push(segment.ident.to_string());
        match &segment.arguments {
            PathArguments::None => {}
            PathArguments::AngleBracketed(arguments) => {
                for argument in &arguments.args {
                    let GenericArgument::Type(of) = argument else {
                        return Err(format!("`{place}` is of something that is no type"));
                    };
                    own.of.push(named(of, place)?);
                }
            }
            PathArguments::Parenthesized(_) => return Err(format!("`{place}` is a function")),
        }
    }
    Ok(own)
}
