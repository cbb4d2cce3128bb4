//! Medians, percentiles, the result table, its JSON twin and its picture.

mod chart;

use std::{collections::BTreeMap, path::Path, time::Duration};

use serde::Serialize;

/// Middle value; the mean of the two middle ones when the count is even. NaN when empty.
pub fn median(values: &[f64]) -> f64 {
    let mut sorted = values.to_vec();
    sorted.sort_by(f64::total_cmp);
    match sorted.len() {
        0 => f64::NAN,
        n if n % 2 == 1 => sorted[n / 2],
        n => f64::midpoint(sorted[n / 2 - 1], sorted[n / 2]),
    }
}

/// Nearest-rank percentile in milliseconds; `share` in 0..=1. NaN when empty.
pub fn percentile_ms(durations: &mut [Duration], share: f64) -> f64 {
    if durations.is_empty() {
        return f64::NAN;
    }
    durations.sort_unstable();
    #[expect(clippy::cast_possible_truncation, clippy::cast_sign_loss, reason = "a share of a length is an index")]
    let rank = ((durations.len() as f64 * share).ceil() as usize).clamp(1, durations.len());
    durations[rank - 1].as_secs_f64() * 1e3
}

/// One measured figure over all rounds.
#[derive(Debug, Clone, Serialize)]
pub struct Figure {
    /// What was measured, with its unit.
    pub name: String,
    /// Every round.
    pub rounds: Vec<f64>,
    /// Their median.
    pub median: f64,
}

/// What a goal asked for and what was reached.
#[derive(Debug, Clone, Serialize)]
pub struct Goal {
    /// The goal in words.
    pub goal: String,
    /// The figure reached.
    pub reached: f64,
    /// Whether it is enough.
    pub met: bool,
}

/// All figures of one scenario.
#[derive(Debug, Clone, Default, Serialize)]
pub struct Report {
    /// Scenario name: also the file name.
    pub scenario: String,
    /// Processor, cores, versions.
    pub machine: BTreeMap<String, String>,
    /// What was measured.
    pub figures: Vec<Figure>,
    /// What was asked for.
    pub goals: Vec<Goal>,
    /// What the picture shows.
    #[serde(skip)]
    charts: Vec<chart::Chart>,
}

impl Report {
    /// An empty report about this machine.
    pub fn new(scenario: &str) -> Self {
        Self { scenario: scenario.to_owned(), machine: describe_machine(), ..Self::default() }
    }

    /// Adds a figure and answers its median.
    pub fn figure(&mut self, name: &str, rounds: Vec<f64>) -> f64 {
        let median = median(&rounds);
        self.figures.push(Figure { name: name.to_owned(), rounds, median });
        median
    }

    /// The median of a figure, by its name.
    pub fn value(&self, name: &str) -> Option<f64> {
        self.figures.iter().find(|figure| figure.name == name).map(|figure| figure.median)
    }

    /// Adds a bar chart of figures to the picture: label and name of each.
    pub fn bars(&mut self, title: &str, figures: &[(String, String)]) {
        let bars = figures.iter().filter_map(|(label, name)| Some((label.clone(), self.value(name)?))).collect();
        self.charts.push(chart::Chart { title: title.to_owned(), bars });
    }

    /// Adds a goal.
    pub fn goal(&mut self, goal: &str, reached: f64, met: bool) {
        self.goals.push(Goal { goal: goal.to_owned(), reached, met });
    }

    /// Prints the table.
    #[expect(clippy::print_stdout, reason = "the output of a command-line program")]
    pub fn print(&self) {
        println!("\n{}", self.scenario);
        for figure in &self.figures {
            let rounds: Vec<String> = figure.rounds.iter().map(|value| format!("{value:.1}")).collect();
            println!("  {:<64} {:>10.2}   [{}]", figure.name, figure.median, rounds.join(" "));
        }
        for goal in &self.goals {
            println!("  {} {:<62} {:>10.2}", if goal.met { "met   " } else { "MISSED" }, goal.goal, goal.reached);
        }
    }

    /// Writes `<folder>/<scenario>.json`, and `.svg` when there is something to draw.
    pub fn write(&self, folder: &Path) -> anyhow::Result<()> {
        std::fs::create_dir_all(folder)?;
        let path = folder.join(format!("{}.json", self.scenario));
        std::fs::write(&path, serde_json::to_vec_pretty(self)?)?;
        if !self.charts.is_empty() {
            std::fs::write(path.with_extension("svg"), chart::svg(&self.charts))?;
        }
        Ok(())
    }
}

fn describe_machine() -> BTreeMap<String, String> {
    let cpu = std::fs::read_to_string("/proc/cpuinfo").unwrap_or_default();
    let field = |name: &str| {
        let line = cpu.lines().find(|line| line.starts_with(name))?;
        Some(line.split_once(':')?.1.trim().to_owned())
    };
    let flags = field("flags").unwrap_or_default();
    let wanted = ["avx2", "avx512f", "avx512_vnni", "avx512_bf16", "amx_bf16", "amx_int8"];
    let present: Vec<&str> = wanted.into_iter().filter(|flag| flags.split(' ').any(|found| found == *flag)).collect();
    let cores = std::thread::available_parallelism().map_or(0, std::num::NonZero::get);
    BTreeMap::from([
        ("processor".to_owned(), field("model name").unwrap_or_default()),
        ("flags".to_owned(), present.join(" ")),
        ("cores".to_owned(), cores.to_string()),
        // The same processor name stands for machines that differ threefold, by clock and by neighbours: this tells them apart.
        ("ms to sort a million numbers".to_owned(), format!("{:.1}", sorting_ms())),
    ])
}

/// Milliseconds in which one core sorts a million pseudo-random numbers (8 MB; arithmetic, branches and caches alike): median of five.
fn sorting_ms() -> f64 {
    let mut state = 0x9E37_79B9_7F4A_7C15_u64;
    let mut numbers = Vec::with_capacity(1_000_000);
    let mut times = Vec::new();
    for _ in 0..5 {
        numbers.clear();
        numbers.extend((0..1_000_000).map(|_| {
            // xorshift64, Marsaglia 2003.
            state ^= state << 13;
            state ^= state >> 7;
            state ^= state << 17;
            state
        }));
        let begin = std::time::Instant::now();
        numbers.sort_unstable();
        times.push(begin.elapsed().as_secs_f64() * 1e3);
        std::hint::black_box(&numbers);
    }
    median(&times)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn median_of_odd_and_even_counts() {
        assert!((median(&[3.0, 1.0, 2.0]) - 2.0).abs() < 1e-12);
        assert!((median(&[4.0, 1.0, 2.0, 3.0]) - 2.5).abs() < 1e-12);
        assert!(median(&[]).is_nan());
    }

    #[test]
    fn percentile_is_the_nearest_rank() {
        let mut durations: Vec<Duration> = (1..=100).map(Duration::from_millis).collect();
        assert!((percentile_ms(&mut durations, 0.5) - 50.0).abs() < 1e-9);
        assert!((percentile_ms(&mut durations, 0.99) - 99.0).abs() < 1e-9);
        assert!((percentile_ms(&mut durations[..1], 0.99) - 1.0).abs() < 1e-9);
    }
}
