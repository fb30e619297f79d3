//! Events: values, gradients through the time of an event and its reset, against closed forms.

use pullback::compile::{Settings, compile};
use pullback::load::{Loaded, Request, load};
use pullback::lower::Gradient;
use pullback::model::{Batch, Evaluated, Model, initial, unconstrain};

fn open(text: &str) -> Loaded {
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("model.node");
    std::fs::write(&file, text).unwrap();
    load(&Request { path: file, ..Request::default() })
        .unwrap_or_else(|r| panic!("{}", pullback::diag::render(&r.problems, &r.sources, false)))
}

fn evaluate(text: &str, method: Gradient, settings: &Settings, samples: usize) -> (Model<f64>, Evaluated) {
    let mut loaded = open(text);
    loaded.lowered.systems.iter_mut().for_each(|s| s.gradient = method);
    let raw = unconstrain(&loaded.lowered, &initial(&loaded.lowered, 0));
    let model = compile::<f64>(loaded.lowered, settings).unwrap();
    let samples: Vec<usize> = (0..samples).collect();
    let batch = Batch { data: None, samples: &samples, seed: 1, step: 0 };
    let found = model.evaluate(model.gradient.as_ref().unwrap(), &raw, &batch);
    (model, found)
}

/// Value and gradient against a function of the parameters, differentiated by differences of fourth order.
fn agrees(text: &str, method: Gradient, closed: impl Fn(&[f64]) -> f64, at: &[f64], value: f64, slope: f64) {
    let (_, found) = evaluate(text, method, &Settings::default(), 1);
    assert!(found.dropped.is_empty(), "{:?}", found.dropped);
    let exact = closed(at);
    assert!((found.loss - exact).abs() <= value * (1.0 + exact.abs()), "{} for {exact}", found.loss);
    for k in 0..at.len() {
        let along = |step: f64| {
            let mut x = at.to_vec();
            x[k] += step;
            closed(&x)
        };
        let h = 1e-4 * at[k].abs().max(0.1);
        let exact = (8.0 * (along(h) - along(-h)) - (along(2.0 * h) - along(-2.0 * h))) / (12.0 * h);
        let gradient = found.natural[k][0];
        assert!((gradient - exact).abs() <= slope * (1.0 + exact.abs()), "{method:?} {k}: {gradient} for {exact}");
    }
}

/// Height at time t of a ball dropped from h that keeps the share e of its speed at each bounce.
fn ball(h: f64, e: f64, g: f64, t: f64) -> f64 {
    let mut speed = (2.0 * g * h).sqrt();
    let mut last = speed / g;
    if t < last {
        return h - 0.5 * g * t * t;
    }
    loop {
        speed *= e;
        let flight = 2.0 * speed / g;
        if t < last + flight {
            return speed * (t - last) - 0.5 * g * (t - last).powi(2);
        }
        last += flight;
    }
}

fn bouncing(times: &str, options: &str) -> String {
    format!(
        "param h: positive = 2\nparam e = 0.8\nparam g: positive = 9.81\nstate y = h\nstate v = 0\ny' = v\nv' = -g\n\
         event bounce: y < 0 => {{ v := -e*v }}\nlet ts = {times}\nloss = sum(y(ts))\n\
         solve {options}, 0 .. 3\n"
    )
}

/// The ball on a spring that is a network: one sample of a small network takes whole steps, several do not.
#[test]
fn whole_steps_of_a_network() {
    let net = "use nn\nnoise h: [] ~ uniform(0.5, 3)\nnet f: [2] -> [2] = dense(20) |> tanh |> dense(20) |> tanh |> dense(2)\n\
        state y = h\nstate v = 0\nlet q = f([y, v])\ny' = v\nv' = q[0] - 9.81\n\
        event hit: y < 0 => { v := -0.8*v }\nloss = y(0.8)^2 + v(1.1)\n";
    for method in ["tsit5", "vern7", "rk4(dt = 1/64)"] {
        let text = format!("{net}solve {method}, 0 .. 1.1\n");
        for gradient in [Gradient::Discrete, Gradient::Backsolve] {
            let lanes = |lanes| evaluate(&text, gradient, &Settings { lanes, ..Settings::default() }, 3);
            let ((single, one), (_, several)) = (lanes(1), lanes(3));
            assert!(single.systems[0].takes_whole_steps(), "{method}");
            let size = one.raw.iter().fold(0.0_f64, |size, x| size.max(x.abs()));
            assert!(size > 0.01 && one.dropped.is_empty());
            for (a, b) in one.raw.iter().zip(&several.raw) {
                assert!((a - b).abs() <= 1e-9 * size, "{method} {gradient:?}: {a} and {b}");
            }
        }
    }
}

#[test]
fn a_bouncing_ball_follows_its_closed_form() {
    let closed = |p: &[f64]| [0.3, 1.0, 1.9, 2.6, 3.0].iter().map(|t| ball(p[0], p[1], p[2], *t)).sum();
    // The flight is a polynomial, which the method integrates exactly at any tolerance: what is left is rounding.
    for options in
        ["tsit5", "dopri5(rtol = 1e-3, atol = 1e-3)", "bosh3(rtol = 1e-2)", "rk4(dt = 0.5)", "vern7", "dopri8"]
    {
        let text = bouncing("[0.3, 1.0, 1.9, 2.6, 3.0]", options);
        agrees(&text, Gradient::Discrete, closed, &[2.0, 0.8, 9.81], 1e-12, 1e-9);
        agrees(&text, Gradient::Backsolve, closed, &[2.0, 0.8, 9.81], 1e-12, 1e-9);
        agrees(&text, Gradient::Interpolated, closed, &[2.0, 0.8, 9.81], 1e-12, 1e-9);
        agrees(&text, Gradient::Forward, closed, &[2.0, 0.8, 9.81], 1e-12, 1e-9);
    }
}

/// Implicit methods: dense output of `rodas5p` and of `kvaerno5` is exact for the parabola too; `bdf` has errors of its
/// tolerance, and events that begin again from order 1.
#[test]
fn a_ball_bounces_under_implicit_methods() {
    let closed = |p: &[f64]| [0.3, 1.0, 1.9, 2.6, 3.0].iter().map(|t| ball(p[0], p[1], p[2], *t)).sum();
    for (method, value, slope) in
        [("rodas5p", 1e-11, 1e-8), ("kvaerno5", 1e-9, 1e-6), ("auto", 1e-11, 1e-8), ("bdf", 1e-6, 1e-5)]
    {
        let text = bouncing("[0.3, 1.0, 1.9, 2.6, 3.0]", &format!("{method}(rtol = 1e-9, atol = 1e-9)"));
        for gradient in [Gradient::Discrete, Gradient::Backsolve, Gradient::Interpolated, Gradient::Forward] {
            agrees(&text, gradient, closed, &[2.0, 0.8, 9.81], value, slope);
        }
    }
}

/// The same with Adams' formulas, which begin again from order 1 behind each bounce.
#[test]
fn a_ball_bounces_under_adams() {
    let closed = |p: &[f64]| [0.3, 1.0, 1.9, 2.6, 3.0].iter().map(|t| ball(p[0], p[1], p[2], *t)).sum();
    let text = bouncing("[0.3, 1.0, 1.9, 2.6, 3.0]", "adams(rtol = 1e-9, atol = 1e-9)");
    for gradient in [Gradient::Backsolve, Gradient::Interpolated, Gradient::Forward] {
        agrees(&text, gradient, closed, &[2.0, 0.8, 9.81], 1e-8, 1e-7);
    }
}

/// A stiff relay: a fast state follows a slow one that turns round at thresholds.
#[test]
fn events_of_a_stiff_system() {
    let text = |solve: &str| {
        format!(
            "param rate: positive = 1\nparam stiff: positive = 1e5\nstate x = 0\nstate d = 1\nstate y = 0\n\
             x' = rate*d\nd' = 0\ny' = -stiff*(y - x^2)\nevent up: x > 1 => {{ d := -1 }}\n\
             event down: x < -0.5 => {{ d := 1 }}\nloss = y(7.2) + x(7.2)\nsolve {solve}, 0 .. 7.2\n"
        )
    };
    // y follows x² with a lag of d(x²)/dt over the rate.
    let closed = |p: &[f64]| {
        let way = p[0] * 7.2 - 1.0;
        let x = if way <= 1.5 { 1.0 - way } else { (way - 1.5) % 3.0 - 0.5 };
        let (x, d) = if x <= 1.0 { (x, 1.0) } else { (2.0 - x, -1.0) };
        x + x * x - 2.0 * x * d * p[0] / p[1]
    };
    for method in ["rodas5p", "kvaerno5", "auto", "bdf"] {
        let text = text(&format!("{method}(rtol = 1e-8, atol = 1e-8)"));
        for gradient in [Gradient::Discrete, Gradient::Interpolated, Gradient::Forward] {
            agrees(&text, gradient, closed, &[1.0, 1e5], 1e-6, 1e-5);
        }
    }
}

/// The fast component itself is watched: an L-stable method can step over it so far that both ends of a step are right and
/// what lies between is not.
#[test]
fn a_stiff_component_is_watched_within_long_steps() {
    for method in ["rodas5p", "kvaerno5", "auto", "bdf"] {
        let text = format!(
            "param k: positive = 1e6\nstate y = 1\nstate n = 0\nstate last = 0\ny' = -k*(y - cos(t)) - sin(t)\nn' = 0\n\
             last' = 0\nevent low: y < 0 => {{ n := n + 1 last := t }}\nloss = n(10) + last(10)\n\
             solve {method}(rtol = 1e-6, atol = 1e-6), 0 .. 10\n"
        );
        let (_, found) = evaluate(&text, Gradient::Discrete, &Settings::default(), 1);
        assert!(found.dropped.is_empty(), "{:?}", found.dropped);
        // cos falls through 0 at π/2 and 5π/2.
        let exact = 2.0 + 2.5 * std::f64::consts::PI;
        assert!((found.loss - exact).abs() < 2e-5, "{method}: {} for {exact}", found.loss);
    }
}

/// A condition that holds for a moment, within a step much longer than that.
#[test]
fn a_condition_that_holds_for_a_moment_is_found() {
    for (height, solve) in
        [(0.999, "tsit5(rtol = 1e-3, atol = 1e-3)"), (0.998, "dopri5(dt = 0.8)"), (0.9999, "rodas5p")]
    {
        let text = format!(
            "param w: positive = 1\nstate x = 0\nstate y = 1\nstate n = 0\nx' = w*y\ny' = -w*x\nn' = 0\n\
             event top: x > {height} => {{ n := n + 1 }}\nloss = n(32)\nsolve {solve}, 0 .. 32\n"
        );
        let (_, found) = evaluate(&text, Gradient::Discrete, &Settings::default(), 1);
        // The peaks of a sine: π/2, …, as many as there are before 32. (Errors of the methods move x at the fifth by
        // less than the threshold leaves.)
        assert!(found.dropped.is_empty(), "{:?}", found.dropped);
        assert!((found.loss - 5.0).abs() < 1e-12, "{} by {solve}", found.loss);
    }
}

#[test]
fn outputs_may_lie_anywhere_and_in_any_order() {
    let text = bouncing("[2.6, 0, 0.3, 3.0, 2.6, 1.9, 3.0]", "tsit5");
    let times = [2.6, 0.0, 0.3, 3.0, 2.6, 1.9, 3.0];
    let closed = move |p: &[f64]| times.iter().map(|t| ball(p[0], p[1], p[2], *t)).sum();
    agrees(&text, Gradient::Discrete, closed, &[2.0, 0.8, 9.81], 1e-12, 1e-9);
    agrees(&text, Gradient::Backsolve, closed, &[2.0, 0.8, 9.81], 1e-12, 1e-9);
    agrees(&text, Gradient::Interpolated, closed, &[2.0, 0.8, 9.81], 1e-12, 1e-9);
    agrees(&text, Gradient::Forward, closed, &[2.0, 0.8, 9.81], 1e-12, 1e-9);
}

#[test]
fn time_may_run_backwards() {
    // s = 3 − t.
    let text = "param h: positive = 2\nparam e = 0.8\nparam g: positive = 9.81\nstate y = h\nstate v = 0\ny' = -v\n\
                v' = g\nevent bounce: y < 0 => { v := -e*v }\nloss = y(0.5)\nsolve tsit5, 3 .. 0\n";
    let closed = |p: &[f64]| ball(p[0], p[1], p[2], 2.5);
    agrees(text, Gradient::Discrete, closed, &[2.0, 0.8, 9.81], 1e-12, 1e-9);
    agrees(text, Gradient::Backsolve, closed, &[2.0, 0.8, 9.81], 1e-12, 1e-9);
    agrees(text, Gradient::Interpolated, closed, &[2.0, 0.8, 9.81], 1e-12, 1e-9);
    agrees(text, Gradient::Forward, closed, &[2.0, 0.8, 9.81], 1e-12, 1e-9);
}

/// The same motion in a resisting medium has no closed form: differences of the computed loss.
#[test]
fn gradients_agree_with_differences_where_the_flow_is_not_linear() {
    for method in [Gradient::Discrete, Gradient::Backsolve, Gradient::Interpolated, Gradient::Forward] {
        let text = |h: f64, e: f64, c: f64, w: f64| {
            format!(
                "param h = {h:?}\nparam e = {e:?}\nparam c = {c:?}\nparam w = {w:?}\nstate y = h\nstate v = 0\ny' = v\n\
                 v' = -9.81 - c*v*abs(v)\nlet floor_height = w*sin(3*t)\n\
                 event bounce: y < floor_height => {{ v := -e*v + 3*w*cos(3*t)  y := floor_height }}\n\
                 loss = y(2.2)^2 + v(1.4)\nsolve dopri5(rtol = 1e-11, atol = 1e-12), 0 .. 3\n"
            )
        };
        let at = [1.5, 0.7, 0.1, 0.05];
        let loss = |p: [f64; 4]| evaluate(&text(p[0], p[1], p[2], p[3]), method, &Settings::default(), 1).1.loss;
        let (_, found) = evaluate(&text(at[0], at[1], at[2], at[3]), method, &Settings::default(), 1);
        for k in 0..4 {
            let along = |step: f64| {
                let mut p = at;
                p[k] += step;
                loss(p)
            };
            // The steps taken change with the parameters, which puts noise of about 1e-10 on the loss.
            let h = 2e-3;
            let difference = (8.0 * (along(h) - along(-h)) - (along(2.0 * h) - along(-2.0 * h))) / (12.0 * h);
            let gradient = found.natural[k][0];
            let bar = 1e-7 * (1.0 + difference.abs());
            assert!((gradient - difference).abs() < bar, "{method:?} {k}: {gradient} for {difference}");
        }
    }
}

/// Temperature at time t of a room that cools towards 10 and is heated between two set points.
fn room(low: f64, high: f64, rate: f64, t: f64) -> f64 {
    let (mut now, mut temperature, mut on) = (0.0, 20.0, true);
    loop {
        let towards: f64 = if on { 30.0 } else { 10.0 };
        let goal = if on { high } else { low };
        let next = now + ((temperature - towards) / (goal - towards)).ln() / rate;
        if next >= t {
            return towards + (temperature - towards) * (-rate * (t - now)).exp();
        }
        (now, temperature, on) = (next, goal, !on);
    }
}

#[test]
fn a_thermostat_switches_between_two_events() {
    let text = "param low = 18\nparam high = 22\nparam rate = 0.5\nstate u = 20\nstate on = 1\n\
                u' = rate*(10 + 20*on - u)\non' = 0\n\
                event hot: u > high => { on := 0 }\nevent cold: u < low => { on := 1 }\n\
                loss = u(1.1) + u(4.3) + u(7.9)\nsolve tsit5(rtol = 1e-11, atol = 1e-11), 0 .. 8\n";
    let closed = |p: &[f64]| [1.1, 4.3, 7.9].iter().map(|t| room(p[0], p[1], p[2], *t)).sum();
    agrees(text, Gradient::Discrete, closed, &[18.0, 22.0, 0.5], 1e-10, 1e-8);
    agrees(text, Gradient::Backsolve, closed, &[18.0, 22.0, 0.5], 1e-10, 1e-8);
    agrees(text, Gradient::Interpolated, closed, &[18.0, 22.0, 0.5], 1e-10, 1e-8);
    agrees(text, Gradient::Forward, closed, &[18.0, 22.0, 0.5], 1e-10, 1e-8);
}

#[test]
fn doses_are_given_at_times() {
    // Doses of 3 at time 0 and 2 at 4; an output at the time of a dose sees it.
    let text = "param k = 0.3\nparam second = 2\nparam when = 4\nstate a = 3\na' = -k*a\n\
                event dose: t >= when => { a := a + second }\nloss = a(3.5) + a(9) + 0*a(4)\n\
                output at_dose = a(4)\nsolve tsit5(rtol = 1e-11, atol = 1e-11), 0 .. 10\n";
    let closed =
        |p: &[f64]| 3.0 * (-3.5 * p[0]).exp() + 3.0 * (-9.0 * p[0]).exp() + p[1] * (-(9.0 - p[2]) * p[0]).exp();
    agrees(text, Gradient::Discrete, closed, &[0.3, 2.0, 4.0], 1e-10, 1e-8);
    agrees(text, Gradient::Backsolve, closed, &[0.3, 2.0, 4.0], 1e-10, 1e-8);
    agrees(text, Gradient::Interpolated, closed, &[0.3, 2.0, 4.0], 1e-10, 1e-8);
    agrees(text, Gradient::Forward, closed, &[0.3, 2.0, 4.0], 1e-10, 1e-8);
    let settings = Settings { outputs: true, ..Settings::default() };
    let (model, _) = evaluate(text, Gradient::Discrete, &settings, 1);
    let raw = unconstrain(&model.lowered, &initial(&model.lowered, 0));
    let batch = Batch { data: None, samples: &[0], seed: 0, step: 0 };
    let shown = model.evaluate(model.outputs.as_ref().unwrap(), &raw, &batch).outputs[0].values[0][0];
    assert!((shown - (3.0 * (-1.2_f64).exp() + 2.0)).abs() < 1e-9, "{shown}");
}

#[test]
fn doses_come_from_data() {
    // The state n counts the doses given; `times[n]` is the next one.
    let text = "param k = 0.3\nlet times = [1, 2.5, 6, 1e9]\nlet amounts = [2, 1, 4, 0]\nstate a = 0\nstate n = 0\n\
                a' = -k*a\nn' = 0\nevent dose: t >= times[n] => { a := a + amounts[n]  n := n + 1 }\n\
                loss = a(2) + 10*n(2) + a(8)\nsolve tsit5(rtol = 1e-11, atol = 1e-11), 0 .. 8\n";
    let closed = |p: &[f64]| {
        let left = |t: f64| (-t * p[0]).exp();
        2.0 * left(1.0) + 10.0 + 2.0 * left(7.0) + left(5.5) + 4.0 * left(2.0)
    };
    agrees(text, Gradient::Discrete, closed, &[0.3], 1e-10, 1e-8);
    agrees(text, Gradient::Backsolve, closed, &[0.3], 1e-10, 1e-8);
    agrees(text, Gradient::Interpolated, closed, &[0.3], 1e-10, 1e-8);
    agrees(text, Gradient::Forward, closed, &[0.3], 1e-10, 1e-8);
}

#[test]
fn a_solution_may_stop_at_an_event() {
    let text = "param h: positive = 2\nparam g: positive = 9.81\nstate y = h\nstate v = 0\nstate clock = 0\n\
                y' = v\nv' = -g\nclock' = 1\nevent land: y <= 0 => { stop }\nloss = clock(100) + v(50) + y(0.1)\n\
                solve tsit5, 0 .. 100\n";
    let closed = |p: &[f64]| (2.0 * p[0] / p[1]).sqrt() - (2.0 * p[0] * p[1]).sqrt() + p[0] - 0.005 * p[1];
    agrees(text, Gradient::Discrete, closed, &[2.0, 9.81], 1e-12, 1e-9);
    agrees(text, Gradient::Backsolve, closed, &[2.0, 9.81], 1e-12, 1e-9);
    agrees(text, Gradient::Interpolated, closed, &[2.0, 9.81], 1e-12, 1e-9);
    agrees(text, Gradient::Forward, closed, &[2.0, 9.81], 1e-12, 1e-9);
}

#[test]
fn events_at_one_time_fire_in_their_order_and_set_off_others() {
    let fired = |events: &str| {
        let solver = if events.contains("solve") { "" } else { "solve 0 .. 3" };
        let text =
            format!("param s = 1\nstate x = 1\nstate log = 0\nx' = s\nlog' = 0\n{events}\nloss = log(3)\n{solver}\n");
        let (_, found) = evaluate(&text, Gradient::Discrete, &Settings::default(), 1);
        assert!(found.dropped.is_empty(), "{:?}", found.dropped);
        found.loss
    };
    // Two at t = 1, in the order they stand.
    assert_eq!(fired("event a: x > 2 => { log := 10*log + 1 }\nevent b: t > 1 => { log := 10*log + 2 }"), 12.0);
    // The reset of the first makes the second true.
    assert_eq!(fired("event b: x > 5 => { log := 10*log + 2 }\nevent a: x > 2 => { x := 6  log := 10*log + 1 }"), 12.0);
    // A condition that holds at the start does not fire; one that holds again does.
    assert_eq!(fired("event a: x > 0 => { log := log + 1 }"), 0.0);
    assert_eq!(fired("event a: abs(x - 2) > 0.5 => { log := log + 1 }"), 1.0);
    // Both directions.
    assert_eq!(fired("event a: (x - 2)*(x - 3) == 0 => { log := log + 1 }"), 2.0);
    // Steps are looked at in four places: a condition that holds for less than that asks for shorter steps.
    let short = "event a: x > 2 and not x > 2.5 or x >= 3.5 => { log := log + 1 }\nsolve tsit5(dt = 0.25), 0 .. 3";
    assert_eq!(fired(short), 2.0);
}

#[test]
fn a_positive_state_is_reset_in_its_own_units() {
    let text = "param k: positive = 0.5\nstate x: positive = 1\nx' = k*x\nevent split: x > 2 => { x := x/2 }\n\
                loss = x(5)\nsolve tsit5(rtol = 1e-10, atol = 1e-10), 0 .. 5\n";
    let closed = |p: &[f64]| {
        let doublings = (5.0 * p[0] / 2.0_f64.ln()).floor();
        (5.0 * p[0]).exp() / 2.0_f64.powf(doublings)
    };
    agrees(text, Gradient::Discrete, closed, &[0.5], 1e-8, 1e-7);
    agrees(text, Gradient::Forward, closed, &[0.5], 1e-8, 1e-7);
}

#[test]
fn infinitely_many_bounces_are_a_failure_not_a_hang() {
    // All bounces are over by t = 0.64·(1 + 2·0.5/(1 − 0.5)) = 1.9.
    let text = bouncing("[3.0]", "tsit5").replace("param e = 0.8", "param e = 0.5");
    let (_, found) = evaluate(&text, Gradient::Discrete, &Settings::default(), 1);
    assert_eq!(found.dropped.len(), 1);
    let reason = &found.dropped[0].reason;
    assert!(reason.contains("faster and faster") && reason.contains("t = 1.915"), "{reason}");
}

#[test]
fn an_event_without_a_rate_has_no_gradient() {
    // The condition jumps: the time of the event says nothing about x, and is not differentiated in silence.
    let text = "param a = 1\nstate x = 0\nstate n = 0\nx' = a\nn' = 0\nevent jump: floor(t) > 0.5 => { n := x }\n\
                loss = n(2)\nsolve tsit5, 0 .. 2\n";
    let (_, found) = evaluate(text, Gradient::Discrete, &Settings::default(), 1);
    let reason = &found.dropped[0].reason;
    assert!(reason.contains("the time of the event at t = 1") && reason.contains("has no derivative"), "{reason}");
    let (_, found) = evaluate(text, Gradient::Forward, &Settings::default(), 1);
    let reason = &found.dropped[0].reason;
    assert!(reason.contains("tangents"), "{reason}");
}

/// The time of the second event is that of the first, which its own condition does not tell.
#[test]
fn an_event_that_another_one_sets_off_moves_with_it() {
    let text = "param s = 1\nparam low = 2\nstate x = 1\nstate y = 0\nx' = s\ny' = 0\n\
                event b: x > 5 => { y := y + t^2  x := 3 }\nevent a: x > low => { x := 6 }\n\
                loss = y(2.5) + x(2.5)^2\nsolve tsit5, 0 .. 2.5\n";
    let closed = |p: &[f64]| {
        let first = (p[1] - 1.0) / p[0];
        first * first + (3.0 + p[0] * (2.5 - first)).powi(2)
    };
    for method in [Gradient::Discrete, Gradient::Backsolve, Gradient::Interpolated, Gradient::Forward] {
        agrees(text, method, closed, &[1.0, 2.0], 1e-11, 1e-9);
    }
}

#[test]
fn samples_have_their_events_at_their_own_times() {
    let text = "noise h: [] ~ uniform(0.5, 3)\nparam e = 0.8\nparam g: positive = 9.81\nstate y = h\nstate v = 0\n\
                y' = v\nv' = -g\nevent bounce: y < 0 => { v := -e*v }\nloss = y(2)*y(2.5) + v(1.2)\nsolve 0 .. 3\n";
    for method in [Gradient::Discrete, Gradient::Backsolve, Gradient::Interpolated, Gradient::Forward] {
        let (_, one) = evaluate(text, method, &Settings::default(), 20);
        let (_, eight) = evaluate(text, method, &Settings { lanes: 8, threads: 2, ..Settings::default() }, 20);
        assert!(one.dropped.is_empty() && eight.dropped.is_empty());
        assert!((one.loss - eight.loss).abs() < 1e-12, "{} {}", one.loss, eight.loss);
        for (a, b) in one.raw.iter().zip(&eight.raw) {
            assert!((a - b).abs() < 1e-9 * (1.0 + a.abs()), "{a} {b}");
        }
    }
}
