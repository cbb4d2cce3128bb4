//! Horizontal bars as SVG: enough to see ratios, nothing to install.

use std::fmt::Write as _;

/// One group of bars with a common unit.
#[derive(Debug, Clone)]
pub(super) struct Chart {
    pub(super) title: String,
    /// Label and value.
    pub(super) bars: Vec<(String, f64)>,
}

const WIDTH: f64 = 860.0;
/// Where bars begin: labels stand before it.
const LEFT: f64 = 330.0;
/// Room for the value behind the longest bar.
const RIGHT: f64 = 90.0;
const ROW: f64 = 22.0;
const TITLE: f64 = 38.0;

/// All charts, one below the other.
pub(super) fn svg(charts: &[Chart]) -> String {
    let height: f64 = charts.iter().map(|chart| TITLE + ROW * chart.bars.len() as f64).sum::<f64>() + 16.0;
    let mut text = format!(
        "<svg xmlns=\"http://www.w3.org/2000/svg\" width=\"{WIDTH}\" height=\"{height}\" viewBox=\"0 0 {WIDTH} {height}\" \
         font-family=\"sans-serif\" font-size=\"12\">\n<rect width=\"100%\" height=\"100%\" fill=\"#ffffff\"/>\n"
    );
    let mut y = 0.0;
    for chart in charts {
        // Writing to a string cannot fail.
        let _ = writeln!(
            text,
            "<text x=\"10\" y=\"{}\" font-size=\"14\" font-weight=\"bold\">{}</text>",
            y + 26.0,
            escaped(&chart.title)
        );
        y += TITLE;
        let longest = chart.bars.iter().map(|(_, value)| *value).fold(f64::MIN_POSITIVE, f64::max);
        for (label, value) in &chart.bars {
            let length = (WIDTH - LEFT - RIGHT) * value.max(0.0) / longest;
            let colour = if label.starts_with("chaperone") { "#2f6f4f" } else { "#9aa5b1" };
            let _ = writeln!(
                text,
                "<text x=\"{}\" y=\"{}\" text-anchor=\"end\">{}</text><rect x=\"{LEFT}\" y=\"{}\" width=\"{length:.1}\" \
                 height=\"16\" fill=\"{colour}\"/><text x=\"{:.1}\" y=\"{}\">{}</text>",
                LEFT - 8.0,
                y + 12.0,
                escaped(label),
                y,
                LEFT + length + 6.0,
                y + 12.0,
                written(*value)
            );
            y += ROW;
        }
    }
    text.push_str("</svg>\n");
    text
}

fn written(value: f64) -> String {
    if value >= 100.0 { format!("{value:.0}") } else { format!("{value:.1}") }
}

fn escaped(text: &str) -> String {
    text.replace('&', "&amp;").replace('<', "&lt;")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_longest_bar_fills_the_width_and_text_is_escaped() {
        let bars = vec![("chaperone".to_owned(), 200.0), ("a < b & c".to_owned(), 50.0)];
        let text = svg(&[Chart { title: "rate".into(), bars }]);
        assert!(text.starts_with("<svg ") && text.ends_with("</svg>\n"));
        assert!(text.contains("width=\"440.0\"") && text.contains("width=\"110.0\""), "{text}");
        assert!(text.contains("a &lt; b &amp; c") && text.contains(">200<") && text.contains(">50.0<"));
    }
}
