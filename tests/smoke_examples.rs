#[test]
fn load_all() {
    for e in std::fs::read_dir("examples").unwrap() {
        let path = e.unwrap().path();
        if path.extension().is_some_and(|x| x == "node") {
            match pullback::load::load(&pullback::load::Request { path: path.clone(), with_data: true, ..Default::default() }) {
                Ok(l) => eprintln!("{path:?} ok {} nodes", l.lowered.graph.len()),
                Err(r) => eprintln!("{path:?}\n{}", pullback::diag::render(&r.problems, &r.sources, false)),
            }
        }
    }
}
