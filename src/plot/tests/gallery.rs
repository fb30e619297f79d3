//! The figures of the commands, to look at: `PULLBACK_GALLERY=folder cargo test gallery` writes them there.

use std::f64::consts::TAU;
use std::fs;
use std::path::Path;

use super::super::{Figure, Panel, Style, png, svg};
use super::{figure, lines, series};

/// Lotka-Volterra by small steps of the classical Runge-Kutta method.
fn lotka_volterra(start: [f64; 2], until: f64) -> Vec<[f64; 3]> {
    let f = |[x, y]: [f64; 2]| [0.55 * x - 0.028 * x * y, -0.84 * y + 0.026 * x * y];
    let step = 0.02;
    let (mut t, mut z) = (0.0, start);
    let mut out = vec![[t, z[0], z[1]]];
    while t < until {
        let along = |z: [f64; 2], k: [f64; 2], h: f64| [z[0] + h * k[0], z[1] + h * k[1]];
        let k1 = f(z);
        let k2 = f(along(z, k1, step / 2.0));
        let k3 = f(along(z, k2, step / 2.0));
        let k4 = f(along(z, k3, step));
        z = [0, 1].map(|i| z[i] + step / 6.0 * (k1[i] + 2.0 * k2[i] + 2.0 * k3[i] + k4[i]));
        t += step;
        out.push([t, z[0], z[1]]);
    }
    out
}

const HARE: [f64; 21] = [
    30.0, 47.2, 70.2, 77.4, 36.3, 20.6, 18.1, 21.4, 22.0, 25.4, 27.1, 40.3, 57.0, 76.6, 52.3, 19.5, 11.2, 7.6, 14.6,
    16.2, 24.7,
];
const LYNX: [f64; 21] = [
    4.0, 6.1, 9.8, 35.2, 59.4, 41.7, 19.0, 13.0, 8.3, 9.1, 7.4, 8.0, 12.3, 19.5, 45.7, 51.1, 29.7, 15.8, 9.7, 10.1, 8.6,
];

fn fit() -> Panel {
    let run = lotka_volterra([30.0, 4.0], 20.0);
    let line = |i: usize| run.iter().map(|z| [1900.0 + z[0], z[i]]).collect();
    let dots = |data: &[f64]| data.iter().zip(1900..).map(|(v, year)| [f64::from(year), *v]).collect();
    let all = vec![
        series("hare, data", Style::Points, 0, dots(&HARE)),
        series("hare, model", Style::Line, 0, line(1)),
        series("lynx, data", Style::Points, 1, dots(&LYNX)),
        series("lynx, model", Style::Line, 1, line(2)),
    ];
    lines("Fit", ["year", "pelts (thousands)"], false, all)
}

fn phase() -> Panel {
    let orbit = |start| lotka_volterra(start, 12.0).iter().map(|z| [z[1], z[2]]).collect();
    Panel::Phase {
        title: "Phase portrait".into(),
        x_label: "hare".into(),
        y_label: "lynx".into(),
        series: vec![
            series("", Style::Line, 0, orbit([30.0, 4.0])),
            series("", Style::Line, 2, orbit([32.0, 10.0])),
            series("", Style::Line, 1, orbit([32.0, 15.0])),
        ],
    }
}

fn spiral() -> Panel {
    let turn = |k: f64| {
        let at = move |i: i32| {
            let t = f64::from(i) / 40.0;
            [(-0.15 * t).exp() * (t + k).cos() * 2.0, (-0.15 * t).exp() * (t + k).sin() * 2.0]
        };
        (0..800).map(at).collect()
    };
    let all = vec![series("truth", Style::Dashed, 6, turn(0.0)), series("model", Style::Line, 0, turn(0.3))];
    Panel::Phase { title: "Spiral".into(), x_label: "z₀".into(), y_label: "z₁".into(), series: all }
}

fn loss() -> Panel {
    let noise = |i: i32| (f64::from(i) * 12.9898).sin() * 43_758.545_3;
    let at = |i: i32, floor: f64| {
        let wobble = (noise(i) - noise(i).floor() - 0.5) * 0.4;
        [f64::from(i), (3.0 * (-f64::from(i) / 300.0).exp() + floor) * wobble.exp()]
    };
    let all = vec![
        series("training", Style::Line, 0, (0..2000).map(|i| at(i, 0.002)).collect()),
        series("validation", Style::Line, 1, (0..2000).step_by(50).map(|i| at(i, 0.005)).collect()),
    ];
    lines("Training", ["step", "loss"], true, all)
}

fn density(log: bool) -> Panel {
    let n = 100_u32;
    let at = |x: f64, y: f64| {
        let ring = |cx: f64, cy: f64, up: f64| {
            let r = (x - cx).hypot(y - cy);
            let side = ((y - cy) * up / 0.2).tanh() * 0.5 + 0.5;
            (-(r - 1.0).powi(2) / 0.03).exp() * side
        };
        0.5 * (ring(0.0, 0.0, 1.0) + ring(1.0, 0.5, -1.0)) + 1e-9
    };
    let cell = |i: u32, low: f64, span: f64| low + span * (f64::from(i) + 0.5) / f64::from(n);
    let values = (0..n * n).map(|k| at(cell(k % n, -1.5, 4.0), cell(k / n, -1.0, 2.5)));
    let points = |i: u32| {
        let a = f64::from(i) / 120.0 * TAU / 2.0;
        [a.cos() + 0.05 * f64::from(i * 7 % 5), a.sin() - 0.04 * f64::from(i * 3 % 4)]
    };
    Panel::Density {
        title: if log { "Log-density" } else { "Density" }.into(),
        x_label: "x₀".into(),
        y_label: "x₁".into(),
        x_range: [-1.5, 2.5],
        y_range: [-1.0, 1.5],
        nx: 100,
        ny: 100,
        values: if log { values.map(f64::ln).collect() } else { values.collect() },
        points: if log { (0..120).map(points).collect() } else { Vec::new() },
    }
}

fn crowded() -> Panel {
    let wave = |k: u32| {
        let at = |i: u32| [f64::from(i) * 1e-6, 2e7 * (f64::from(i) * 0.1 + f64::from(k)).sin()];
        series(&format!("trajectory with a long name, number {k}"), Style::Line, k as usize, (0..200).map(at).collect())
    };
    lines("No corner is free", ["t (s)", "force (N)"], false, (0..6).map(wave).collect())
}

fn draw(name: &str, drawn: &Figure) {
    let picture = png(drawn).expect("pixels");
    let text = svg(drawn).expect("text");
    assert!(picture.starts_with(b"\x89PNG") && picture.len() > 5_000, "{name} is empty");
    assert_eq!(text, svg(drawn).expect("text"), "{name} is not deterministic");
    if let Some(folder) = std::env::var_os("PULLBACK_GALLERY") {
        let path = Path::new(&folder).join(name);
        fs::write(path.with_extension("png"), picture).expect("written");
        fs::write(path.with_extension("svg"), text).expect("written");
    }
}

#[test]
fn gallery() {
    let hares = Figure { title: "Hares and lynx of the Hudson Bay Company".into(), panels: vec![fit(), phase()] };
    draw("hares", &hares);
    draw("loss", &figure(vec![loss()]));
    draw("spiral", &figure(vec![spiral()]));
    draw("moons", &Figure { title: "Two moons".into(), panels: vec![density(false), density(true)] });
    draw("grid", &figure(vec![crowded(), fit(), loss(), density(true), spiral()]));
}
