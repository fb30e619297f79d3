//! Whole models through `check` and `lower`.

use super::{Options, check, show};
use crate::data::DimSize;
use crate::diag::{Diagnostic, Sources};
use crate::lower::{Lowered, lower};

fn options() -> Options {
    Options { sizes: vec![("T".into(), DimSize::Fixed(20))], ..Options::default() }
}

fn compile(text: &str, options: &Options) -> Result<Lowered, Vec<Diagnostic>> {
    let mut sources = Sources::default();
    let id = sources.add("test.node", text);
    let (file, problems) = crate::syntax::parse(id, text);
    assert_eq!(problems, [], "syntax");
    let loader = |path: &str| Err(format!("no file {path}"));
    let (program, problems) = check(&file, &mut sources, &loader, options);
    let Some(program) = program else { return Err(problems) };
    assert!(show(&program).contains("model"));
    lower(&program, options)
}

fn compiles(text: &str) -> Lowered {
    let lowered = compile(text, &options()).unwrap_or_else(|problems| panic!("{problems:#?}"));
    let broken = crate::graph::verify(&lowered.graph);
    assert!(broken.is_empty(), "{broken:#?}");
    let mut roots: Vec<_> = lowered.systems.iter().flat_map(|s| [s.rhs, s.start]).collect();
    roots.extend(lowered.loss);
    assert!(!crate::lower::has_argument(&lowered.graph, &roots));
    lowered
}

/// The codes of a model's problems.
fn codes(text: &str) -> Vec<&'static str> {
    match compile(text, &options()) {
        Ok(_) => Vec::new(),
        Err(problems) => problems.iter().map(|d| d.code).collect(),
    }
}

macro_rules! models {
    ($($name:ident)*) => { $(
        #[test]
        fn $name() {
            let lowered = compiles(include_str!(concat!("../../tests/models/", stringify!($name), ".node")));
            assert!(lowered.loss.is_some());
        }
    )* };
}
models! { lotka_volterra moons spiral latent hamiltonian classifier notation }

#[test]
fn ragged_models_compile() {
    let options = Options {
        sizes: vec![("T".into(), DimSize::Ragged { max: 12 })],
        trajectory: Some(7),
        ..Options::default()
    };
    for text in [
        include_str!("../../tests/models/lotka_volterra.node"),
        include_str!("../../tests/models/latent.node"),
        include_str!("../../tests/models/hamiltonian.node"),
    ] {
        let lowered = compile(text, &options).unwrap_or_else(|problems| panic!("{problems:#?}"));
        assert_eq!(lowered.ragged, [("T".to_owned(), 12)]);
        assert!(crate::graph::verify(&lowered.graph).is_empty());
        assert!(lowered.outputs.iter().any(|o| o.0 == "t"));
    }
}

#[test]
fn parameters_are_named_by_their_place() {
    let lowered = compiles(include_str!("../../tests/models/moons.node"));
    let names: Vec<&str> = lowered.params.iter().map(|p| p.name.as_str()).collect();
    assert_eq!(names, ["f.0.W", "f.0.b", "f.2.W", "f.2.b", "f.4.W", "f.4.b"]);
    assert_eq!(lowered.params[0].shape, [64, 3]);
    assert_eq!(lowered.systems.len(), 1);
    assert_eq!(lowered.systems[0].dim, 3);
}

#[test]
fn several_errors_in_one_run_and_no_cascade() {
    let text = "param a = b\nparam c = d\nlet x = a + c + q\nloss = x + x";
    assert_eq!(codes(text), ["N0201", "N0201", "N0201"]);
}

/// The blocks of a page with their information strings.
fn blocks(page: &str) -> Vec<(String, String)> {
    let mut found = Vec::new();
    let mut rest = page;
    while let Some((_, after)) = rest.split_once("```") {
        let (head, after) = after.split_once('\n').unwrap_or((after, ""));
        let (body, after) = after.split_once("```").unwrap_or((after, ""));
        found.push((head.to_owned(), body.to_owned()));
        rest = after;
    }
    found
}

fn problems_of(text: &str) -> Vec<&'static str> {
    let mut sources = Sources::default();
    let id = sources.add("page.node", text);
    let (file, problems) = crate::syntax::parse(id, text);
    let mut codes: Vec<&'static str> = problems.iter().map(|d| d.code).collect();
    // A page about a missing end of a span asks for a trajectory.
    let trajectory = text.contains("state").then_some(5);
    let options = Options { trajectory, ..Options::default() };
    if let Err(problems) = super::data_items(&file, &options) {
        codes.extend(problems.iter().map(|d| d.code));
    }
    let (program, problems) = check(&file, &mut sources, &|_| Err("none".into()), &options);
    codes.extend(problems.iter().map(|d| d.code));
    if let Some(program) = program
        && let Err(problems) = lower(&program, &options)
    {
        codes.extend(problems.iter().map(|d| d.code));
    }
    codes
}

#[test]
fn every_code_has_a_page_whose_blocks_do_what_it_says() {
    let folder = std::path::Path::new(env!("CARGO_MANIFEST_DIR")).join("docs/errors");
    let mut wrong = Vec::new();
    for (code, title) in super::CODES {
        let page = std::fs::read_to_string(folder.join(format!("{code}.md"))).unwrap_or_default();
        if !page.starts_with(&format!("# {code}: {title}\n")) {
            wrong.push(format!("{code}: no page with this title"));
        }
        for (head, body) in blocks(&page) {
            let found = problems_of(&body);
            let fits = match head.as_str() {
                "node,error" => !found.is_empty() && found.iter().all(|c| c == code),
                _ => found.is_empty(),
            };
            if !fits {
                wrong.push(format!("{code} {head}: {found:?}\n{body}"));
            }
        }
    }
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
}

#[test]
fn every_wrong_program_has_its_code() {
    let root = std::path::Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/suite/errors");
    for folder in ["names", "shapes", "domains"] {
        let files = std::fs::read_dir(root.join(folder)).unwrap_or_else(|e| panic!("{folder}: {e}"));
        for file in files.flatten() {
            let name = file.file_name().to_string_lossy().to_uppercase();
            let text = std::fs::read_to_string(file.path()).unwrap_or_default();
            let found = problems_of(&text);
            assert!(found.iter().any(|c| name.starts_with(c)), "{name}: {found:?}");
        }
    }
}
