//! The border between texts and what shows them. Parts of a text may come from a broker, a server, an agent or a file, and
//! may hold characters that steer a terminal, hide what follows or turn its order round; none of them passes.
//!
//! Colours of the program's own are marked with a number that nobody else knows ([`Paint`]), and only become escape
//! sequences where the text leaves for the terminal ([`shown`]).

use std::{
    fmt::{self, Display, Write},
    hash::{BuildHasher, RandomState},
    sync::LazyLock,
};

use crate::base::window;

/// Whether a character steers whatever shows it, or is not seen at all (Unicode 17, category Cc without line feeds and
/// tabulators, the bidirectional controls of UAX #9, and the invisible ones of category Cf and of `Default_Ignorable`).
pub fn steers(c: char) -> bool {
    match c {
        '\n' | '\t' | ' '..='~' => false,
        '\u{ad}'
        | '\u{34f}'
        | '\u{61c}'
        | '\u{115f}'
        | '\u{1160}'
        | '\u{17b4}'
        | '\u{17b5}'
        | '\u{180b}'..='\u{180f}'
        | '\u{200b}'..='\u{200f}'
        | '\u{2028}'..='\u{202e}'
        | '\u{2060}'..='\u{206f}'
        | '\u{3164}'
        | '\u{feff}'
        | '\u{ffa0}'
        | '\u{fff0}'..='\u{fffb}'
        | '\u{fffe}'
        | '\u{ffff}'
        | '\u{1bca0}'..='\u{1bca3}'
        | '\u{1d173}'..='\u{1d17a}'
        // Tags and variation selectors: they can carry a whole text that nobody sees.
        | '\u{e0000}'..='\u{e0fff}' => true,
        c => c.is_control(),
    }
}

/// A text in which each character that steers is replaced by U+FFFD.
pub fn plain(text: &str) -> String {
    text.chars().map(|c| if steers(c) { char::REPLACEMENT_CHARACTER } else { c }).collect()
}

/// The same in one line.
pub fn line(text: &str) -> String {
    plain(text).replace(['\n', '\t'], " ")
}

/// JSON that says the same without such characters: they only stand in strings, where an escape means the same (RFC 8259,
/// 7).
pub fn json(text: &str) -> String {
    let mut out = String::with_capacity(text.len());
    for c in text.chars() {
        // A carriage return is white space between values, too.
        if !steers(c) || c == '\r' {
            out.push(c);
            continue;
        }
        for unit in c.encode_utf16(&mut [0; 2]) {
            // Writing to a `String` can't fail.
            let _ = write!(out, "\\u{unit:04x}");
        }
    }
    out
}

/// A cell of a table for spreadsheets: in one line, and with a `'` before what they would take for a formula (OWASP, CSV
/// Injection). Numbers stay numbers.
pub fn cell(text: &str) -> String {
    let is_formula = text.starts_with(['=', '+', '-', '@', '\t', '\r', '\n']);
    let text = line(text);
    if is_formula && text.parse::<f64>().is_err() { format!("'{text}") } else { text }
}

/// What is known of a mark of this process, and of no other text.
static NONCE: LazyLock<u64> = LazyLock::new(|| RandomState::new().hash_one("tokenstorm"));

/// Colours and weights of the program's own texts.
pub trait Paint: Display {
    /// In bold letters.
    fn bold(&self) -> String {
        painted(self, 1, 22)
    }

    /// In faint letters.
    fn dimmed(&self) -> String {
        painted(self, 2, 22)
    }

    /// In red.
    fn red(&self) -> String {
        painted(self, 31, 39)
    }

    /// In green.
    fn green(&self) -> String {
        painted(self, 32, 39)
    }

    /// In yellow.
    fn yellow(&self) -> String {
        painted(self, 33, 39)
    }

    /// In cyan.
    fn cyan(&self) -> String {
        painted(self, 36, 39)
    }
}

impl<T: Display + ?Sized> Paint for T {}

/// A text between marks for the codes that begin and end it (ECMA-48, 8.3.117: SGR).
fn painted(text: &(impl Display + ?Sized), on: u8, off: u8) -> String {
    let nonce = *NONCE;
    format!("\u{1b}[{on};{nonce}m{text}\u{1b}[{off};{nonce}m")
}

/// A text as a terminal may have it: with the colours of [`Paint`], and without any other character that steers.
pub fn shown(text: &str) -> String {
    let end = format!(";{}m", *NONCE);
    let mut out = String::with_capacity(text.len());
    let mut pieces = text.split("\u{1b}[");
    out.push_str(&plain(pieces.next().unwrap_or_default()));
    for piece in pieces {
        let digits = piece.bytes().take_while(u8::is_ascii_digit).count();
        let (code, rest) = piece.split_at(digits);
        if let Some(rest) = rest.strip_prefix(&end) {
            // Writing to a `String` can't fail.
            let _ = write!(out, "\u{1b}[{code}m{}", plain(rest));
        } else {
            let _ = write!(out, "{}[{}", char::REPLACEMENT_CHARACTER, plain(piece));
        }
    }
    out
}

/// The same without colours, for what is no terminal.
pub fn unpainted(text: &str) -> String {
    plain(&anstream::adapter::strip_str(&shown(text)).to_string())
}

/// Writes a line to standard error, as [`shown`]. Called by [`tell!`](crate::tell).
#[doc(hidden)]
pub fn tell(text: fmt::Arguments<'_>) {
    let text = shown(&text.to_string());
    let width = window::stderr_width();
    anstream::eprintln!(
        "{}",
        width.map_or_else(|| text.clone(), |width| window::fitted(&text, width))
    );
}

/// Says something to the person at the terminal: the only way to standard error, so that no text passes that would steer
/// it.
#[macro_export]
macro_rules! tell {
    ($($what:tt)*) => {
        $crate::base::error::plain::tell(format_args!($($what)*))
    };
}

#[cfg(test)]
mod tests;
