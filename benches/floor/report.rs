//! The result as a table and as a plot.

use std::fmt::Write as _;

use crate::contender::{Kind, Measured};

/// Medians that everyone is compared with.
pub(crate) struct Floors {
    pub(crate) bare: f64,
    pub(crate) same: f64,
}

/// One line per contender.
pub(crate) fn table(list: &[Measured], floors: &Floors) -> String {
    let width = list.iter().map(|one| one.name.len()).max().unwrap_or_default();
    let mut text = format!(
        "{:width$}  {:>9}  {:>9}  {:>9}  {:>8}  {:>8}  {:>5}\n",
        "", "median ms", "10 %", "90 %", "x same", "x bare", "runs"
    );
    for one in list {
        let median = one.median();
        let _ = writeln!(
            text,
            "{:width$}  {:>9.3}  {:>9.3}  {:>9.3}  {:>8.2}  {:>8.2}  {:>5}",
            one.name,
            median * 1e3,
            one.quantile(0.1) * 1e3,
            one.quantile(0.9) * 1e3,
            median / floors.same,
            median / floors.bare,
            one.runs()
        );
    }
    text
}

const ROW: f64 = 26.0;
const LEFT: f64 = 290.0;
const BARS: f64 = 470.0;
const WIDTH: f64 = LEFT + BARS + 130.0;
const TOP: f64 = 44.0;

/// Bars on a logarithmic scale, with whiskers from the 10th to the 90th percentile.
pub(crate) fn svg(list: &[Measured], floors: &Floors, title: &str) -> String {
    let mut list: Vec<&Measured> = list.iter().collect();
    list.sort_by(|a, b| a.median().total_cmp(&b.median()));
    let times = || list.iter().flat_map(|one| [one.quantile(0.1), one.quantile(0.9)]);
    let low = times().fold(f64::INFINITY, f64::min) / 1.5;
    let high = times().fold(0.0, f64::max) * 1.05;
    let x = |seconds: f64| LEFT + BARS * (seconds / low).ln().max(0.0) / (high / low).ln();
    let mut rows = 0.0;
    let mut body = String::new();
    for one in &list {
        let y = TOP + rows * ROW;
        rows += 1.0;
        let (median, middle) = (one.median(), y + ROW / 2.0 - 3.0);
        let color = match one.kind {
            Kind::Floor => "#8a8f98",
            Kind::Ours => "#2a78b8",
            Kind::Peer => "#d39a4a",
        };
        let _ = writeln!(
            body,
            "<text x='{:.0}' y='{:.1}' text-anchor='end'>{}</text>\
             <rect x='{LEFT:.0}' y='{y:.1}' width='{:.1}' height='{:.0}' rx='2' fill='{color}'/>\
             <path d='M{:.1} {middle:.1}H{:.1}' stroke='#555' stroke-width='1.5'/>\
             <text x='{:.1}' y='{:.1}'>{:.2} ms, x {:.2}</text>",
            LEFT - 8.0,
            middle + 4.0,
            escape(&one.name),
            x(median) - LEFT,
            ROW - 6.0,
            x(one.quantile(0.1)),
            x(one.quantile(0.9)),
            x(one.quantile(0.9)) + 6.0,
            middle + 4.0,
            median * 1e3,
            median / floors.bare,
        );
    }
    let bottom = TOP + rows * ROW;
    let bare = x(floors.bare);
    let height = bottom + 34.0;
    format!(
        "<svg xmlns='http://www.w3.org/2000/svg' viewBox='0 0 {WIDTH:.0} {height:.0}' \
         width='{WIDTH:.0}' height='{height:.0}' font-family='sans-serif' font-size='12' \
         fill='#222'>\n<rect width='100%' height='100%' fill='#fff'/>\n\
         <text x='12' y='24' font-size='15' font-weight='bold'>{}</text>\n{body}\
         <path d='M{bare:.1} {:.1}V{bottom:.1}' stroke='#b03030' stroke-dasharray='4 3'/>\n\
         <text x='12' y='{:.1}' fill='#555'>median time per sandbox, logarithmic; x is against the \
         bare floor (dashed); whiskers: 10 % to 90 %</text>\n</svg>\n",
        escape(title),
        TOP - 8.0,
        bottom + 22.0,
    )
}

fn escape(text: &str) -> String {
    text.replace('&', "&amp;").replace('<', "&lt;").replace('>', "&gt;")
}
