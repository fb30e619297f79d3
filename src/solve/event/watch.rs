//! Accepted steps → which event fires first in each lane, and where.

#![allow(clippy::needless_range_loop, reason = "a lane indexes several buffers")]

use super::super::real::Real;
use super::search::Search;
use super::taken::Taken;
use super::{EventRule, EventSystem, hump};

/// Points of a step at which the event functions are looked at, in fractions of it.
const POINTS: [f64; 4] = [0.25, 0.5, 0.75, 1.0];

/// Events that are closer than this, in fractions of a step, fire at the same time.
const TIE: f64 = 1e-12;

/// An event found in a step.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(super) struct Hit {
    pub(super) event: usize,
    /// Where in the step.
    pub(super) theta: f64,
    /// It fires where the step starts.
    pub(super) instant: bool,
}

/// A lane's search with the events that may fire and the direction of each.
struct Candidates {
    search: Search,
    events: Vec<(usize, f64)>,
}

/// Where events of a lane fire for a moment.
struct Hump<R> {
    /// The earliest point.
    peak: f64,
    /// The event functions there, `[E]`.
    g: Vec<R>,
    /// All that do, each with its direction.
    events: Vec<(usize, f64)>,
}

/// On which side of zero each event function is.
pub(super) struct Watch<R> {
    rules: Vec<EventRule>,
    lanes: usize,
    /// −1: the condition does not hold, 1: it does; `[E][L]`.
    side: Vec<f64>,
    /// Event functions at the start of the step, `[E][L]`.
    g_start: Vec<R>,
    g: Vec<R>,
    /// Event functions at the start of the step and at its points, `[P + 1][E][L]`.
    samples: Vec<R>,
    rates: Vec<R>,
    /// Largest |g| in the last step, `[E][L]`.
    scale: Vec<f64>,
    z: Vec<R>,
    t: Vec<f64>,
    /// Lanes with an event function that is not a number.
    pub(super) broken: Vec<bool>,
}

impl<R: Real> Watch<R> {
    pub(super) fn new(rules: Vec<EventRule>, dim: usize, lanes: usize) -> Self {
        let size = rules.len() * lanes;
        Self {
            rules,
            lanes,
            side: vec![-1.0; size],
            g_start: vec![R::ZERO; size],
            g: vec![R::ZERO; size],
            samples: vec![R::ZERO; (POINTS.len() + 1) * size],
            rates: vec![R::ZERO; size],
            scale: vec![0.0; size],
            z: vec![R::ZERO; dim * lanes],
            t: vec![0.0; lanes],
            broken: vec![false; lanes],
        }
    }

    pub(super) fn rules(&self) -> &[EventRule] {
        &self.rules
    }

    /// Sets the sides where a lane starts at t0; `direction` of time, `[L]`.
    pub(super) fn start<S: EventSystem<R>>(&mut self, sys: &mut S, t: &[f64], z: &[R], direction: &[f64]) {
        self.evaluate(sys, t, z);
        for i in 0..self.g.len() {
            let (g, rate) = (self.g[i].to_f64(), self.rates[i].to_f64() * direction[i % self.lanes]);
            self.side[i] = if g == 0.0 { side(rate) } else { side(g) };
        }
    }

    fn evaluate<S: EventSystem<R>>(&mut self, sys: &mut S, t: &[f64], z: &[R]) {
        sys.watch(t, z, &mut self.g);
        sys.rates(t, z, &mut self.rates);
        self.g_start.copy_from_slice(&self.g);
    }

    /// Sets the sides behind resets at (t, z); `fired[lane]` is the event that was reset there. Gives for every such
    /// lane the next event, if one fires at once.
    pub(super) fn restart<S: EventSystem<R>>(
        &mut self,
        sys: &mut S,
        (t, z): (&[f64], &[R]),
        direction: &[f64],
        fired: &[Option<usize>],
    ) -> Vec<Option<usize>> {
        let kept = self.g_start.clone();
        self.evaluate(sys, t, z);
        let mut next = vec![None; self.lanes];
        for i in 0..self.g.len() {
            let (event, lane) = (i / self.lanes, i % self.lanes);
            let Some(own) = fired[lane] else {
                self.g_start[i] = kept[i];
                continue;
            };
            let (g, rate) = (self.g[i].to_f64(), self.rates[i].to_f64() * direction[lane]);
            if event == own {
                // On the surface, up to the rounding of its location, the sign of g says nothing.
                let near = R::EPSILON.sqrt() * self.scale[i];
                self.side[i] = if g.abs() <= near { side(rate) } else { side(g) };
                continue;
            }
            let armed = self.side[i] < 0.0 || self.rules[event].either;
            let now = if g == 0.0 { side(rate) } else { side(g) };
            if armed && (now - self.side[i]).abs() > 0.0 && next[lane].is_none() {
                next[lane] = Some(event);
            } else if !armed {
                self.side[i] = now;
            }
        }
        next
    }

    /// Looks for events in the step of every accepted lane.
    pub(super) fn step<S: EventSystem<R>>(
        &mut self,
        sys: &mut S,
        step: &impl Taken<R>,
        accepted: &[bool],
    ) -> Vec<Option<Hit>> {
        self.broken.fill(false);
        self.scale.fill(0.0);
        self.sample(sys, step, accepted);
        let size = self.g.len();
        let mut found: Vec<Option<Candidates>> = (0..self.lanes).map(|_| None).collect();
        for (k, to) in POINTS.into_iter().enumerate() {
            let from = if k == 0 { 0.0 } else { POINTS[k - 1] };
            for lane in (0..self.lanes).filter(|lane| accepted[*lane]) {
                if found[lane].is_none() {
                    let hump = self.hump(sys, step, lane, k, (from, to));
                    found[lane] = self.look(lane, k, (from, to), hump);
                }
            }
        }
        for lane in (0..self.lanes).filter(|lane| accepted[*lane]) {
            let last = &self.samples[POINTS.len() * size..];
            let mut own = (lane..size).step_by(self.lanes);
            self.broken[lane] = found[lane].is_none() && own.clone().any(|i| !last[i].is_finite());
            own.by_ref().for_each(|i| self.g_start[i] = last[i]);
        }
        self.refine(sys, step, &mut found);
        let behind = |lane: usize| found[lane].as_ref().map_or(0.0, |c| (c.search.root() + TIE).min(1.0));
        self.place(step, behind);
        sys.watch(&self.t, &self.z, &mut self.g);
        found.into_iter().enumerate().map(|(lane, c)| c.map(|c| self.hit(lane, &c))).collect()
    }

    /// Event functions at the start of the step and at its points.
    fn sample<S: EventSystem<R>>(&mut self, sys: &mut S, step: &impl Taken<R>, accepted: &[bool]) {
        let size = self.g.len();
        self.samples[..size].copy_from_slice(&self.g_start);
        for (k, theta) in POINTS.into_iter().enumerate() {
            self.place(step, |lane| if accepted[lane] { theta } else { 0.0 });
            sys.watch(&self.t, &self.z, &mut self.samples[(k + 1) * size..(k + 2) * size]);
        }
    }

    /// Event function `i` (of all lanes) at the start of the step, or at its `k`-th point.
    fn sampled(&self, k: usize, i: usize) -> f64 {
        self.samples[k * self.g.len() + i].to_f64()
    }

    /// The direction in which an event would fire, if it is on its side.
    fn armed(&self, event: usize, lane: usize) -> Option<f64> {
        let side = self.side[event * self.lanes + lane];
        if side < 0.0 { Some(1.0) } else { self.rules[event].either.then_some(-1.0) }
    }

    /// The first point between two at which an event of the lane has fired, though it has not at both of them.
    fn hump<S: EventSystem<R>>(
        &mut self,
        sys: &mut S,
        step: &impl Taken<R>,
        lane: usize,
        k: usize,
        (from, to): (f64, f64),
    ) -> Option<Hump<R>> {
        let mut earliest: Option<Hump<R>> = None;
        let mut events = Vec::new();
        for event in 0..self.rules.len() {
            let i = event * self.lanes + lane;
            let Some(turn) = self.armed(event, lane) else { continue };
            let change = (0..POINTS.len()).map(|k| (self.sampled(k + 1, i) - self.sampled(k, i)).abs());
            let change = change.fold(0.0, f64::max);
            let ends = [k, k + 1].map(|k| turn * self.sampled(k, i));
            if !hump::within_reach(ends[0], ends[1], change) {
                continue;
            }
            let peak = hump::find(from, to, ends, |theta| {
                self.place(step, |other| if other == lane { theta } else { 0.0 });
                sys.watch(&self.t, &self.z, &mut self.g);
                turn * self.g[i].to_f64()
            });
            let Some(peak) = peak else { continue };
            events.push((event, turn));
            if earliest.as_ref().is_none_or(|known| peak < known.peak) {
                self.place(step, |other| if other == lane { peak } else { 0.0 });
                sys.watch(&self.t, &self.z, &mut self.g);
                let g = self.g[lane..].iter().step_by(self.lanes).copied().collect();
                earliest = Some(Hump { peak, g, events: Vec::new() });
            }
        }
        earliest.map(|hump| Hump { events, ..hump })
    }

    /// The events of a lane that change sides between two points, or fire for a moment; the others take their side.
    fn look(&mut self, lane: usize, k: usize, (from, to): (f64, f64), hump: Option<Hump<R>>) -> Option<Candidates> {
        let mut events = hump.as_ref().map_or_else(Vec::new, |hump| hump.events.clone());
        for event in 0..self.rules.len() {
            let i = event * self.lanes + lane;
            let g = self.sampled(k + 1, i);
            self.scale[i] = self.scale[i].max(g.abs());
            if let Some(turn) = self.armed(event, lane).filter(|turn| turn * g > 0.0) {
                events.push((event, turn));
            }
        }
        if events.is_empty() {
            for i in (lane..self.g.len()).step_by(self.lanes) {
                let g = self.sampled(k + 1, i);
                if g != 0.0 && !g.is_nan() {
                    self.side[i] = side(g);
                }
            }
            return None;
        }
        events.sort_unstable_by_key(|known| known.0);
        let highest = |g: &dyn Fn(usize) -> f64| {
            events.iter().map(|(event, turn)| turn * g(*event)).fold(f64::NEG_INFINITY, f64::max)
        };
        let at_point = |k: usize| highest(&|event| self.sampled(k, event * self.lanes + lane));
        let (to, fb) = match hump {
            Some(hump) => (hump.peak, highest(&|event| hump.g[event].to_f64())),
            None => (to, at_point(k + 1)),
        };
        Some(Candidates { search: Search::new(from, to, at_point(k), fb), events })
    }

    /// All searches side by side.
    fn refine<S: EventSystem<R>>(&mut self, sys: &mut S, step: &impl Taken<R>, found: &mut [Option<Candidates>]) {
        loop {
            let points: Vec<Option<f64>> = found.iter().map(|c| c.as_ref().and_then(|c| c.search.next())).collect();
            if points.iter().all(Option::is_none) {
                return;
            }
            self.place(step, |lane| points[lane].unwrap_or(0.0));
            sys.watch(&self.t, &self.z, &mut self.g);
            for (lane, point) in points.iter().enumerate() {
                if let (Some(x), Some(c)) = (point, found[lane].as_mut()) {
                    let f = c.events.iter().map(|(e, turn)| turn * self.g[e * self.lanes + lane].to_f64());
                    c.search.tell(*x, f.fold(f64::NEG_INFINITY, f64::max));
                }
            }
        }
    }

    /// Of the events that have fired just behind the root, the one declared first.
    fn hit(&mut self, lane: usize, found: &Candidates) -> Hit {
        let holds = |(e, turn): &&(usize, f64)| turn * self.g[e * self.lanes + lane].to_f64() >= 0.0;
        let (event, turn) = *found.events.iter().find(holds).unwrap_or(&found.events[0]);
        self.side[event * self.lanes + lane] = turn;
        Hit { event, theta: found.search.root(), instant: found.search.root() <= 0.0 }
    }

    /// Puts states and times of the step at a fraction of it, by lane, into the buffers.
    fn place(&mut self, step: &impl Taken<R>, theta: impl Fn(usize) -> f64) {
        for lane in 0..self.lanes {
            let theta = theta(lane);
            self.t[lane] = step.at(lane, theta);
            step.state(lane, theta, &mut self.z);
        }
    }
}

fn side(g: f64) -> f64 {
    if g > 0.0 { 1.0 } else { -1.0 }
}
