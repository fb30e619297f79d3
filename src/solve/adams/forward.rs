//! Problem → states at the output times.

use super::tile::Tile;
use crate::solve::forward::Outputs;
use crate::solve::options::Options;
use crate::solve::real::Real;
use crate::solve::schedule::Schedule;
use crate::solve::system::{Problem, Solution, System};

/// Integrates every active lane from its t0 to its furthest output time, see [`crate::solve::solve`].
pub(in crate::solve) fn solve<R: Real, S: System<R>>(
    sys: &mut S,
    problem: &Problem<R>,
    options: &Options,
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
            tile.running[lane] = s < 1.0;
        }
    }
    outputs.mark_missing(problem.active);
    Solution { values: outputs.values, failures: tile.failures, stats: tile.stats, stretches: Vec::new() }
}
