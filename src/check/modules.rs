//! `use`: the standard modules, embedded, and other files of the project.

use super::checker::Checker;
use super::codes;
use super::scope::Module;
use crate::diag::{Diagnostic, Sources, Span};
use crate::syntax::ast::{File, Item, ItemKind, Name};
use std::collections::{BTreeMap, HashMap};
use std::rc::Rc;

/// The standard library, in the language itself.
pub(super) const STANDARD: &[(&str, &str)] = &[
    ("nn", include_str!("../std/nn.node")),
    ("dist", include_str!("../std/dist.node")),
    ("loss", include_str!("../std/loss.node")),
    ("reg", include_str!("../std/reg.node")),
];

/// Reads the text of a file of the project.
pub type Loader<'l> = &'l dyn Fn(&str) -> Result<String, String>;

/// Loads what a file uses.
pub(super) struct Modules<'l> {
    sources: &'l mut Sources,
    loader: Loader<'l>,
    standard: BTreeMap<&'static str, usize>,
    /// Files already loaded, and those that are being loaded (`None`).
    files: HashMap<String, Option<usize>>,
}

impl<'l> Modules<'l> {
    /// Loads the standard modules.
    pub fn new(checker: &mut Checker, sources: &'l mut Sources, loader: Loader<'l>) -> Self {
        let mut standard = BTreeMap::new();
        for (name, text) in STANDARD {
            let file = sources.add(format!("std/{name}.node"), *text);
            let (ast, problems) = crate::syntax::parse(file, text);
            checker.diagnostics.extend(problems);
            let module = checker.modules.len();
            checker.modules.push(Module { is_std: true, prefix: (*name).to_owned(), ..Module::default() });
            for item in ast.items {
                checker.add_decl(module, Rc::new(item));
            }
            standard.insert(*name, module);
        }
        // What distributions and losses call each other for is always visible.
        let prelude: Vec<usize> = ["dist", "loss"].iter().filter_map(|n| standard.get(n).copied()).collect();
        for module in standard.values() {
            checker.modules[*module].open.extend(prelude.iter().copied().filter(|p| p != module));
        }
        Self { sources, loader, standard, files: HashMap::new() }
    }

    /// Adds a file as a module, with everything that it uses. `path` is relative to the project folder.
    pub fn add(&mut self, checker: &mut Checker, file: &File, path: &str) -> (usize, Vec<Rc<Item>>) {
        let module = checker.modules.len();
        checker.modules.push(Module::default());
        let items: Vec<Rc<Item>> = file.items.iter().map(|i| Rc::new(i.clone())).collect();
        for item in &items {
            if let ItemKind::Use { what, is_path, alias } = &item.kind {
                self.use_item(checker, module, (what, *is_path, alias.as_ref()), path);
            }
        }
        for name in ["dist", "loss"] {
            if let Some(&m) = self.standard.get(name) {
                checker.modules[module].open.push(m);
                checker.modules[module].aliases.entry(name.to_owned()).or_insert(m);
            }
        }
        for item in &items {
            checker.add_decl(module, item.clone());
        }
        if let Some(&first) = checker.modules[module].states.first() {
            let span = checker.decls[first].name.span;
            let k = checker.declare_system(module, "", span);
            if path.is_empty() {
                checker.program.main_system = Some(k);
            }
        } else {
            for item in checker.modules[module].equations.clone() {
                if let ItemKind::Equation { state, .. } = &item.kind {
                    let d =
                        Diagnostic::error(codes::NO_STATE, state.span, format!("there is no state `{}`", state.text))
                            .here("not a state")
                            .help(format!("declare it with its start value: `state {} = …`", state.text));
                    checker.report(d);
                }
            }
            checker.events_without_states(module);
        }
        (module, items)
    }

    fn use_item(
        &mut self,
        checker: &mut Checker,
        module: usize,
        (what, is_path, alias): (&Name, bool, Option<&Name>),
        from: &str,
    ) {
        let found = if is_path { self.load(checker, what, from) } else { self.known(checker, what) };
        let Some(found) = found else { return };
        if let Some(alias) = alias {
            checker.modules[module].aliases.insert(alias.text.clone(), found);
        } else {
            checker.modules[module].open.push(found);
            if !is_path {
                checker.modules[module].aliases.insert(what.text.clone(), found);
            }
        }
    }

    fn known(&self, checker: &mut Checker, what: &Name) -> Option<usize> {
        if let Some(&m) = self.standard.get(what.text.as_str()) {
            return Some(m);
        }
        let names: Vec<&str> = STANDARD.iter().map(|s| s.0).collect();
        let mut d = Diagnostic::error(codes::MODULE, what.span, format!("there is no module `{}`", what.text))
            .here("unknown module");
        if let Some(meant) = crate::diag::did_you_mean(&what.text, names.iter().copied()) {
            d = d.help(format!("did you mean `{meant}`?")).fix(what.span, meant, format!("write `{meant}`"));
        }
        d = d.help(format!(
            "standard modules: {}; a file is written in quotes: `use \"{}.node\"`",
            names.join(", "),
            what.text
        ));
        checker.fail(d)
    }

    fn load(&mut self, checker: &mut Checker, what: &Name, from: &str) -> Option<usize> {
        let Some(path) = joined(from, &what.text) else {
            return problem(
                checker,
                what.span,
                "a used file must lie inside of the project folder",
                "outside of the project",
            );
        };
        match self.files.get(&path) {
            Some(Some(m)) => return Some(*m),
            Some(None) => return problem(checker, what.span, "files use each other in a circle", "already being read"),
            None => {}
        }
        let text = match (self.loader)(&path) {
            Ok(text) => text,
            Err(why) => return problem(checker, what.span, &format!("`{path}` cannot be read: {why}"), "this file"),
        };
        self.files.insert(path.clone(), None);
        let id = self.sources.add(path.clone(), text.clone());
        let (ast, problems) = crate::syntax::parse(id, &text);
        checker.diagnostics.extend(problems);
        let (m, _) = self.add(checker, &ast, &path);
        self.files.insert(path, Some(m));
        Some(m)
    }
}

fn problem(checker: &mut Checker, span: Span, message: &str, here: &str) -> Option<usize> {
    let d = Diagnostic::error(codes::MODULE, span, message)
        .here(here)
        .help("the path is relative to this file, such as `use \"shared/layers.node\" as s`");
    checker.fail(d)
}

/// `what` relative to the folder of `from`; `None` when that leaves the project folder.
fn joined(from: &str, what: &str) -> Option<String> {
    if what.starts_with(['/', '\\']) || what.contains(':') {
        return None;
    }
    let folder = from.rsplit_once('/').map_or("", |f| f.0);
    let mut parts: Vec<&str> = Vec::new();
    for part in folder.split('/').chain(what.split(['/', '\\'])) {
        match part {
            "" | "." => {}
            ".." => {
                parts.pop()?;
            }
            other => parts.push(other),
        }
    }
    Some(parts.join("/"))
}

#[cfg(test)]
mod tests {
    use super::joined;

    #[test]
    fn paths_stay_inside_of_the_project() {
        assert_eq!(joined("a/b.node", "c.node").as_deref(), Some("a/c.node"));
        assert_eq!(joined("a/b.node", "../c.node").as_deref(), Some("c.node"));
        assert_eq!(joined("b.node", "../c.node"), None);
        assert_eq!(joined("b.node", "/etc/passwd"), None);
    }
}
