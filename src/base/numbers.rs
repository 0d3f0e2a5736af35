//! Numbers as people read them, everywhere in the program's output: thin groups of three, times with the unit that suits them.
//! A duration that a scenario sets is written as in the scenario.

/// A count with thin groups: `12 345`.
pub fn count(number: u64) -> String {
    let digits = number.to_string();
    let mut grouped = String::new();
    for (index, digit) in digits.chars().enumerate() {
        if index > 0 && (digits.len() - index).is_multiple_of(3) {
            grouped.push(' ');
        }
        grouped.push(digit);
    }
    grouped
}

/// A rate or another number: three digits that matter, groups above 1000.
pub fn number(number: f64) -> String {
    match number.abs() {
        large if large >= 100.0 => whole(number),
        middle if middle >= 10.0 => format!("{number:.1}"),
        _ => format!("{number:.2}"),
    }
}

/// The same, rounded to a whole number.
pub fn whole(number: f64) -> String {
    count(number.round().max(0.0) as u64)
}

/// A time in microseconds with the unit that suits it.
pub fn time(us: f64) -> String {
    match us {
        us if us >= 999_500.0 => format!("{:.2} s", us / 1e6),
        us if us >= 99_950.0 => format!("{:.0} ms", us / 1e3),
        us if us >= 9_995.0 => format!("{:.1} ms", us / 1e3),
        us if us >= 999.5 => format!("{:.2} ms", us / 1e3),
        us => format!("{us:.0} us"),
    }
}

/// A time in nanoseconds, as the engine has it, with the unit that suits it.
pub fn nanos(nanoseconds: f64) -> String {
    time(nanoseconds / 1e3)
}
