//! `tokenstorm replay`: one attempt of a run again, with all that is sent and comes back.

mod shown;

use std::{
    env,
    fs::File,
    path::{Path, PathBuf},
};

use super::{
    results::{newest, newest_matrix},
    say,
};
use crate::{
    base::{
        error::{Error, Exit, Result, plain, showable::pasted, suggestion},
        host::Limits,
        words::{Operation, Severity, Verdict},
    },
    cli,
    engine::replay::{Ask as Sent, replay as sent},
    plan::{
        self, Plan,
        cells::{Ask, BACKGROUND, PROBE, WITNESS},
    },
    record::results::{Matrix, Summary, asked::Asked, findings::LEFT_OUT},
    report::style::count,
    scenario::{Loaded, Overrides},
    token::{Bearer, FRESH, catalogue::defect},
};

/// What of a run is to be sent again.
#[derive(Clone, Debug)]
struct Wanted {
    /// The kind of token, by its name in the run.
    token: String,
    client: u64,
    turn: u32,
    /// The broker, by its name in the run; the first where that is not known.
    broker: Option<String>,
}

/// Sends it, and says what came of it.
pub(super) fn replay(arguments: &cli::Replay) -> Result<Exit> {
    let (run, line) = match (&arguments.run, arguments.line) {
        // A number alone is a line of the newest run.
        (Some(run), None) if !run.exists() => match run.to_str().and_then(|it| it.parse().ok()) {
            Some(line) => (None, Some(line)),
            None => (Some(run), None),
        },
        (run, line) => (run.as_ref(), line),
    };
    let folder = match run {
        Some(run) => run.clone(),
        None if arguments.cell.is_some() => newest_matrix()?,
        None => newest(None)?,
    };
    let folder = std::path::absolute(&folder).unwrap_or(folder);
    let place = folder.display();
    if folder.join("runs").is_dir() {
        return Err(Error::usage(format!("`{place}` is a series of runs"))
            .hint(format!("name one of them: `tokenstorm replay {place}/runs/…`")));
    }
    let summary = Summary::read(&folder)?;
    let asked = summary.asked.as_ref().ok_or_else(|| {
        Error::usage(format!("`{place}` does not say which scenario was asked"))
            .hint("a run of this version of tokenstorm does: run it again")
    })?;
    check_withheld(asked)?;
    let matrix = folder.join("matrix.json").is_file().then(|| Matrix::read(&folder)).transpose()?;
    let wanted = match (&arguments.cell, &matrix) {
        (Some(name), Some(matrix)) => of_cell(name, matrix)?,
        (Some(_), None) => {
            return Err(Error::usage(format!("`{place}` is no matrix: it has no cells"))
                .hint("name the line of findings.csv: `tokenstorm replay RUN 2`"));
        }
        (None, _) => of_line(line, &folder, &summary)?,
    };
    let plan = planned(asked, &wanted, matrix.is_some())?;
    let ask = ask(&plan, &wanted)?;
    let replay = sent(&plan, ask)?;
    say(&shown::render(&plan, ask, &replay))?;
    Ok(match replay.verdict {
        verdict if verdict.is_wrong() => Exit::Failed,
        verdict if verdict.is_judged() => Exit::Fine,
        _ => Exit::NotMeasured,
    })
}

/// What was secret on the command line was not written down, and without it something else would be sent.
fn check_withheld(asked: &Asked) -> Result<()> {
    if asked.withheld.is_empty() {
        return Ok(());
    }
    let names = asked.withheld.join("`, `");
    Err(Error::usage(format!(
        "the run was started with `{names}`, whose value may be secret and was not written down"
    ))
    .hint(
        "write it into the scenario, or name a file or a variable there (`secret_file`, `secret_env`), and run it again: that can be replayed",
    ))
}

/// A cell of a matrix, by the name of its entry; the version of MQTT may follow, as in `expired-v4`.
fn of_cell(name: &str, matrix: &Matrix) -> Result<Wanted> {
    let label =
        |cell: &crate::record::results::matrix::Cell| format!("{}-v{}", cell.defect, cell.protocol);
    let named: Vec<_> =
        matrix.cells.iter().filter(|cell| cell.defect == name || label(cell) == name).collect();
    // The one that is looked for, mostly.
    let cell = named.iter().find(|cell| cell.is_wrong()).or(named.first()).ok_or_else(|| {
        Error::usage(match pasted(name) {
            Some(what) => format!("`--cell` is the name of a cell, and not {}", what.words()),
            None => format!("the matrix has no cell `{name}`"),
        })
        .hint(suggestion(name, matrix.cells.iter().map(|cell| cell.defect.as_str())))
    })?;
    Ok(Wanted { token: label(cell), client: 0, turn: 0, broker: cell.broker.clone() })
}

/// How bad it is that a kind of token is let in, by its name in a run or in a matrix.
fn severity(token: &str, summary: &Summary) -> Severity {
    let kind = summary.by_token.get(token).and_then(|part| part.kind.as_deref());
    let named = kind.and_then(defect).or_else(|| defect(token));
    let named = named.or_else(|| defect(token.rsplit_once("-v")?.0));
    named.map_or(Severity::None, |defect| defect.severity)
}

/// A line of `findings.csv`, as an editor counts them; the most severe finding where none is named.
fn of_line(line: Option<u64>, folder: &Path, summary: &Summary) -> Result<Wanted> {
    let path = folder.join("findings.csv");
    let wrong = |why: String| Error::usage(format!("`{}` {why}", path.display()));
    let file = File::open(&path).map_err(|error| wrong(format!("can't be read: {error}")))?;
    let mut reader = csv::Reader::from_reader(file);
    let head = reader.headers().cloned().map_err(|error| wrong(format!("is broken: {error}")))?;
    let text = |row: &csv::StringRecord, name: &str| {
        let at = head.iter().position(|column| column == name);
        at.and_then(|at| row.get(at)).unwrap_or_default().to_owned()
    };
    let rows: Vec<csv::StringRecord> = reader
        .records()
        .collect::<std::result::Result<_, _>>()
        .map_err(|error| wrong(format!("is broken: {error}")))?;
    let is_finding = |row: &csv::StringRecord| text(row, "operation") != LEFT_OUT;
    let mut rows = rows.into_iter().filter(is_finding);
    if line.is_none() && summary.findings_left_out > 0 {
        crate::tell!(
            "note: `{}` has no room for {} findings; this is the most severe of the others",
            path.display(),
            count(summary.findings_left_out)
        );
    }
    let row = match line {
        Some(line) => rows.find(|row| row.position().is_some_and(|at| at.line() == line)),
        // The first of the most severe: `max_by_key` takes the last of those that are alike.
        None => rows.rev().max_by_key(|row| {
            let token = text(row, "token");
            let is_connect = text(row, "operation") == Operation::Connect.name();
            let is_let_in = text(row, "verdict") == Verdict::FalseAccept.name();
            (is_connect, is_let_in, severity(&token, summary))
        }),
    };
    let row = row.ok_or_else(|| {
        let cut = match summary.findings_left_out {
            0 => String::new(),
            more => format!("; {} findings more had no room in it", count(more)),
        };
        match line {
            Some(line) => wrong(format!("has no finding at line {line}{cut}"))
                .hint("line 1 is its head: the first finding is line 2"),
            None => wrong("has no findings: every answer was as promised".to_owned())
                .hint("`--cell NAME` sends a cell of a matrix again, right or wrong"),
        }
    })?;
    if text(&row, "operation") != Operation::Connect.name() {
        return Err(wrong(format!(
            "has at this line what happened on a connection that stood ({}), which is no attempt of its own",
            text(&row, "operation")
        ))
        .hint("run the scenario again: it takes a connection that stands"));
    }
    let number = |name: &str| {
        let found = text(&row, name);
        found.parse::<u64>().map_err(|_| {
            wrong(format!("has `{}` as `{name}`, which is no number", plain::line(&found)))
        })
    };
    let turn = number("turn")?;
    let turn = u32::try_from(turn)
        .map_err(|_| wrong(format!("has {turn} as `turn`, which no client comes to")))?;
    Ok(Wanted {
        token: text(&row, "token"),
        client: number("client")?,
        turn,
        broker: Some(text(&row, "broker")),
    })
}

/// The plan of the run, as far as the token needs it, from the folder where the run was started.
fn planned(asked: &Asked, wanted: &Wanted, is_matrix: bool) -> Result<Plan> {
    if env::set_current_dir(&asked.folder).is_err() {
        crate::tell!(
            "warning: the folder `{}`, where the run was started, is not there: relative paths start from here",
            asked.folder
        );
    }
    let overrides = Overrides::of_arguments(&asked.overrides);
    let path = PathBuf::from(&asked.scenario);
    let limits = Limits::read();
    if !is_matrix {
        return Plan::new(&plan::load(&path, &overrides)?, &limits);
    }
    let loaded: Loaded = plan::load_of_broker(&path, &overrides)?;
    let name = wanted.token.rsplit_once("-v").map_or(wanted.token.as_str(), |(name, _)| name);
    let only = vec![name.to_owned()];
    Plan::matrix(&loaded, &limits, &Ask { only, ..Ask::default() })
}

/// What is wanted, as the plan numbers it.
fn ask(plan: &Plan, wanted: &Wanted) -> Result<Sent> {
    let is_called = |name: &str| plan.mould.kinds.iter().position(|kind| kind.label == name);
    // Those that look after the others bring good tokens.
    let looks_after = [WITNESS, BACKGROUND, PROBE].contains(&wanted.token.as_str());
    let kind = is_called(&wanted.token).or_else(|| looks_after.then(|| is_called(FRESH)).flatten());
    let kind = kind.ok_or_else(|| {
        let known = plan.mould.kinds.iter().map(|kind| kind.label.as_str());
        let error = Error::usage(format!(
            "the scenario brings no token `{}` any more: was it changed after the run?",
            wanted.token
        ));
        match defect(&wanted.token) {
            Some(_) => error.hint("`tokenstorm matrix SCENARIO --only NAME` sends any kind"),
            None => error.hint(suggestion(&wanted.token, known)),
        }
    })?;
    let broker = match &wanted.broker {
        None => 0,
        Some(label) => plan.brokers.iter().position(|it| it.label == *label).ok_or_else(|| {
            let known = plan.brokers.iter().map(|broker| broker.label.as_str());
            Error::usage(format!(
                "the scenario has no broker `{}` any more: was it changed after the run?",
                plain::line(label)
            ))
            .hint(suggestion(label, known))
        })?,
    };
    let bearer = Bearer { client: wanted.client, turn: wanted.turn };
    Ok(Sent { kind, bearer, broker })
}
