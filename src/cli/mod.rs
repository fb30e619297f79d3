//! Arguments → commands: results on stdout, problems on stderr (with `--json` all on stdout), and an exit code.
//!
//! Exit codes: 0; 1 the model or the data is wrong; 2 the command line is wrong; 3 the numerics failed.

mod args;
mod bench;
mod check;
mod codes;
mod density;
mod eval;
mod explain;
mod failed;
mod figures;
mod fit;
mod fmt;
mod grad;
mod gradcheck;
mod hessian;
mod kernels;
mod new;
mod output;
mod pages;
mod progress;
mod run;
mod sensitivity;
mod session;
mod show;
mod tape;
mod train;

pub use codes::CODES;
pub use pages::PAGES;

use args::{Cli, Command, Precision};
use clap::Parser;
use failed::{Exit, Failed};
use output::Console;
use std::io::IsTerminal;
use std::process::ExitCode;

/// Runs the command that the process was started with.
pub fn main() -> ExitCode {
    let cli = match Cli::try_parse() {
        Ok(cli) => cli,
        Err(error) => return refused(&error),
    };
    let color = cli.color.on(std::io::stderr().is_terminal());
    let console = Console { json: cli.json, quiet: cli.quiet, color };
    match dispatch(&cli.command, console) {
        Ok(()) => ExitCode::SUCCESS,
        Err(failed) => {
            console.failed(&failed);
            failed.exit.into()
        }
    }
}

fn dispatch(command: &Command, console: Console) -> Result<(), Failed> {
    match command {
        Command::New(args) => new::new(args, console),
        Command::Check(args) => check::check(args, console),
        Command::Train(args) => match args.model.precision {
            Precision::F64 => train::train::<f64>(args, console),
            Precision::F32 => train::train::<f32>(args, console),
        },
        Command::Run(args) => match args.model.precision {
            Precision::F64 => run::run::<f64>(args, console),
            Precision::F32 => run::run::<f32>(args, console),
        },
        Command::Eval(args) => match args.model.precision {
            Precision::F64 => eval::eval::<f64>(args, console),
            Precision::F32 => eval::eval::<f32>(args, console),
        },
        Command::Grad(args) => match args.model.precision {
            Precision::F64 => grad::grad::<f64>(args, console),
            Precision::F32 => grad::grad::<f32>(args, console),
        },
        Command::Bench(args) => match args.model.precision {
            Precision::F64 => bench::bench::<f64>(args, console),
            Precision::F32 => bench::bench::<f32>(args, console),
        },
        Command::Show(args) => show::show(args, console),
        Command::Fmt(args) => fmt::fmt(args, console),
        Command::Explain(args) => explain::explain(args, console),
    }
}

/// A command line that cannot be read, or one that asks for help.
fn refused(error: &clap::Error) -> ExitCode {
    let asks = !error.use_stderr();
    let json = std::env::args_os().any(|a| a == "--json");
    if json && !asks {
        let text = error.render().to_string();
        let message = text.lines().next().unwrap_or_default().trim_start_matches("error: ").to_owned();
        let details = text.lines().skip(1).filter(|l| !l.trim().is_empty()).map(str::trim).map(str::to_owned).collect();
        let console = Console { json, quiet: false, color: false };
        console.failed(&Failed::usage(codes::COMMAND_LINE, message).notes(details));
    } else {
        // Nobody is left to tell when the terminal is gone.
        let _ = error.print();
    }
    if asks { ExitCode::SUCCESS } else { Exit::Usage.into() }
}
