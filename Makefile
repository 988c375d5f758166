# `make demo` and `make test` are all the set-up there is. tests/needs.sh says what the machine must have for them, and
# installs it where it may.

.PHONY: demo test soak bench bench-once dist tools advisories

CARGO_TARGET_DIR ?= $(HOME)/.cache/rhumb-target
export CARGO_TARGET_DIR

demo:
	tests/needs.sh
	cargo build --release --locked -p rhumb
	pipelines/demo.sh $(CARGO_TARGET_DIR)/release/rhumb

# Python with the libraries that tests hold Rhumb against, and a Kafka broker.
tools:
	tests/needs.sh python kafka
	tests/tools.sh
	tests/kafka.sh fetch

test: tools
	RHUMB_PYTHON=$(CARGO_TARGET_DIR)/python/bin/python cargo test --release --locked --workspace

# The simulation (docs/SIMULATION.md) over more seeds, and instances that come, go and die (docs/TESTING.md) for longer, than
# `make test` has time for.
SEEDS ?= 20000
soak:
	RHUMB_SEEDS=$(SEEDS) cargo test --release --locked --workspace --test simulation -- --nocapture whatever
	RHUMB_HANDOVER_SECONDS=180 cargo test --release --locked --workspace --test handover -- --nocapture instances_that_come

# Each bench once and on a small workload, to see that it runs: out of what the tests have built.
bench-once:
	cargo test --release --locked --workspace --bench '*'

bench:
	cargo bench --locked --workspace --bench '*'

dist:
	cargo build --profile dist --locked -p rhumb

advisories:
	cargo deny check advisories
