//! File and flags → a checked, lowered model with its data: what every command starts with.

use crate::check::{self, Program};
use crate::data::{self, Dataset, Source};
use crate::diag::{Diagnostic, Severity, Sources};
use crate::lower::{self, Lowered};
use crate::syntax::{self, ast};
use std::path::{Component, Path, PathBuf};

/// What to load.
#[derive(Clone, Debug, Default)]
pub struct Request {
    /// The model file.
    pub path: PathBuf,
    /// `--set name=value`
    pub set: Vec<(String, f64)>,
    /// `--data`: instead of the file that the model names.
    pub data: Option<PathBuf>,
    /// Outputs along the trajectory: number of times.
    pub trajectory: Option<usize>,
    /// Seed of the split into training and validation samples.
    pub seed: u64,
    /// Read the data too (else dims that it decides stay unknown).
    pub with_data: bool,
}

/// A model ready to compile.
pub struct Loaded {
    /// The texts.
    pub sources: Sources,
    /// What was written.
    pub file: ast::File,
    /// What it means.
    pub program: Program,
    /// As a graph.
    pub lowered: Lowered,
    /// Training samples.
    pub data: Option<Dataset>,
    /// Samples held back from `data`.
    pub validation: Option<Dataset>,
    /// Samples of the `test` item.
    pub test: Option<Dataset>,
    /// Warnings.
    pub warnings: Vec<Diagnostic>,
}

/// Why a model could not be loaded, with the texts that its places point into.
#[derive(Debug)]
pub struct Refused {
    /// The texts.
    pub sources: Sources,
    /// The problems.
    pub problems: Vec<Diagnostic>,
}

/// The largest model file.
const LARGEST: u64 = 1 << 20;

/// Loads a model.
///
/// # Errors
/// Everything wrong with the file, its data and the flags.
pub fn load(request: &Request) -> Result<Loaded, Refused> {
    let mut sources = Sources::default();
    match read_all(request, &mut sources) {
        Ok(parts) => Ok(Loaded { sources, ..parts }),
        Err(problems) => Err(Refused { sources, problems }),
    }
}

/// The text of a model file.
///
/// # Errors
/// It is not there, too large, or not UTF-8.
pub fn read_text(path: &Path) -> Result<String, Diagnostic> {
    let shown = path.display();
    let meta = std::fs::metadata(path).map_err(|e| cannot_read(path, &e))?;
    if meta.is_dir() {
        return Err(Diagnostic::global("N0802", format!("`{shown}` is a folder, not a model file")));
    }
    if meta.len() > LARGEST {
        return Err(Diagnostic::global(
            "N0802",
            format!("`{shown}` has {} bytes; a model file has at most 1 MiB", meta.len()),
        )
        .help("put data into a data file and name it with `data`"));
    }
    let bytes = std::fs::read(path).map_err(|e| cannot_read(path, &e))?;
    String::from_utf8(bytes).map_err(|e| {
        let at = e.utf8_error().valid_up_to();
        Diagnostic::global("N0803", format!("`{shown}` is not UTF-8 text: byte {at} is invalid"))
            .help("save the file as UTF-8; a compiled add-on of Node.js has the same ending and is something else")
    })
}

fn cannot_read(path: &Path, error: &std::io::Error) -> Diagnostic {
    let shown = path.display();
    let d = Diagnostic::global("N0801", format!("cannot read `{shown}`: {error}"));
    let folder = path.parent().filter(|p| !p.as_os_str().is_empty()).unwrap_or_else(|| Path::new("."));
    let names: Vec<String> = std::fs::read_dir(folder)
        .map(|list| list.flatten().filter_map(|e| e.file_name().into_string().ok()).collect())
        .unwrap_or_default();
    let wanted = path.file_name().and_then(|n| n.to_str()).unwrap_or("");
    match crate::diag::did_you_mean(wanted, names.iter().map(String::as_str)) {
        Some(meant) => d.help(format!("did you mean `{}`?", folder.join(meant).display())),
        None => d.help("pass the path of a `.node` file"),
    }
}

fn read_all(request: &Request, sources: &mut Sources) -> Result<Loaded, Vec<Diagnostic>> {
    let text = read_text(&request.path).map_err(|d| vec![d])?;
    let id = sources.add(request.path.display().to_string(), text.clone());
    let (file, problems) = syntax::parse(id, &text);
    if problems.iter().any(|d| d.severity == Severity::Error) {
        return Err(problems);
    }
    let folder = request.path.parent().unwrap_or_else(|| Path::new("")).to_path_buf();
    let mut options =
        check::Options { overrides: request.set.clone(), trajectory: request.trajectory, ..Default::default() };
    let (source, test, expect) = check::data_items(&file, &options)?;
    let place = |source: Source, other: Option<&PathBuf>| Source {
        path: other.cloned().unwrap_or_else(|| folder.join(&source.path)),
        ..source
    };
    if let (Some(path), None) = (&request.data, &source) {
        let d =
            Diagnostic::global("N0804", format!("--data {}: the model has no `data` item to replace", path.display()));
        return Err(vec![d.help("say in the model how the columns feed its inputs: `data csv(\"file.csv\", …)`")]);
    }
    let (mut data, mut validation, mut test_data) = (None, None, None);
    if let (Some(source), true) = (source, request.with_data) {
        let source = place(source, request.data.as_ref());
        let all = data::load(&source, &expect)?;
        options.sizes.clone_from(&all.dims);
        if source.validation > 0.0 {
            let (train, held) = all.split(source.validation, request.seed);
            (data, validation) = (Some(train), Some(held));
        } else {
            data = Some(all);
        }
        options.samples = data.as_ref().map(|d| d.len);
    }
    if let (Some(source), true) = (test, request.with_data) {
        test_data = Some(data::load(&place(source, None), &expect)?);
    }
    let loader = |path: &str| project_file(&folder, path);
    let (program, mut warnings) = check::check(&file, sources, &loader, &options);
    let Some(program) = program else { return Err(warnings) };
    warnings.splice(0..0, problems);
    let lowered = lower::lower(&program, &options)?;
    Ok(Loaded { sources: Sources::default(), file, program, lowered, data, validation, test: test_data, warnings })
}

/// The text of a file that a model uses; never outside of the model's folder.
fn project_file(folder: &Path, path: &str) -> Result<String, String> {
    let inside = Path::new(path).components().all(|c| matches!(c, Component::Normal(_) | Component::CurDir));
    if !inside {
        return Err("it lies outside of the project folder".into());
    }
    read_text(&folder.join(path)).map_err(|d| d.message)
}
