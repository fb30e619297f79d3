//! Accepted steps → which event fires first in each lane, and where.

#![allow(clippy::needless_range_loop, reason = "a lane indexes several buffers")]

use super::super::kernel::Kernel;
use super::super::real::Real;
use super::search::Search;
use super::{EventRule, EventSystem};

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

/// On which side of zero each event function is.
pub(super) struct Watch<R> {
    rules: Vec<EventRule>,
    lanes: usize,
    /// −1: the condition does not hold, 1: it does; `[E][L]`.
    side: Vec<f64>,
    /// Event functions at the start of the step, `[E][L]`.
    g_start: Vec<R>,
    g: Vec<R>,
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
        kernel: &Kernel<R>,
        accepted: &[bool],
    ) -> Vec<Option<Hit>> {
        self.broken.fill(false);
        self.scale.fill(0.0);
        let mut found: Vec<Option<Candidates>> = (0..self.lanes).map(|_| None).collect();
        let mut before = std::mem::take(&mut self.g_start);
        let mut from = 0.0;
        for theta in POINTS {
            self.place(kernel, |lane| if accepted[lane] { theta } else { 0.0 });
            sys.watch(&self.t, &self.z, &mut self.g);
            for (lane, found) in found.iter_mut().enumerate() {
                if accepted[lane] && found.is_none() {
                    *found = self.look(lane, &before, (from, theta));
                }
            }
            for lane in (0..self.lanes).filter(|lane| accepted[*lane]) {
                for i in (lane..self.g.len()).step_by(self.lanes) {
                    before[i] = self.g[i];
                }
            }
            from = theta;
        }
        for lane in (0..self.lanes).filter(|lane| accepted[*lane] && found[*lane].is_none()) {
            self.broken[lane] = before[lane..].iter().step_by(self.lanes).any(|g| !g.is_finite());
        }
        self.g_start = before;
        self.refine(sys, kernel, &mut found);
        let behind = |lane: usize| found[lane].as_ref().map_or(0.0, |c| (c.search.root() + TIE).min(1.0));
        self.place(kernel, behind);
        sys.watch(&self.t, &self.z, &mut self.g);
        found.into_iter().enumerate().map(|(lane, c)| c.map(|c| self.hit(lane, &c))).collect()
    }

    /// The events of a lane that change sides between two points; the others take their side.
    fn look(&mut self, lane: usize, before: &[R], (from, to): (f64, f64)) -> Option<Candidates> {
        let mut events = Vec::new();
        for (event, rule) in self.rules.iter().enumerate() {
            let i = event * self.lanes + lane;
            let g = self.g[i].to_f64();
            self.scale[i] = self.scale[i].max(g.abs());
            if self.side[i] < 0.0 && g > 0.0 {
                events.push((event, 1.0));
            } else if self.side[i] > 0.0 && g < 0.0 && rule.either {
                events.push((event, -1.0));
            }
        }
        if events.is_empty() {
            for i in (lane..self.g.len()).step_by(self.lanes) {
                let g = self.g[i].to_f64();
                if g != 0.0 && !g.is_nan() {
                    self.side[i] = side(g);
                }
            }
            return None;
        }
        let (fa, fb) = (self.highest(lane, before, &events), self.highest(lane, &self.g, &events));
        Some(Candidates { search: Search::new(from, to, fa, fb), events })
    }

    /// The largest of the events' functions, each turned so that it rises: its root is the first to fire.
    fn highest(&self, lane: usize, g: &[R], events: &[(usize, f64)]) -> f64 {
        events.iter().map(|(e, turn)| turn * g[e * self.lanes + lane].to_f64()).fold(f64::NEG_INFINITY, f64::max)
    }

    /// All searches side by side.
    fn refine<S: EventSystem<R>>(&mut self, sys: &mut S, kernel: &Kernel<R>, found: &mut [Option<Candidates>]) {
        loop {
            let points: Vec<Option<f64>> = found.iter().map(|c| c.as_ref().and_then(|c| c.search.next())).collect();
            if points.iter().all(Option::is_none) {
                return;
            }
            self.place(kernel, |lane| points[lane].unwrap_or(0.0));
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
    fn place(&mut self, kernel: &Kernel<R>, theta: impl Fn(usize) -> f64) {
        let n = kernel.n();
        for lane in 0..self.lanes {
            let theta = theta(lane);
            self.t[lane] = at(kernel, lane, theta);
            (lane..n).step_by(self.lanes).for_each(|i| self.z[i] = entry(kernel, theta, i));
        }
    }
}

fn side(g: f64) -> f64 {
    if g > 0.0 { 1.0 } else { -1.0 }
}

/// Time at a fraction of the lane's step.
pub(super) fn at<R: Real>(kernel: &Kernel<R>, lane: usize, theta: f64) -> f64 {
    if theta >= 1.0 { kernel.t_next[lane] } else { kernel.t[lane] + theta * kernel.h[lane] }
}

/// Entry `i` of the state at a fraction of its lane's step, from dense output between the ends.
pub(super) fn entry<R: Real>(kernel: &Kernel<R>, theta: f64, i: usize) -> R {
    if theta <= 0.0 {
        return kernel.z[i];
    }
    if theta >= 1.0 {
        return kernel.z_new[i];
    }
    let (n, h) = (kernel.n(), R::from_f64(kernel.h[i % kernel.lanes]));
    let mut sum = R::ZERO;
    for stage in 0..kernel.tableau.stages() {
        sum += R::from_f64(kernel.tableau.dense_weight(stage, theta)) * kernel.ks[stage * n + i];
    }
    kernel.z[i] + h * sum
}

/// Slope dz/dt of dense output of the lane at a fraction of its step, `[D]`.
pub(super) fn slope<R: Real>(kernel: &Kernel<R>, lane: usize, theta: f64) -> Vec<R> {
    let (n, stages) = (kernel.n(), kernel.tableau.stages());
    let entry = |i: usize| {
        let mut sum = R::ZERO;
        for stage in 0..stages {
            sum += R::from_f64(kernel.tableau.dense_slope(stage, theta)) * kernel.ks[stage * n + i];
        }
        sum
    };
    (lane..n).step_by(kernel.lanes).map(entry).collect()
}
