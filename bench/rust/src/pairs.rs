//! Measuring two ways to do one thing side by side, and writing the ratios down.

use std::fmt::Write as _;
use std::hint::black_box;
use std::process::Command;
use std::time::{Duration, Instant};

/// Does something a number of times, and says how long that took.
pub type Run<'a> = Box<dyn FnMut(u32) -> Duration + 'a>;

/// `work`, done again and again.
pub fn repeat<'a, R>(mut work: impl FnMut() -> R + 'a) -> Run<'a> {
    Box::new(move |turns| {
        let start = Instant::now();
        for _ in 0..turns {
            black_box(work());
        }
        start.elapsed()
    })
}

/// `work`, with `before` each time, which does not count.
pub fn repeat_after<'a>(mut before: impl FnMut() + 'a, mut work: impl FnMut() + 'a) -> Run<'a> {
    Box::new(move |turns| {
        let mut total = Duration::ZERO;
        for _ in 0..turns {
            before();
            let start = Instant::now();
            work();
            total += start.elapsed();
        }
        total
    })
}

/// What came out for one operation.
struct Row {
    group: String,
    operation: String,
    other: String,
    target: Option<f64>,
    /// The other's time divided by firmmap's: of the pairs the median, and of the best.
    median: f64,
    best: f64,
    firmmap_ns: f64,
    other_ns: f64,
    pairs: usize,
}

/// All rows, and how long each may take.
pub struct Report {
    rows: Vec<Row>,
    group: String,
    only: String,
    budget: Duration,
}

impl Report {
    pub fn new(only: String, budget: Duration) -> Self {
        println!("{}, {}, {}", machine(), version(), today());
        println!("{:44}{:>8}{:>8}{:>8}{:>16}{:>16}", "other / firmmap", "median", "best", "target", "other", "firmmap");
        Self { rows: Vec::new(), group: String::new(), only, budget }
    }

    /// Starts a group of rows; says whether it was asked for.
    pub fn group(&mut self, name: &str) -> bool {
        name.clone_into(&mut self.group);
        let wanted = name.contains(&self.only);
        if wanted {
            println!("{name}");
        }
        wanted
    }

    /// Measures firmmap beside another way, taking turns: what slows the machine down slows both.
    pub fn row(&mut self, operation: &str, target: Option<f64>, firmmap: Run<'_>, other: (&str, Run<'_>)) {
        self.row_for(self.budget, operation, target, firmmap, other);
    }

    /// As [`row`](Self::row), with a time of its own.
    pub fn row_for(
        &mut self,
        budget: Duration,
        operation: &str,
        target: Option<f64>,
        mut firmmap: Run<'_>,
        (name, mut other): (&str, Run<'_>),
    ) {
        let mut turns = 1;
        while firmmap(turns) < Duration::from_micros(500) {
            turns *= 2;
        }
        let once = (firmmap(turns) + other(turns)).max(Duration::from_micros(1));
        let pairs = (budget.as_nanos() / once.as_nanos()).clamp(5, 301) as usize;
        let mut times: [Vec<f64>; 2] = [Vec::new(), Vec::new()];
        let mut timed = |side: usize| match side {
            0 => times[0].push(firmmap(turns).as_secs_f64()),
            _ => times[1].push(other(turns).as_secs_f64()),
        };
        for number in 0..pairs {
            timed(number % 2);
            timed(1 - number % 2);
        }
        let mut ratios: Vec<f64> = times[1].iter().zip(&times[0]).map(|(other, firmmap)| other / firmmap).collect();
        ratios.sort_by(f64::total_cmp);
        let best = times.map(|times| times.into_iter().fold(f64::INFINITY, f64::min));
        let each = |seconds: f64| seconds * 1e9 / f64::from(turns);
        let row = Row {
            group: self.group.clone(),
            operation: operation.to_owned(),
            other: name.to_owned(),
            target,
            median: ratios[pairs / 2],
            best: best[1] / best[0],
            firmmap_ns: each(best[0]),
            other_ns: each(best[1]),
            pairs,
        };
        println!(
            "  {:42}{:8.2}{:8.2}{:>8}{:>16}{:>16}",
            format!("{operation} / {name}"),
            row.median,
            row.best,
            target.map_or(String::new(), |target| format!("{target:.2}")),
            time(row.other_ns),
            time(row.firmmap_ns),
        );
        self.rows.push(row);
    }

    /// All rows, with the machine and the date.
    pub fn json(&self) -> String {
        let mut out = String::from("{\n");
        for (key, value) in [
            ("machine", machine()),
            ("load", load()),
            ("rust", version()),
            ("date", today()),
            ("command", "make bench-rust".to_owned()),
        ] {
            writeln!(out, " {key:?}: {value:?},").unwrap();
        }
        out.push_str(" \"operations\": [\n");
        for (number, row) in self.rows.iter().enumerate() {
            write!(
                out,
                "  {{\"group\": {:?}, \"operation\": {:?}, \"other\": {:?}, \"target\": {}, \"median\": {:.4}, \
                 \"best\": {:.4}, \"other_ns\": {:.2}, \"firmmap_ns\": {:.2}, \"pairs\": {}}}",
                row.group,
                row.operation,
                row.other,
                row.target.map_or("null".to_owned(), |target| target.to_string()),
                row.median,
                row.best,
                row.other_ns,
                row.firmmap_ns,
                row.pairs,
            )
            .unwrap();
            out.push_str(if number + 1 < self.rows.len() { ",\n" } else { "\n" });
        }
        out.push_str(" ]\n}\n");
        out
    }
}

fn time(nanoseconds: f64) -> String {
    match nanoseconds {
        few if few < 1e4 => format!("{few:.1} ns"),
        more if more < 1e7 => format!("{:.1} us", more / 1e3),
        many => format!("{:.1} ms", many / 1e6),
    }
}

/// The first line that a command prints.
fn printed(command: &str, arguments: &[&str]) -> String {
    let output = Command::new(command).args(arguments).output();
    let text = output.map(|output| String::from_utf8_lossy(&output.stdout).into_owned()).unwrap_or_default();
    text.lines().next().unwrap_or("unknown").to_owned()
}

fn today() -> String {
    printed("date", &["+%F"])
}

/// How busy the machine was: a quiet one has about 1.
fn load() -> String {
    let averages = std::fs::read_to_string("/proc/loadavg").unwrap_or_default();
    averages.split(' ').take(3).collect::<Vec<_>>().join(" ")
}

fn version() -> String {
    printed("rustc", &["--version"])
}

fn machine() -> String {
    let info = std::fs::read_to_string("/proc/cpuinfo").unwrap_or_default();
    let model = info.lines().find_map(|line| line.strip_prefix("model name")?.split(": ").nth(1));
    let processors = std::thread::available_parallelism().map_or(0, usize::from);
    format!("{processors} x {}, {}", model.unwrap_or("unknown processor"), printed("uname", &["-sr"]))
}
