# The house's commands. There is no logic here: each target calls a script or cargo.

# What dist/engine.wasm may weigh, in bytes: as it is, and by `gzip -9`. The budget is 102400 and 46080,
# and is not met: ARCHITECTURE.md says what was tried.
SIZE_MAX := 231680
GZIP_MAX := 112128

LISTEN ?= 127.0.0.1:8080
DATA ?= ./data

.PHONY: help serve workers engine size test check conformance bench fuzz soak
.DEFAULT_GOAL := help

help: ## Show this list
	@sed -n 's/^\([a-z]*\):.*## \(.*\)/  make \1\t\2/p' $(MAKEFILE_LIST) | expand -t 20

serve: engine ## Serve on 127.0.0.1:8080 (LISTEN) with data in ./data (DATA). OPEN=1: without tokens
	@LISTEN=$(LISTEN) DATA=$(DATA) OPEN=$(OPEN) engine/build/serve.sh

workers: engine ## Serve in workerd on 127.0.0.1:8787 (LISTEN), without tokens, data in ./data/workers (DATA)
	@host-workers/build/run.sh

engine: ## Compile the engine to dist/engine.wasm
	@engine/build/module.sh

size: engine ## Show the module's bytes by room; fail over the limits. TOP=20: the largest functions too
	@cargo run --quiet --package conformance --bin size -- $(SIZE_MAX) $(GZIP_MAX) $(TOP)

test: engine ## Build everything and pass every test
	@engine/build/test.sh

check: ## What must pass before a change lands: format, clippy, tests, size
	@engine/build/format.sh
	@engine/build/lint.sh
	@$(MAKE) --no-print-directory test size

conformance: engine ## Compare with real git, from outside. CASE=name: only that. TARGET=git|native|workers
	@TARGET=$(TARGET) engine/build/conformance.sh $(CASE)

SECONDS ?= 60

fuzz: ## Look for inputs that break a property. TARGET=name: only that; SECONDS=60: for each
	@engine/build/fuzz.sh $(SECONDS) $(TARGET)

soak: engine ## Let real git clients work for a while (SECONDS), beside a model. TARGET=native|workers
	@engine/build/soak.sh $(SECONDS) $(TARGET)

bench: engine ## Time operations beside git. TARGET=workers: workerd too; REPO=path: that one too; OUT=docs: keep it
	@TARGET=$(TARGET) ROUNDS=$(ROUNDS) SHAPE=$(SHAPE) engine/build/bench.sh
