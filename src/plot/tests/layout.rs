use super::super::colour::viridis;
use super::super::font::Fonts;
use super::super::legend::{Legend, Place};
use super::super::scene::Area;
use super::super::ticks::{Scale, superscript};
use super::super::{Style, svg};
use super::{figure, lines, series};

fn labels(low: f64, high: f64, log: bool) -> (String, Option<i32>) {
    let (ticks, power) = Scale { low, high, log }.ticks(5);
    assert!(ticks.iter().all(|(part, _)| (-1e-6..=1.0 + 1e-6).contains(part)), "{ticks:?}");
    (ticks.into_iter().map(|t| t.1).collect::<Vec<_>>().join(" "), power)
}

#[test]
fn ticks_are_round_numbers() {
    assert_eq!(labels(0.0, 1.0, false), ("0.0 0.2 0.4 0.6 0.8 1.0".into(), None));
    assert_eq!(labels(-0.11, 0.12, false), ("−0.10 −0.05 0.00 0.05 0.10".into(), None));
    assert_eq!(labels(1900.0, 1920.0, false), ("1900 1905 1910 1915 1920".into(), None));
    assert_eq!(labels(0.0, 4.2e7, false), ("0 1 2 3 4".into(), Some(7)));
    assert_eq!(labels(-2e-6, 2e-6, false), ("−2 −1 0 1 2".into(), Some(-6)));
    assert_eq!(labels(-2.2, 1.1, true), ("0.01 0.1 1 10".into(), None));
    assert_eq!(labels(-8.5, 1.0, true), ("10⁻⁸ 10⁻⁶ 10⁻⁴ 10⁻² 10⁰".into(), None));
    assert_eq!(labels(0.0, 0.7, true), ("1 2 3 4 5".into(), None));
}

#[test]
fn the_font_has_every_character_that_labels_use() {
    let fonts = Fonts::new().expect("the font");
    let text = format!("−×…{}αβγδσθ₀₁{}", superscript(-1_234_567_890), "µ°");
    for c in text.chars() {
        let outline = |text: &str| format!("{:?}", fonts.glyphs(text, 14.0, false).next().and_then(|g| g.outline));
        let drawn = outline(&c.to_string());
        assert!(drawn != "None" && drawn != outline("\u{10ffff}"), "{c}");
    }
}

#[test]
fn viridis_has_its_published_ends() {
    assert_eq!(viridis(0.0).0, [68, 1, 84]);
    assert_eq!(viridis(1.0).0, [253, 231, 37]);
    assert_eq!(viridis(0.5).0, [33, 145, 140]);
}

#[test]
fn the_legend_avoids_data() {
    let fonts = Fonts::new().expect("the font");
    let plot = Area { left: 0.0, top: 0.0, width: 400.0, height: 300.0 };
    let all = [series("a", Style::Line, 0, vec![]), series("b", Style::Line, 1, vec![])];
    let legend = Legend::of(&fonts, &all, "y").expect("a legend");
    let in_corner = |marks: &[[f64; 2]]| match legend.place(plot, marks) {
        Place::Inside(area) => Some((area.left > 200.0, area.top > 150.0)),
        Place::Above(_) | Place::Beside => None,
    };
    let corners = [[390.0, 10.0], [10.0, 10.0], [390.0, 290.0], [10.0, 290.0]];
    assert_eq!(in_corner(&corners[..0]), Some((true, false)));
    assert_eq!(in_corner(&corners[..1]), Some((false, false)));
    assert_eq!(in_corner(&corners[..3]), Some((false, true)));
    assert_eq!(in_corner(&corners), None);
    assert!(Legend::of(&fonts, &[series("y", Style::Line, 0, vec![])], "y").is_none(), "it would repeat the label");
}

#[test]
fn a_small_figure_is_these_bytes() {
    let all = vec![
        series("model", Style::Dashed, 1, vec![[0.0, 0.0], [1.0, 1.0], [2.0, 4.0]]),
        series("data", Style::Points, 1, vec![[1.0, 1.5]]),
    ];
    let drawn = svg(&figure(vec![lines("Square", ["t", "z"], false, all)])).expect("text");
    if std::env::var_os("PULLBACK_BLESS").is_some() {
        std::fs::write(concat!(env!("CARGO_MANIFEST_DIR"), "/src/plot/tests/small.svg"), &drawn).expect("written");
    }
    assert_eq!(drawn, include_str!("small.svg"));
}
