# The commands of everyday work. `just` lists them.

[private]
default:
    @just --list

# All tests, as in CI
test *args:
    cargo test {{args}}

# The tests that take minutes too
slow:
    cargo test --release -- --include-ignored

# Lints, as errors
lint:
    cargo clippy --all-targets -- -D warnings

# Lay out the code
fmt:
    cargo fmt

# The experiments of the paper in their short form, and the tables of docs/paper.md
paper *args:
    cargo build --release
    python3 examples/paper/run.py {{args}}

# The API documentation, and the book where mdbook is installed
doc:
    RUSTDOCFLAGS="-D warnings" cargo doc --no-deps
    if command -v mdbook >/dev/null; then mdbook build docs; fi

# Benchmarks
bench *args:
    cargo bench {{args}}

# Accept new snapshots and rewrite the generated lists of the book; read the diff before you commit it
bless:
    INSTA_UPDATE=always BLESS=1 cargo test

# Licences, advisories and sources of the dependencies
deny:
    cargo deny check

# Everything that has to pass
ci:
    .ci/run
