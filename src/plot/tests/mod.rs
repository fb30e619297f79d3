//! Pictures of everything, and figures that no sensible program would ask for.

mod gallery;
mod hostile;
mod layout;

use super::{Figure, Panel, Series, Style};

pub(super) fn series(name: &str, style: Style, colour: usize, points: Vec<[f64; 2]>) -> Series {
    Series { name: name.into(), points, style, colour }
}

pub(super) fn lines(title: &str, labels: [&str; 2], log_y: bool, series: Vec<Series>) -> Panel {
    let [x_label, y_label] = labels.map(str::to_owned);
    Panel::Lines { title: title.into(), x_label, y_label, log_y, series }
}

pub(super) fn figure(panels: Vec<Panel>) -> Figure {
    Figure { title: String::new(), panels }
}
