//! Whole models through `check` and `lower`.

use super::{Options, check, show};
use crate::data::{DimSize, Size};
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

#[test]
fn recurrent_encoders_compile() {
    let text = include_str!("../../tests/models/latent_ode.node");
    let lowered = compiles(text);
    let names: Vec<&str> = lowered.params.iter().take(4).map(|p| p.name.as_str()).collect();
    assert_eq!(names, ["gru.W", "gru.b", "gru.U", "gru.c"]);
    assert_eq!(lowered.params[0].shape, [50, 27]);
    let ragged = Options { sizes: vec![("T".into(), DimSize::Ragged { max: 12 })], ..Options::default() };
    assert!(compile(text, &ragged).is_ok());
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
    let options =
        Options { sizes: vec![("T".into(), DimSize::Ragged { max: 12 })], trajectory: Some(7), ..Options::default() };
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

/// Words of a model, and what stands between them.
fn tokens(text: &str) -> Vec<&str> {
    let mut found = Vec::new();
    let mut start = 0;
    let class = |c: char| {
        if c.is_alphanumeric() || c == '_' {
            0
        } else if c.is_whitespace() {
            1
        } else {
            2
        }
    };
    let mut before = None;
    for (i, c) in text.char_indices() {
        if before.is_some_and(|b| b != class(c) || b == 2) {
            found.push(&text[start..i]);
            start = i;
        }
        before = Some(class(c));
    }
    found.push(&text[start..]);
    found
}

/// A word left out, doubled, or put in the place of another: there may be diagnostics, but no panic.
#[test]
fn mutilated_models_never_panic() {
    let models = [
        include_str!("../../tests/models/lotka_volterra.node"),
        include_str!("../../tests/models/moons.node"),
        include_str!("../../tests/models/hamiltonian.node"),
        include_str!("../../tests/models/classifier.node"),
        include_str!("../../tests/models/notation.node"),
    ];
    let mut state = 1_u64;
    let mut random = |n: usize| {
        state = state.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
        usize::try_from(state >> 33).unwrap_or(0) % n
    };
    for text in models {
        let words = tokens(text);
        for k in 0..400 {
            let mut changed = words.clone();
            let at = random(words.len());
            match k % 3 {
                0 => {
                    changed.remove(at);
                }
                1 => changed[at] = words[random(words.len())],
                _ => changed.insert(at, words[random(words.len())]),
            }
            let text: String = changed.concat();
            let mut sources = Sources::default();
            let id = sources.add("changed.node", text.clone());
            let (file, _) = crate::syntax::parse(id, &text);
            let ragged = DimSize::Ragged { max: 5 };
            let sizes = vec![("T".into(), if k % 2 == 0 { ragged } else { DimSize::Fixed(5) })];
            let options = Options { sizes, trajectory: Some(3), ..Options::default() };
            let _ = super::data_items(&file, &options);
            let (program, problems) = check(&file, &mut sources, &|_| Err("none".into()), &options);
            match program {
                Some(program) => {
                    let _ = show(&program);
                    if let Ok(lowered) = lower(&program, &options) {
                        assert_eq!(crate::graph::verify(&lowered.graph), Vec::<String>::new(), "{text}");
                    }
                }
                None => assert!(!problems.is_empty(), "{text}"),
            }
        }
    }
}

#[test]
fn a_long_sum_in_index_notation_is_refused() {
    assert_eq!(problems_of(&format!("input x: [3]\noutput v = sum(i: {})", vec!["x[i]"; 3000].join(" + "))), ["N0317"]);
}

#[test]
fn a_long_product_is_fine() {
    assert!(problems_of(&format!("output v = {}", vec!["1"; 3000].join("*"))).is_empty());
}

#[test]
fn a_long_chain_of_lets_written_backwards_is_refused() {
    let lets = (0..2000).map(|i| format!("let a{i} = a{} + 1\n", i + 1)).collect::<Vec<_>>().concat();
    assert!(problems_of(&format!("{lets}let a2000 = 1\noutput v = a0")).contains(&"N0317"));
}

#[test]
fn doubling_calls_end_in_a_diagnostic() {
    let doubling = (1..60).map(|i| format!("fn f{i}(x) = f{}(f{0}(x + 1))\n", i - 1)).collect::<Vec<_>>().concat();
    assert!(problems_of(&format!("fn f0(x) = x*x\n{doubling}output v = f59(1.5)")).contains(&"N0317"));
}

#[test]
fn deep_nesting_never_overflows() {
    let brackets = format!("output v = {}1{}", "(1 + ".repeat(150), ")".repeat(150));
    let unary = format!("input x: []\noutput v = {}x", "-".repeat(5000));
    let pipes = format!("input x: []\noutput v = x{}", " |> exp".repeat(3000));
    let choices = format!("input x: []\noutput v = {}0", "if x > 0 then 1 else ".repeat(1000));
    let indices = format!("input x: [3]\noutput v = x{}", "[0]".repeat(1000));
    for text in [brackets, unary, pipes, choices, indices] {
        let _ = problems_of(&text);
    }
}

/// Models with nothing to complain about, and a file that another one uses.
#[test]
fn good_models_have_no_warnings() {
    for text in [
        include_str!("../../tests/models/lotka_volterra.node"),
        include_str!("../../tests/models/moons.node"),
        include_str!("../../tests/models/spiral.node"),
        include_str!("../../tests/models/latent.node"),
        include_str!("../../tests/models/classifier.node"),
    ] {
        let mut sources = Sources::default();
        let id = sources.add("model.node", text);
        let (file, _) = crate::syntax::parse(id, text);
        let (program, problems) = check(&file, &mut sources, &|_| Err("none".into()), &options());
        assert!(program.is_some() && problems.is_empty(), "{problems:#?}");
    }
}

fn with_files(text: &str, files: &[(&str, &str)]) -> Result<Lowered, Vec<Diagnostic>> {
    let mut sources = Sources::default();
    let id = sources.add("model.node", text);
    let (file, problems) = crate::syntax::parse(id, text);
    assert_eq!(problems, []);
    let loader = |path: &str| {
        files.iter().find(|f| f.0 == path).map(|f| f.1.to_owned()).ok_or_else(|| "no such file".to_owned())
    };
    let (program, problems) = check(&file, &mut sources, &loader, &options());
    lower(&program.ok_or(problems)?, &options())
}

#[test]
fn files_use_each_other() {
    let shared = (
        "lib/shared.node",
        "use nn\nuse \"more.node\"\ndim H = 7\nnet f: [2] -> [2] = dense(H) |> twice |> dense(2)\n",
    );
    let more = ("lib/more.node", "fn twice(x) = 2*x\n");
    let text = "use \"lib/shared.node\" as s\nstate z: [2] = [1, 0]\nz' = s.f(z)\noutput v = z(1)";
    let lowered = with_files(text, &[shared, more]).unwrap_or_else(|p| panic!("{p:#?}"));
    assert_eq!(lowered.params.len(), 4);
    let codes = |text: &str, files: &[(&str, &str)]| {
        with_files(text, files).err().unwrap_or_default().iter().map(|d| d.code).collect::<Vec<_>>()
    };
    assert_eq!(codes("use \"../up.node\"\noutput v = 1", &[]), ["N0207"]);
    assert_eq!(codes("use \"a.node\"\noutput v = 1", &[("a.node", "use \"a.node\"\nfn f(x) = x")]), ["N0207"]);
}

#[test]
fn an_error_inside_of_the_standard_library_is_the_callers() {
    let text = "input x: [3]\ninput s: [2]\noutput v = normal_logpdf(x, 0, s)";
    let problems = with_files(text, &[]).err().unwrap_or_default();
    assert_eq!(problems.len(), 1, "{problems:#?}");
    let first = &problems[0].labels[0];
    assert!(first.primary && first.span.file.0 == 0, "{problems:#?}");
}

#[test]
fn data_items_name_what_feeds_the_inputs() {
    let text = "dim T\ndim H = 3\ninput ts: [T]\ninput y: [T, H]\ninput label: [] class(4)\n\
                data csv(\"a.csv\", by = \"Subject\", ts = \"Time\", y = [\"a\", \"b\", \"c\"], validation = 0.2)\n\
                test csv(\"b.csv\")";
    let mut sources = Sources::default();
    let id = sources.add("model.node", text);
    let (file, _) = crate::syntax::parse(id, text);
    let (data, held_out, expect) = super::data_items(&file, &Options::default()).unwrap_or_else(|p| panic!("{p:#?}"));
    let data = data.expect("a source");
    assert_eq!(data.by.as_deref(), Some("Subject"));
    assert_eq!(data.columns[1].1, ["a", "b", "c"]);
    assert!(held_out.is_some());
    assert_eq!(expect[1].shape, [Size::Named("T".into()), Size::Fixed(3)]);
    assert_eq!(expect[2].class, Some(4));
}
