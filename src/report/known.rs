//! What a matrix found as a file of known findings: what `matrix --known` reads.

use std::fmt::Write;

use super::style::written;
use crate::{
    base::words::Severity,
    record::results::{
        Matrix,
        matrix::{Cell, State},
    },
    token::catalogue::defect,
};

/// The wrong cells as a file, the worst first, each with its meaning; `None` where single cells of the broker say nothing.
pub fn file(matrix: &Matrix) -> Option<String> {
    (matrix.state == State::Judged || matrix.state == State::Unsteady)
        .then(|| written(|out| write_all(out, matrix)))
}

fn write_all(out: &mut String, matrix: &Matrix) -> std::fmt::Result {
    writeln!(
        out,
        "# Known findings of {} by profile `{}`, for `tokenstorm matrix --known`.\n\
         # A line is a cell and the verdict that is known; a worse verdict is a new finding.",
        matrix.target, matrix.profile
    )?;
    for severity in Severity::WORST_FIRST {
        let is_own = |cell: &&Cell| {
            cell.severity == severity && cell.is_wrong() && matrix.stands_for_itself(cell)
        };
        let mut found: Vec<&Cell> = matrix.cells.iter().filter(is_own).collect();
        found.sort_by_key(|cell| (&cell.defect, cell.protocol));
        let mut last = "";
        for cell in found {
            if cell.defect != last {
                last = &cell.defect;
                writeln!(out, "\n# {}", meaning(cell))?;
            }
            writeln!(out, "{} {}", cell.name(), cell.verdict.name())?;
        }
    }
    Ok(())
}

/// What it means that a cell is wrong: how bad it is, its token, and where that is written.
fn meaning(cell: &Cell) -> String {
    let title = match cell.severity {
        Severity::None => "good token",
        severity => severity.name(),
    };
    let Some(known) = defect(&cell.defect) else { return title.to_owned() };
    let source =
        if known.source.is_empty() { String::new() } else { format!(" [{}]", known.source) };
    format!("{title}: {}{source}", known.summary)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{base::words::Verdict, plan::cells::known::Known, record::results::fixture};

    #[test]
    fn the_file_names_each_wrong_cell_with_its_meaning_and_is_read_as_it_was_written() {
        let matrix = fixture::matrix(&[
            fixture::cell("fresh", "accept", "false_reject"),
            fixture::cell("expired", "refuse", "false_accept"),
            fixture::cell("alg_none", "refuse", "correct"),
            fixture::cell("wrong_key", "refuse", "not_judged"),
        ]);
        let text = file(&matrix).unwrap();
        let known = Known::parse("known.txt", &text).unwrap();
        let covers = |name: &str, verdict| known.covers((name, 5), "embedded", verdict);
        assert!(covers("expired", Verdict::FalseAccept) && covers("fresh", Verdict::FalseReject));
        assert!(!covers("fresh", Verdict::FalseAccept), "the verdict is written down: {text}");
        for name in ["alg_none", "wrong_key"] {
            assert!(!known.names(name, 5, "embedded"), "{name}: {text}");
        }
        let about = defect("expired").unwrap().summary;
        assert!(text.contains(&format!("# high: {about}")), "{text}");
    }

    #[test]
    fn nothing_is_known_of_a_broker_that_lets_everybody_in() {
        let mut matrix = fixture::matrix(&[fixture::cell("expired", "refuse", "false_accept")]);
        matrix.state = State::AcceptsAll;
        assert_eq!(file(&matrix), None);
    }
}
