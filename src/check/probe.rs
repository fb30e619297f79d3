//! A right-hand side → its values around the places where it may break: jumps, and roots that no line bounds.
//!
//! Nothing is proved: what is found is there, at a point that the states or time may reach. A kink such as that of
//! `relu` is neither.

use super::constant::{needed, values};
use super::domains::Domain;
use super::program::{ExprId, Init, Kind, Program, Typed};
use crate::graph::{Binary, Unary};

/// How a right-hand side breaks.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(super) enum Break {
    /// Its value changes abruptly.
    Jump,
    /// It changes like this power, below 1, of the distance.
    Root(f64),
}

/// What is varied.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Along {
    Time,
    /// An entry of a state.
    State(usize, usize),
}

/// A place where a right-hand side breaks.
#[derive(Clone, Copy, Debug)]
pub(super) struct Found {
    pub how: Break,
    /// The part of it that is to blame.
    pub part: ExprId,
    pub along: Along,
    pub at: f64,
}

/// A part that may break, and what changes where it does.
struct Suspect {
    part: ExprId,
    watched: ExprId,
    change: Change,
}

/// What of a watched value changes.
#[derive(Clone, Copy)]
enum Change {
    Value,
    Sign,
    Floor,
    /// Whether its size is below 1.
    Unit,
}

/// More multiplications than this are not spent on a right-hand side.
const BUDGET: usize = 20_000_000;
/// Points that are tried along each direction.
const GRID: usize = 31;
/// Halvings until neighbouring numbers are left.
const HALVINGS: usize = 60;
/// Entries that are watched of each suspect, directions, and breaks along one of them.
const MOST: [usize; 3] = [16, 7, 4];

/// Where a right-hand side breaks, the place of each kind that is nearest to zero; empty also where it cannot be evaluated before there
/// are data.
pub(super) fn probe(program: &Program, system: usize, rate: ExprId) -> Vec<Found> {
    let suspects = suspects(program, rate);
    let mut roots: Vec<ExprId> = suspects.iter().map(|s| s.watched).collect();
    roots.push(rate);
    let order = needed(program, &roots);
    let work: usize = order.iter().map(|&k| cost(program, k)).sum();
    let mut found: Vec<Found> = Vec::new();
    if suspects.is_empty() || work * 2 * MOST[1] * (GRID + MOST[2] * HALVINGS) > BUDGET {
        return found;
    }
    for base in 0..2 {
        let point = Point::new(program, system, base);
        for along in point.directions() {
            let line = Line { program, order: &order, suspects: &suspects, rate, point: &point, along };
            for new in line.breaks() {
                let same = |f: &Found| matches!(f.how, Break::Jump) == matches!(new.how, Break::Jump);
                match found.iter_mut().find(|f| same(f)) {
                    Some(known) if new.at.abs() < known.at.abs() => *known = new,
                    Some(_) => {}
                    None => found.push(new),
                }
            }
        }
    }
    found
}

fn cost(program: &Program, k: usize) -> usize {
    let size = |id: &ExprId| program.ty(*id).shape().iter().product::<usize>();
    let own: usize = program.exprs[k].ty.shape().iter().product();
    match &program.exprs[k].kind {
        Kind::Einsum(_, args) => args.iter().map(size).fold(own, usize::saturating_mul),
        _ => own,
    }
}

fn suspects(program: &Program, rate: ExprId) -> Vec<Suspect> {
    let varies = |id: ExprId| program.expr(id).signal.is_some();
    let mut all = Vec::new();
    let order = needed(program, &[rate]);
    for part in order.into_iter().filter_map(|k| u32::try_from(k).ok()).map(ExprId) {
        let mut watch = |watched: ExprId, change: Change| all.push(Suspect { part, watched, change });
        match &program.expr(part).kind {
            Kind::Map1(Unary::Sign, a) if varies(*a) => watch(*a, Change::Sign),
            Kind::Map1(Unary::Floor, a) if varies(*a) => watch(*a, Change::Floor),
            Kind::Map1(Unary::Asin | Unary::Acos, a) if varies(*a) => watch(*a, Change::Unit),
            Kind::Map1(Unary::Sqrt, a) if varies(*a) => {
                zeros(program, *a).into_iter().for_each(|id| watch(id, Change::Sign));
            }
            Kind::Map2(Binary::Pow, a, b) if varies(*a) && !whole(program, *b) => {
                zeros(program, *a).into_iter().for_each(|id| watch(id, Change::Sign));
            }
            Kind::ArgMax(a) if varies(*a) => watch(part, Change::Value),
            Kind::Select(c, ..) if varies(*c) => watch(*c, Change::Value),
            _ => {}
        }
    }
    all
}

fn whole(program: &Program, exponent: ExprId) -> bool {
    super::constant::evaluate(program, exponent).is_some_and(|v| v.iter().all(|p| p.fract() == 0.0 || *p >= 1.0))
}

/// A value and what changes its sign where it only touches zero.
fn zeros(program: &Program, id: ExprId) -> Vec<ExprId> {
    let mut all = vec![id];
    match &program.expr(id).kind {
        Kind::Map1(Unary::Abs | Unary::Neg, a) => all.push(*a),
        Kind::Map2(Binary::Max | Binary::Min, a, b) => all.extend([*a, *b]),
        _ => {}
    }
    all.retain(|id| program.expr(*id).signal.is_some());
    all
}

/// Values of everything that a right-hand side depends on.
struct Point<'p> {
    program: &'p Program,
    system: usize,
    states: Vec<Vec<f64>>,
    time: f64,
}

impl<'p> Point<'p> {
    /// The start values where they are constant, or other ordinary numbers.
    fn new(program: &'p Program, system: usize, base: usize) -> Self {
        let states = program.systems[system].states.iter().enumerate().map(|(k, state)| {
            let start = state.init.filter(|_| base == 0).and_then(|id| super::constant::evaluate(program, id));
            start.unwrap_or_else(|| {
                let n = state.ty.shape().iter().product();
                (0..n).map(|i| inside(state.domain, 0.3 + 0.9 * ordinary(7 * k + i + base))).collect()
            })
        });
        Self { program, system, states: states.collect(), time: 0.4 }
    }

    /// Time, and the first entries of the states.
    fn directions(&self) -> Vec<Along> {
        let entries = |(k, state): (usize, &Vec<f64>)| (0..state.len()).map(move |i| Along::State(k, i));
        let states = self.states.iter().enumerate().flat_map(entries);
        std::iter::once(Along::Time).chain(states).take(MOST[1]).collect()
    }

    /// The value of a leaf, with one of them changed.
    fn leaf(&self, node: &Typed, along: Along, x: f64) -> Option<Vec<f64>> {
        let n: usize = node.ty.shape().iter().product();
        let some = |seed: usize| (0..n).map(|i| 0.2 + ordinary(seed + i)).collect();
        match &node.kind {
            Kind::Time(_) => Some(vec![if along == Along::Time { x } else { self.time }]),
            Kind::State { system, index } if *system as usize == self.system => {
                let index = *index as usize;
                let mut state = self.states[index].clone();
                if let Along::State(k, i) = along
                    && k == index
                {
                    state[i] = x;
                }
                Some(state)
            }
            Kind::Param(k) => {
                let param = &self.program.params[*k as usize];
                match &param.init {
                    Init::Constant(values) => Some(values.clone()),
                    Init::Normal { mean, std } => {
                        Some((0..n).map(|i| mean + std * (2.0 * ordinary(i) - 1.0)).collect())
                    }
                    Init::Uniform { low, high } => Some((0..n).map(|i| low + (high - low) * ordinary(i)).collect()),
                }
            }
            Kind::Input(k) | Kind::Noise(k) => Some(some(31 * *k as usize)),
            Kind::Sample { .. } => Some(some(5)),
            #[allow(clippy::cast_precision_loss, reason = "sizes stay below 2^31")]
            Kind::Length(k) => self.program.ragged.get(*k as usize).map(|r| vec![r.1 as f64]),
            _ => None,
        }
    }
}

/// Numbers spread over (0, 1): the golden ratio's multiples.
fn ordinary(k: usize) -> f64 {
    #[allow(clippy::cast_precision_loss, reason = "small")]
    let k = k as f64;
    ((k + 1.0) * 0.618_033_988_749_894_9).fract()
}

/// A number of the domain that is near `x`.
fn inside(domain: Domain, x: f64) -> f64 {
    match domain {
        Domain::Real | Domain::Simplex => x,
        Domain::Positive => x.abs(),
        Domain::Negative => -x.abs(),
        Domain::Unit => 1.0 / (1.0 + (-x).exp()),
        Domain::Interval(low, high) => low + (high - low) / (1.0 + (-x).exp()),
    }
}

/// A right-hand side along one direction.
struct Line<'a> {
    program: &'a Program,
    order: &'a [usize],
    suspects: &'a [Suspect],
    rate: ExprId,
    point: &'a Point<'a>,
    along: Along,
}

impl Line<'_> {
    fn breaks(&self) -> Vec<Found> {
        let mut found = Vec::new();
        let mut before: Option<(f64, Vec<i64>)> = None;
        for x in self.grid() {
            let Some(now) = self.watch(x) else { return found };
            if let Some((low, earlier)) = &before {
                let changed = (0..now.len()).filter(|&i| now[i] != earlier[i]);
                for i in changed.take(MOST[2]) {
                    found.extend(self.bisect((*low, earlier[i]), x, i).and_then(|at| self.judge(at, i)));
                }
            }
            before = Some((x, now));
        }
        found
    }

    /// Increasing; with 0 and other likely places among them.
    fn grid(&self) -> Vec<f64> {
        let near = (0..25_i32).map(|i| 0.25 * f64::from(i - 12));
        let all: Vec<f64> = [-100.0, -30.0, -10.0].into_iter().chain(near).chain([10.0, 30.0, 100.0]).collect();
        match self.along {
            Along::Time => all.into_iter().filter(|t| *t >= 0.0).collect(),
            Along::State(k, _) => {
                let domain = self.point.program.systems[self.point.system].states[k].domain;
                let mut inside: Vec<f64> = all.into_iter().map(|x| inside(domain, x)).filter(|x| *x != 0.0).collect();
                if domain == Domain::Real {
                    inside.push(0.0);
                }
                inside.sort_by(f64::total_cmp);
                inside.dedup();
                inside
            }
        }
    }

    fn values(&self, x: f64) -> Option<Vec<Option<Vec<f64>>>> {
        values(self.program, self.order, &|node| self.point.leaf(node, self.along, x))
    }

    fn rate(&self, x: f64) -> Option<Vec<f64>> {
        self.values(x)?[self.rate.index()].take()
    }

    /// What is watched, one number for each entry of each suspect.
    fn watch(&self, x: f64) -> Option<Vec<i64>> {
        let values = self.values(x)?;
        let mut all = Vec::new();
        for suspect in self.suspects {
            let entries = values[suspect.watched.index()].as_ref()?.iter().take(MOST[0]);
            all.extend(entries.map(|&value| suspect.change.of(value)));
        }
        Some(all)
    }

    /// The two neighbouring numbers between which entry `i` changes.
    fn bisect(&self, (mut low, before): (f64, i64), mut high: f64, i: usize) -> Option<[f64; 2]> {
        for _ in 0..HALVINGS {
            let middle = 0.5 * (low + high);
            if middle <= low || middle >= high {
                break;
            }
            if self.watch(middle)?[i] == before {
                low = middle;
            } else {
                high = middle;
            }
        }
        Some([low, high])
    }

    /// Whether the right-hand side breaks between two neighbouring numbers.
    fn judge(&self, [low, high]: [f64; 2], i: usize) -> Option<Found> {
        let ends = [self.rate(low)?, self.rate(high)?];
        let good = |v: &[f64]| v.iter().all(|x| x.is_finite());
        let (at, value) = if good(&ends[1]) { (high, &ends[1]) } else { (low, &ends[0]) };
        if !good(value) {
            return None;
        }
        let part = self.part(i)?;
        let found = |how: Break| Some(Found { how, part, along: self.along, at });
        let (near, far) = (1e-9 * (1.0 + at.abs()), 1e-4 * (1.0 + at.abs()));
        let size = 1.0 + value.iter().fold(0.0, |m: f64, x| m.max(x.abs()));
        let [left, right, far_left, far_right] =
            [self.rate(at - near)?, self.rate(at + near)?, self.rate(at - far)?, self.rate(at + far)?];
        let (small, large) = (distance(&left, &right), distance(&far_left, &far_right));
        if good(&left) && good(&right) && small > 1e-7 * size && (small > 0.5 * large || !large.is_finite()) {
            return found(Break::Jump);
        }
        if self.along == Along::Time {
            return None;
        }
        for (close, wide) in [(&left, &far_left), (&right, &far_right)] {
            let (small, large) = (distance(close, value), distance(wide, value));
            let exponent = (large / small).ln() / 1e5_f64.ln();
            if small > 1e-13 * size && exponent < 0.95 {
                return found(Break::Root(exponent));
            }
        }
        None
    }

    /// The part that entry `i` of what is watched belongs to.
    fn part(&self, i: usize) -> Option<ExprId> {
        let size = |s: &Suspect| self.program.ty(s.watched).shape().iter().product::<usize>().min(MOST[0]);
        let mut end = 0;
        self.suspects
            .iter()
            .find(|suspect| {
                end += size(suspect);
                i < end
            })
            .map(|suspect| suspect.part)
    }
}

impl Change {
    fn of(self, value: f64) -> i64 {
        #[allow(clippy::cast_possible_truncation, reason = "saturates; only equality matters")]
        match self {
            Self::Value | Self::Floor => value.floor() as i64,
            Self::Sign => i64::from(value > 0.0) - i64::from(value < 0.0),
            Self::Unit => i64::from(value.abs() < 1.0),
        }
    }
}

/// The largest difference; not a number where one of the two is not.
fn distance(a: &[f64], b: &[f64]) -> f64 {
    let differences = a.iter().zip(b).map(|(a, b)| (a - b).abs());
    differences.fold(0.0, |m, d| if d.is_nan() || m.is_nan() { f64::NAN } else { m.max(d) })
}
