# `make demo` and `make test` are all the set-up there is. tests/needs.sh says what the machine must have for them, and
# installs it where it may.

.PHONY: demo test bench bench-once dist tools advisories

CARGO_TARGET_DIR ?= $(HOME)/.cache/rhumb-target
export CARGO_TARGET_DIR

demo:
	tests/needs.sh
	cargo build --release --locked -p rhumb
	pipelines/demo.sh $(CARGO_TARGET_DIR)/release/rhumb

# Python with the libraries that tests hold Rhumb against.
tools:
	tests/needs.sh python
	tests/tools.sh

test: tools
	RHUMB_PYTHON=$(CARGO_TARGET_DIR)/python/bin/python cargo test --release --locked --workspace

# Each bench once and on a small workload, to see that it runs: out of what the tests have built.
bench-once:
	cargo test --release --locked --workspace --bench '*'

bench:
	cargo bench --locked --workspace --bench '*'

dist:
	cargo build --profile dist --locked -p rhumb

advisories:
	cargo deny check advisories
