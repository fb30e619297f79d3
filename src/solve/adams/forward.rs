//! Problem → states at the output times.

use super::DEGREE;
use super::tile::Tile;
use crate::solve::continuous::nodes;
use crate::solve::forward::Outputs;
use crate::solve::options::Options;
use crate::solve::real::Real;
use crate::solve::schedule::Schedule;
use crate::solve::system::{Problem, Solution, System};
use crate::solve::tape::Tape;

/// Integrates every active lane from its t0 to its furthest output time, see [`crate::solve::solve`]. A tape gets values
/// within the steps.
pub(in crate::solve) fn solve<R: Real, S: System<R>>(
    sys: &mut S,
    problem: &Problem<R>,
    options: &Options,
    mut tape: Option<&mut Tape<R>>,
) -> Solution<R> {
    let (dim, lanes) = (sys.dim(), sys.lanes());
    let mut schedule = Schedule::new(problem, options, dim, lanes);
    let failures = std::mem::take(&mut schedule.failures);
    let on_way = |lane: usize| problem.active[lane] && failures[lane].is_none();
    let running = (0..lanes).map(|lane| on_way(lane) && schedule.span[lane] != 0.0).collect();
    let mut outputs = Outputs::new(problem, &schedule, dim);
    for lane in (0..lanes).filter(|&lane| on_way(lane)) {
        outputs.at_start(lane);
    }
    let mut tile = Tile::new(options, dim, running, failures, problem.t0);
    tile.z.copy_from_slice(problem.z0);
    if tile.any_running() {
        tile.start(&vec![true; lanes], &schedule.t_end, |t, z, dz| sys.rhs(t, z, dz));
    }
    while tile.any_running() {
        tile.propose();
        if !tile.any_running() {
            break;
        }
        tile.attempt(|t, z, dz| sys.rhs(t, z, dz));
        for lane in (0..lanes).filter(|&lane| tile.accepted[lane]) {
            let now = tile.lanes[lane].history.now();
            let s = schedule.fraction(lane, now);
            while let Some((j, t)) = outputs.passed(lane, s) {
                if t.total_cmp(&now).is_eq() {
                    outputs.write(lane, j, |i| tile.z[i]);
                } else {
                    outputs.write(lane, j, tile.dense(lane, t));
                }
            }
            if let Some(tape) = &mut tape {
                keep(tape, &tile, lane, s);
            }
            tile.running[lane] = s < 1.0;
        }
    }
    outputs.mark_missing(problem.active);
    if let Some(tape) = tape {
        tape.failures.clone_from(&tile.failures);
    }
    Solution { values: outputs.values, failures: tile.failures, stats: tile.stats, stretches: Vec::new() }
}

/// Adds the last step of a lane to a tape: its end at the fraction `s` of the span, and dense output within it.
fn keep<R: Real>(tape: &mut Tape<R>, tile: &Tile<R>, lane: usize, s: f64) {
    let (lanes, history) = (tile.lanes.len(), &tile.lanes[lane].history);
    let (before, now) = (history.before(), history.now());
    let tape = &mut tape.lanes[lane];
    for theta in nodes(DEGREE).take(DEGREE).skip(1) {
        let dense = tile.dense(lane, before + theta * (now - before));
        tape.k.extend((lane..tile.n()).step_by(lanes).map(dense));
    }
    tape.s.push(s);
    tape.z.extend(tile.z[lane..].iter().step_by(lanes));
}
