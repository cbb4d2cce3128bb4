//! Curves as SVG: ROC, precision over recall, and calibration side by side, for reports and cards.

use std::fmt::Write as _;

use datasets::curve::Points;

/// Side of a panel's plot, in pixels.
const SIDE: f64 = 240.0;
/// Room around a plot for its title and axes.
const MARGIN: f64 = 44.0;
/// Colours that are told apart with any kind of colour sight: Okabe & Ito, 2008.
const COLOURS: [&str; 7] = ["#0072b2", "#d55e00", "#009e73", "#cc79a7", "#56b4e9", "#e69f00", "#000000"];
/// Most points drawn of one curve: more cannot be seen.
const MOST_POINTS: usize = 400;

/// One square plot.
pub(super) struct Panel {
    pub(super) title: &'static str,
    pub(super) x: &'static str,
    pub(super) y: &'static str,
    /// The line from corner to corner means something here.
    pub(super) diagonal: bool,
    pub(super) curves: Vec<Points>,
}

/// A picture of `panels`, their curves named by `labels` in order.
pub(super) fn draw(title: &str, labels: &[String], panels: &[Panel]) -> String {
    let step = SIDE + 2.0 * MARGIN;
    let (width, height) = (step * panels.len() as f64, step + 34.0 + 16.0 * labels.len().div_ceil(4) as f64);
    let mut svg = format!(
        "<svg xmlns=\"http://www.w3.org/2000/svg\" width=\"{width}\" height=\"{height}\" font-family=\"sans-serif\" font-size=\"11\">\n\
         <rect width=\"100%\" height=\"100%\" fill=\"#fff\"/>\n<text x=\"{MARGIN}\" y=\"20\" font-size=\"14\">{}</text>\n",
        escape(title)
    );
    for (number, panel) in panels.iter().enumerate() {
        plot(&mut svg, panel, step * number as f64 + MARGIN, 30.0 + MARGIN / 2.0);
    }
    for (number, label) in labels.iter().enumerate() {
        let (x, y) = (MARGIN + (number % 4) as f64 * 190.0, step + 24.0 + 16.0 * (number / 4) as f64);
        let colour = COLOURS[number % COLOURS.len()];
        let _ = writeln!(
            svg,
            "<rect x=\"{x}\" y=\"{}\" width=\"10\" height=\"10\" fill=\"{colour}\"/><text x=\"{}\" y=\"{y}\">{}</text>",
            y - 9.0,
            x + 15.0,
            escape(label)
        );
    }
    svg.push_str("</svg>\n");
    svg
}

fn plot(svg: &mut String, panel: &Panel, left: f64, top: f64) {
    let (right, bottom) = (left + SIDE, top + SIDE);
    let _ = writeln!(
        svg,
        "<rect x=\"{left}\" y=\"{top}\" width=\"{SIDE}\" height=\"{SIDE}\" fill=\"none\" stroke=\"#999\"/>"
    );
    let _ = writeln!(svg, "<text x=\"{left}\" y=\"{}\" font-weight=\"bold\">{}</text>", top - 6.0, panel.title);
    for tick in 0..=4 {
        let share = f64::from(tick) / 4.0;
        let (x, y) = (left + share * SIDE, bottom - share * SIDE);
        let _ = writeln!(
            svg,
            "<path d=\"M{x} {top}V{bottom}M{left} {y}H{right}\" stroke=\"#eee\"/>\
             <text x=\"{x}\" y=\"{}\" text-anchor=\"middle\">{share}</text><text x=\"{}\" y=\"{}\" text-anchor=\"end\">{share}</text>",
            bottom + 14.0,
            left - 4.0,
            y + 4.0
        );
    }
    let _ = writeln!(
        svg,
        "<text x=\"{}\" y=\"{}\" text-anchor=\"middle\">{}</text>",
        left + SIDE / 2.0,
        bottom + 29.0,
        panel.x
    );
    let middle = top + SIDE / 2.0;
    let turned = left - 30.0;
    let _ = writeln!(
        svg,
        "<text x=\"{turned}\" y=\"{middle}\" text-anchor=\"middle\" transform=\"rotate(-90 {turned} {middle})\">{}</text>",
        panel.y
    );
    if panel.diagonal {
        let _ = writeln!(svg, "<path d=\"M{left} {bottom}L{right} {top}\" stroke=\"#bbb\" stroke-dasharray=\"4 3\"/>");
    }
    for (number, points) in panel.curves.iter().enumerate() {
        let every = points.len().div_ceil(MOST_POINTS).max(1);
        let last = points.len().saturating_sub(1);
        let shown = points.iter().enumerate().filter(|(at, _)| at % every == 0 || *at == last);
        let line: Vec<String> =
            shown.map(|(_, (x, y))| format!("{:.1},{:.1}", left + x * SIDE, bottom - y * SIDE)).collect();
        let colour = COLOURS[number % COLOURS.len()];
        let _ = writeln!(
            svg,
            "<polyline points=\"{}\" fill=\"none\" stroke=\"{colour}\" stroke-width=\"1.5\"/>",
            line.join(" ")
        );
    }
}

fn escape(text: &str) -> String {
    text.replace('&', "&amp;").replace('<', "&lt;").replace('>', "&gt;")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_curve_starts_and_ends_where_its_points_do() {
        let many: Points = (0..=1000).map(|n| (f64::from(n) / 1000.0, f64::from(n) / 1000.0)).collect();
        let panel = Panel { title: "t", x: "x", y: "y", diagonal: true, curves: vec![many] };
        let svg = draw("a < b", &["toxic".into()], &[panel]);
        assert!(svg.contains("a &lt; b") && svg.ends_with("</svg>\n"));
        let line = svg.split("points=\"").nth(1).unwrap().split('"').next().unwrap();
        let points: Vec<&str> = line.split(' ').collect();
        assert!(points.len() <= MOST_POINTS + 1, "{}", points.len());
        assert_eq!((points[0], points[points.len() - 1]), ("44.0,292.0", "284.0,52.0"));
    }
}
