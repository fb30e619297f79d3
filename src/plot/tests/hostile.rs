use super::super::{Panel, PlotError, Style, png, svg};
use super::{figure, lines, series};

const NAN: f64 = f64::NAN;
const INFINITY: f64 = f64::INFINITY;

/// Draws both pictures; the SVG has no number that is not one.
fn draws(panel: Panel) -> String {
    let figure = figure(vec![panel]);
    assert!(png(&figure).expect("pixels").starts_with(b"\x89PNG"));
    let text = svg(&figure).expect("text");
    assert!(!text.contains("NaN") && !text.contains("inf"), "{text}");
    text
}

#[test]
fn strange_values() {
    let cases: Vec<Vec<[f64; 2]>> = vec![
        vec![],
        vec![[1.0, 2.0]],
        vec![[NAN, 1.0], [1.0, NAN], [INFINITY, 0.0]],
        vec![[0.0, 5.0], [1.0, 5.0], [2.0, 5.0]],
        vec![[3.0, 0.0], [3.0, 1.0]],
        vec![[0.0, 1.0], [1.0, NAN], [2.0, 3.0], [3.0, 4.0]],
        vec![[0.0, -1e308], [1.0, 1e308]],
        vec![[0.0, 0.0], [1.0, 5e-324]],
        vec![[1e17, 1e17], [1e17 + 64.0, 1e17 + 64.0]],
        vec![[-1e-30, 1e-30], [1e-30, -1e-30]],
        vec![[0.0, 1e-300], [1.0, 1e299]],
        vec![[0.0, -1.0], [1.0, 0.0]],
    ];
    for points in cases {
        let styles = [Style::Line, Style::Points, Style::Dashed];
        let all: Vec<_> = styles.into_iter().map(|style| series("a", style, 99, points.clone())).collect();
        draws(lines("t", ["x", "y"], false, all.clone()));
        draws(lines("", ["", ""], true, all.clone()));
        let (title, x_label, y_label) = (String::new(), "x".into(), "y".into());
        draws(Panel::Phase { title, x_label, y_label, series: all });
    }
}

#[test]
fn text_is_escaped_and_shortened() {
    let long = "a < b & \"c\" ".repeat(40);
    let text = draws(lines(&long, [&long, &long], false, vec![series("\u{0}<x>", Style::Line, 0, vec![[0.0, 1.0]])]));
    assert!(text.contains("a &lt; b &amp;") && text.contains('…') && !text.contains('\u{0}'));
    assert!(text.contains("\u{fffd}&lt;x&gt;"));
}

fn density(nx: usize, ny: usize, values: Vec<f64>) -> Panel {
    Panel::Density {
        title: String::new(),
        x_label: "x".into(),
        y_label: "y".into(),
        x_range: [0.0, 1.0],
        y_range: [1.0, 1.0],
        nx,
        ny,
        values,
        points: vec![[0.5, 1.0], [NAN, 0.0], [9.0, 9.0]],
    }
}

#[test]
fn strange_densities() {
    draws(density(0, 0, vec![]));
    draws(density(1, 1, vec![1.0]));
    draws(density(2, 2, vec![NAN, INFINITY, -INFINITY, 0.0]));
    draws(density(2, 1, vec![NAN, NAN]));
    draws(density(2, 1, vec![-1e308, 1e308]));
    for (nx, ny) in [(2, 2), (usize::MAX, 2)] {
        assert!(matches!(svg(&figure(vec![density(nx, ny, vec![0.0])])), Err(PlotError::Grid(_, 1))));
    }
}

#[test]
fn too_many_panels_and_none() {
    assert!(svg(&figure(vec![])).expect("text").ends_with("</svg>\n"));
    assert!(png(&figure(vec![])).is_ok());
    let many = vec![lines("", ["", ""], false, vec![]); 37];
    assert_eq!(svg(&figure(many)), Err(PlotError::TooManyPanels(37)));
}

#[test]
fn long_series_are_small_pictures() {
    let wave: Vec<[f64; 2]> = (0..200_000).map(|i| [f64::from(i), (f64::from(i) * 0.7).sin()]).collect();
    for style in [Style::Line, Style::Points] {
        let text = draws(lines("", ["x", "y"], false, vec![series("", style, 0, wave.clone())]));
        assert!(text.len() < 8_000_000, "{}", text.len());
    }
}
