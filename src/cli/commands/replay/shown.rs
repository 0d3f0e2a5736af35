//! What was sent and what came of it, for a person.

use std::fmt::Write;

use crate::{
    base::{
        clock::{Clock, SECOND},
        error::plain::{self, Paint},
        words::Verdict,
    },
    cli::commands::token::taken_apart,
    client::attempt::Outcome,
    engine::replay::{Ask, Replay},
    plan::Plan,
    record::results::matrix::version,
    report::{
        codes::named,
        style::{time, wrapped},
    },
};

/// Bytes in a line.
const WIDTH: usize = 16;

/// All of it.
pub(super) fn render(plan: &Plan, ask: Ask, replay: &Replay) -> String {
    let mut out = String::new();
    // Writing to a `String` can't fail.
    let _ = write_all(&mut out, plan, ask, replay);
    out
}

fn write_all(out: &mut String, plan: &Plan, ask: Ask, replay: &Replay) -> std::fmt::Result {
    let kind = &plan.mould.kinds[ask.kind];
    let protocol = u8::from(kind.protocol);
    let client = ask.bearer.client;
    writeln!(
        out,
        "`{}` of client {client}, turn {}, minted for now, to {} at {}",
        kind.label.as_str().bold(),
        ask.bearer.turn,
        plan.brokers[ask.broker].label,
        replay.address
    )?;
    let source = kind.defect.source;
    let source = if source.is_empty() { String::new() } else { format!(" [{source}]") };
    writeln!(out, "{}\n", wrapped(&format!("{}{source}", kind.defect.summary), "    "))?;
    let hidden = replay.sent.iter().filter(|byte| byte.is_none()).count();
    writeln!(
        out,
        "sent, MQTT {}: {} bytes, of which {hidden} may let somebody in and are masked",
        version(protocol),
        replay.sent.len()
    )?;
    dump(out, &replay.sent)?;
    let token = String::from_utf8_lossy(&replay.token).into_owned();
    // What is no JWT has no parts.
    if let Ok(parts) = taken_apart(&token, Clock::start().wall(0) / SECOND as i64) {
        writeln!(out, "\ntoken of {} bytes\n{}", replay.token.len(), indented(&parts))?;
    }
    let hidden = replay.received.iter().filter(|byte| byte.is_none()).count();
    let echoed = match hidden {
        0 => String::new(),
        hidden => format!(", of which {hidden} are of what was sent and are masked"),
    };
    writeln!(out, "\nreceived: {} bytes{echoed}", replay.received.len())?;
    dump(out, &replay.received)?;
    writeln!(out, "\nanswer    {}", answer(replay.outcome, protocol))?;
    if let Some(reason) = &replay.reason {
        writeln!(out, "reason    {}", plain::line(reason))?;
    }
    writeln!(out, "after     {}", time(replay.took as f64 / 1e3))?;
    let verdict = replay.verdict.label();
    let verdict = match replay.verdict {
        wrong if wrong.is_wrong() => verdict.red().bold(),
        Verdict::Correct => verdict.green().bold(),
        _ => verdict.yellow().bold(),
    };
    writeln!(out, "expected  {}\nverdict   {verdict}", replay.expected.kind())
}

/// How it ended, with the name of its code.
fn answer(outcome: Outcome, protocol: u8) -> String {
    match (outcome, outcome.code()) {
        (Outcome::Accepted, _) => format!("accepted, {}", named(0, protocol)),
        (Outcome::Refused(code), _) => format!("refused, {}", named(code, protocol)),
        (Outcome::UpgradeRefused(status), _) => format!("refused, HTTP {status}"),
        (outcome, code) => format!("{}, {code}", outcome.name()),
    }
}

/// Bytes in lines of sixteen, as `hexdump -C` sets them; masked lines that follow one another are one.
fn dump(out: &mut String, bytes: &[Option<u8>]) -> std::fmt::Result {
    let mut masked = 0;
    for (at, line) in bytes.chunks(WIDTH).enumerate() {
        if line.iter().all(Option::is_none) {
            masked += line.len();
            continue;
        }
        if masked > 0 {
            writeln!(out, "  ....  {masked} bytes masked")?;
            masked = 0;
        }
        let hex =
            line.iter().map(|byte| byte.map_or_else(|| "** ".into(), |it| format!("{it:02x} ")));
        let text = line.iter().map(|byte| match byte {
            Some(byte @ b' '..=b'~') => char::from(*byte),
            Some(_) => '.',
            None => '*',
        });
        let (hex, text): (String, String) = (hex.collect(), text.collect());
        writeln!(out, "  {:04x}  {hex:<48} {text}", at * WIDTH)?;
    }
    if masked > 0 {
        writeln!(out, "  ....  {masked} bytes masked")?;
    }
    Ok(())
}

fn indented(text: &str) -> String {
    text.trim_end().lines().map(|line| format!("  {line}")).collect::<Vec<_>>().join("\n")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn masked_bytes_are_counted_and_not_shown() {
        let mut bytes: Vec<Option<u8>> =
            b"\x10\x40\x00\x04MQTT".iter().copied().map(Some).collect();
        bytes.extend([None; 30]);
        bytes.push(Some(b'x'));
        let mut out = String::new();
        dump(&mut out, &bytes).unwrap();
        let lines: Vec<&str> = out.lines().collect();
        assert_eq!(lines.len(), 3, "{out}");
        assert!(lines[0].contains("10 40 00 04 4d 51 54 54 ** **"), "{out}");
        assert!(lines[0].ends_with("....MQTT********") || lines[0].contains(".@..MQTT"), "{out}");
        assert_eq!(lines[1], "  ....  16 bytes masked");
        assert!(lines[2].starts_with("  0020  ** ** ** ** ** ** 78"), "{out}");
    }
}
