//! Plots as SVG: a figure against the number of objects, both by logarithm. Knows no server.

use std::fmt::Write;

const WIDTH: f64 = 640.0;
const HEIGHT: f64 = 400.0;
const LEFT: f64 = 70.0;
const BOTTOM: f64 = 50.0;
const TOP: f64 = 40.0;
const RIGHT: f64 = 150.0;
const COLOURS: &[&str] = &["#555555", "#c0392b", "#2471a3", "#1e8449", "#b7950b"];

/// A name and its points.
pub type Line = (String, Vec<(f64, f64)>);

/// The powers of ten around some values.
struct Scale {
    low: i32,
    high: i32,
}

impl Scale {
    fn around(values: impl Iterator<Item = f64> + Clone) -> Scale {
        let low = values.clone().fold(f64::MAX, f64::min).log10().floor() as i32;
        let high = values.fold(f64::MIN_POSITIVE, f64::max).log10().ceil() as i32;
        Scale { low, high: high.max(low + 1) }
    }

    /// From 0 to 1.
    fn place(&self, value: f64) -> f64 {
        (value.log10() - f64::from(self.low)) / f64::from(self.high - self.low)
    }
}

pub fn svg(title: &str, across: &str, up: &str, lines: &[Line]) -> String {
    let lines: Vec<Line> = lines
        .iter()
        .map(|(name, points)| {
            let points = points.iter().filter(|point| point.0 > 0.0 && point.1 > 0.0);
            (name.clone(), points.copied().collect())
        })
        .collect();
    let points = lines.iter().flat_map(|(_, points)| points.iter());
    let (x, y) =
        (Scale::around(points.clone().map(|point| point.0)), Scale::around(points.map(|p| p.1)));
    let mut text = format!(
        "<svg xmlns=\"http://www.w3.org/2000/svg\" viewBox=\"0 0 {WIDTH} {HEIGHT}\" \
         font-family=\"sans-serif\" font-size=\"12\">\n\
         <rect width=\"{WIDTH}\" height=\"{HEIGHT}\" fill=\"white\"/>\n\
         <text x=\"{LEFT}\" y=\"24\" font-size=\"15\">{title}</text>\n\
         <text x=\"{LEFT}\" y=\"{}\">{across}</text>\n<text x=\"4\" y=\"{}\">{up}</text>\n",
        HEIGHT - 10.0,
        TOP - 4.0,
    );
    axes(&mut text, &x, &y);
    for (at, (name, points)) in lines.iter().enumerate() {
        let colour = COLOURS[at % COLOURS.len()];
        let mut path = String::new();
        for (across, up) in points {
            let (left, top) = spot(&x, &y, *across, *up);
            write!(path, "{left:.1},{top:.1} ").expect("it takes all");
            add(
                &mut text,
                &format!("<circle cx=\"{left:.1}\" cy=\"{top:.1}\" r=\"3\" fill=\"{colour}\"/>"),
            );
        }
        add(&mut text, &format!("<polyline points=\"{path}\" fill=\"none\" stroke=\"{colour}\"/>"));
        let (left, top) = (WIDTH - RIGHT + 12.0, TOP + 16.0 + 18.0 * at as f64);
        add(&mut text, &format!("<text x=\"{left}\" y=\"{top}\" fill=\"{colour}\">{name}</text>"));
    }
    text + "</svg>\n"
}

fn add(text: &mut String, line: &str) {
    text.push_str(line);
    text.push('\n');
}

fn spot(x: &Scale, y: &Scale, across: f64, up: f64) -> (f64, f64) {
    let (wide, high) = (WIDTH - LEFT - RIGHT, HEIGHT - TOP - BOTTOM);
    (LEFT + wide * x.place(across), TOP + high * (1.0 - y.place(up)))
}

fn axes(text: &mut String, x: &Scale, y: &Scale) {
    let (low, high) = (10f64.powi(x.low), 10f64.powi(x.high));
    for power in y.low..=y.high {
        let ((left, top), (right, _)) =
            (spot(x, y, low, 10f64.powi(power)), spot(x, y, high, 10f64.powi(power)));
        add(text, &format!("<path d=\"M{left} {top}H{right}\" stroke=\"#dddddd\"/>"));
        add(text, &format!("<text x=\"4\" y=\"{}\">{}</text>", top + 4.0, 10f64.powi(power)));
    }
    for power in x.low..=x.high {
        let ((left, bottom), (_, top)) =
            (spot(x, y, 10f64.powi(power), 10f64.powi(y.low)), spot(x, y, low, 10f64.powi(y.high)));
        add(text, &format!("<path d=\"M{left} {bottom}V{top}\" stroke=\"#dddddd\"/>"));
        let down = bottom + 18.0;
        add(text, &format!("<text x=\"{left}\" y=\"{down}\">{}</text>", 10f64.powi(power)));
    }
}
