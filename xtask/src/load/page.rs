//! A report as a page that stands alone: the figures, latency by percentile, and throughput, latency and memory over time, as inline SVG.

use std::fmt::Write as _;

use weir_loadtest::driver::report::{Phase, Report};

use super::text;

const WIDTH: f64 = 860.0;
const HEIGHT: f64 = 300.0;
/// Room for labels: left and below.
const LEFT: f64 = 70.0;
const BELOW: f64 = 34.0;
const ABOVE: f64 = 10.0;
const RIGHT: f64 = 16.0;
/// Colours that differ for the colour-blind too (Okabe and Ito, 2008), one for each target.
const COLOURS: [&str; 3] = ["#0072b2", "#d55e00", "#009e73"];
/// Percentiles that are marked, as shares.
const MARKED: [(f64, &str); 6] =
    [(0.0, "0"), (0.5, "50 %"), (0.9, "90 %"), (0.99, "99 %"), (0.999, "99.9 %"), (0.9999, "99.99 %")];

const STYLE: &str = "\
:root { color-scheme: light dark; --line: #8884; }\n\
body { font: 15px/1.5 system-ui, sans-serif; max-width: 900px; margin: 2em auto; padding: 0 1em; }\n\
h1 { font-size: 1.4em; } h2 { font-size: 1.1em; margin: 1.6em 0 .4em; }\n\
pre { overflow-x: auto; font-size: 13px; line-height: 1.45; }\n\
svg { width: 100%; height: auto; } svg text { fill: currentColor; font-size: 12px; }\n\
.grid { stroke: var(--line); } .curve { fill: none; stroke-width: 1.8; }\n\
.legend span { margin-right: 1.4em; } .legend i { display: inline-block; width: 1.6em; height: 0; vertical-align: middle;\n\
margin-right: .4em; border-top: 3px solid; } .legend i.dashed { border-top-style: dashed; }\n";

/// A line in a chart, in its units.
struct Curve<'a> {
    colour: &'a str,
    dashed: bool,
    points: Vec<(f64, f64)>,
}

/// An axis: where a figure lies between 0 and 1, and which are labelled.
struct Axis<'a> {
    place: &'a dyn Fn(f64) -> f64,
    marks: Vec<(f64, String)>,
}

/// The whole page; `machine` is one line of text.
pub(super) fn of(report: &Report, machine: &str) -> String {
    let title =
        report.options.server.as_deref().map_or_else(|| "Ceilings".to_owned(), |host| format!("Load on {host}"));
    let mut page = format!(
        "<!doctype html>\n<html lang=\"en\"><head><meta charset=\"utf-8\"><title>{title}</title>\n<style>{STYLE}</style></head>\n\
         <body>\n<h1>{title}</h1>\n<pre>{}\n{}</pre>\n{}",
        escaped(machine),
        escaped(&text::of(report)),
        legend(report),
        title = escaped(&title),
    );
    let charts = [
        ("Latency by percentile, milliseconds", percentiles(report)),
        ("Events a second", over_time(report, |phase| phase.series.iter().map(|point| point.events as f64).collect())),
        (
            "99th percentile of latency, milliseconds",
            over_time(report, |phase| phase.series.iter().map(|point| point.p99_us as f64 / 1_000.0).collect()),
        ),
        ("Memory of the server, MiB", over_time(report, memory)),
    ];
    for (title, chart) in charts {
        // Writing to a String cannot fail, here and below.
        let _ = write!(page, "<h2>{title}</h2>\n{chart}\n");
    }
    page.push_str("</body></html>\n");
    page
}

fn memory(phase: &Phase) -> Vec<f64> {
    let bytes = phase.series.iter().filter_map(|point| point.server_resident_bytes);
    bytes.map(|bytes| bytes as f64 / f64::from(1 << 20)).collect()
}

fn legend(report: &Report) -> String {
    let mut text = String::from("<p class=\"legend\">");
    for (target, colour) in report.targets.iter().zip(COLOURS) {
        let _ = write!(text, "<span><i style=\"color:{colour}\"></i>{}</span>", escaped(&target.name));
    }
    text + "<span><i class=\"dashed\"></i>service time of one try (in the percentiles)</span></p>\n"
}

/// Latency by percentile, each nine as wide as the one before: what is rare is what matters.
fn percentiles(report: &Report) -> String {
    let phases = || report.targets.iter().zip(COLOURS).flat_map(|(t, c)| t.phases.iter().map(move |phase| (phase, c)));
    let bodies = phases().map(|(phase, _)| phase.latency.bodies).max().unwrap_or(0).max(10) as f64;
    let nines = bodies.log10();
    let across = |share: f64| (-(1.0 - share).max(1.0 / bodies).log10() / nines).clamp(0.0, 1.0);
    let curve = |points: &[(f64, u64)], colour, dashed| Curve {
        colour,
        dashed,
        points: points.iter().map(|(share, us)| (*share, (*us).max(1) as f64 / 1_000.0)).collect(),
    };
    let curves: Vec<Curve<'_>> = phases()
        .flat_map(|(phase, colour)| {
            [curve(&phase.latency.curve, colour, false), curve(&phase.service.curve, colour, true)]
        })
        .collect();
    let (lowest, highest) = bounds(&curves);
    let (low, high) = (lowest.log10().floor(), highest.log10().ceil().max(lowest.log10().floor() + 1.0));
    let up = |milliseconds: f64| (milliseconds.log10() - low) / (high - low);
    let decades = multiples(1.0, high - low).map(|step| low + step);
    let x = Axis {
        place: &across,
        marks: MARKED
            .iter()
            .filter(|(share, _)| 1.0 - share >= 1.0 / bodies)
            .map(|(s, t)| (*s, (*t).to_owned()))
            .collect(),
    };
    let y =
        Axis { place: &up, marks: decades.map(|decade| (10_f64.powf(decade), figure(10_f64.powf(decade)))).collect() };
    chart(&x, &y, &curves)
}

/// A figure for each second of each phase.
fn over_time(report: &Report, figures: impl Fn(&Phase) -> Vec<f64>) -> String {
    let mut curves = Vec::new();
    for (target, colour) in report.targets.iter().zip(COLOURS) {
        for phase in &target.phases {
            let points = (1..).map(f64::from).zip(figures(phase)).collect();
            curves.push(Curve { colour, dashed: false, points });
        }
    }
    let longest = report.options.seconds.max(1.0);
    let across = |second: f64| second / longest;
    let seconds = multiples(round_step(longest), longest);
    let x = Axis { place: &across, marks: seconds.map(|second| (second, format!("{second} s"))).collect() };
    let highest = bounds(&curves).1.max(1.0);
    let step = round_step(highest);
    let top = (highest / step).ceil() * step;
    let up = |value: f64| value / top;
    let y = Axis { place: &up, marks: multiples(step, top).map(|value| (value, figure(value))).collect() };
    chart(&x, &y, &curves)
}

/// The least and the greatest figure.
fn bounds(curves: &[Curve<'_>]) -> (f64, f64) {
    let all = || curves.iter().flat_map(|curve| &curve.points).map(|(_, figure)| *figure);
    (all().reduce(f64::min).unwrap_or(1.0), all().reduce(f64::max).unwrap_or(1.0))
}

/// 1, 2 or 5 times a power of ten, about five of which reach `to`.
fn round_step(to: f64) -> f64 {
    let power = 10_f64.powf((to / 5.0).log10().floor());
    let steps = [1.0, 2.0, 5.0, 10.0].map(|factor| factor * power);
    steps.into_iter().find(|step| to / step <= 6.0).unwrap_or(to)
}

/// 0 and the multiples of a step up to a figure, give or take what floats are wrong by.
fn multiples(step: f64, to: f64) -> impl Iterator<Item = f64> {
    std::iter::successors(Some(0.0), |count| Some(count + 1.0))
        .map(move |count| count * step)
        .take_while(move |multiple| *multiple <= to * 1.001)
}

/// A figure of an axis, short.
fn figure(value: f64) -> String {
    match value {
        value if value >= 1e6 => format!("{} M", value / 1e6),
        value if value >= 1e4 => format!("{} k", value / 1e3),
        // Rounded where the steps of an axis are not.
        value => format!("{}", (value * 1e6).round() / 1e6),
    }
}

fn chart(x: &Axis<'_>, y: &Axis<'_>, curves: &[Curve<'_>]) -> String {
    let across = |value: f64| LEFT + (x.place)(value) * (WIDTH - LEFT - RIGHT);
    let down = |value: f64| HEIGHT - BELOW - (y.place)(value) * (HEIGHT - BELOW - ABOVE);
    let (top, bottom, right) = (ABOVE, HEIGHT - BELOW, WIDTH - RIGHT);
    let mut svg = format!("<svg viewBox=\"0 0 {WIDTH} {HEIGHT}\" role=\"img\">\n");
    for (value, label) in &x.marks {
        let x = across(*value);
        let _ = writeln!(
            svg,
            "<path class=\"grid\" d=\"M{x:.1} {top}V{bottom}\"/><text x=\"{x:.1}\" y=\"{}\" text-anchor=\"middle\">{label}</text>",
            bottom + 20.0
        );
    }
    for (value, label) in &y.marks {
        let y = down(*value);
        let _ = writeln!(
            svg,
            "<path class=\"grid\" d=\"M{LEFT} {y:.1}H{right}\"/><text x=\"{}\" y=\"{:.1}\" text-anchor=\"end\">{label}</text>",
            LEFT - 8.0,
            y + 4.0
        );
    }
    for curve in curves {
        let points: Vec<String> =
            curve.points.iter().map(|(x, y)| format!("{:.1},{:.1}", across(*x), down(*y))).collect();
        let dashes = if curve.dashed { " stroke-dasharray=\"2 4\"" } else { "" };
        let (colour, points) = (curve.colour, points.join(" "));
        let _ = writeln!(svg, "<polyline class=\"curve\" stroke=\"{colour}\"{dashes} points=\"{points}\"/>");
    }
    svg + "</svg>"
}

fn escaped(text: &str) -> String {
    text.replace('&', "&amp;").replace('<', "&lt;").replace('>', "&gt;")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_page_has_a_line_for_every_phase() {
        let page = of(&text::tests::report(), "a <machine>");
        assert!(page.contains("a &lt;machine&gt;") && page.contains("Load on 127.0.0.1:8080"));
        // Latency and service by percentile, and three figures over time, of four phases.
        assert_eq!(page.matches("<polyline").count(), 4 * 5);
        assert!(!page.contains("NaN") && !page.contains("inf,"), "{page}");
        assert!(!page.contains("http://") && !page.contains("https://"), "it stands alone");
    }

    #[test]
    fn axes_have_round_steps() {
        for (to, step) in [(60.0, 10.0), (1.0, 0.2), (2_400_000.0, 500_000.0), (7.3, 2.0), (100.0, 20.0)] {
            assert!((round_step(to) - step).abs() < step * 1e-9, "{to}: {}", round_step(to));
        }
        for (value, text) in [(0.1, "0.1"), (20.0, "20"), (1_500.0, "1500"), (50_000.0, "50 k"), (2e6, "2 M")] {
            assert_eq!(figure(value), text);
        }
    }
}
