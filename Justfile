# Lists what there is.
default:
    @just --list

# All tests; with root also those on real events.
test *WORDS:
    cargo test --workspace {{WORDS}}

# The suites of tests/suite, or the cases with one of the words in their name.
suite *WORDS:
    cargo test --test suite -- {{WORDS}}

# Rewrites what the suites expect; review the diff.
bless *WORDS:
    NTAP_BLESS=1 cargo test --test suite -- {{WORDS}}
    NTAP_BLESS=1 cargo test --test syntax
    NTAP_BLESS=1 cargo test --test documentation

# Formatting and lints.
lint:
    cargo fmt --all --check
    cargo clippy --workspace --all-targets

# Exactly what CI runs.
ci:
    .ci/run
