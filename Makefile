# The house's commands. There is no logic here: each target calls a script or cargo.

# What dist/engine.wasm may weigh, in bytes: as it is, and by `gzip -9`.
SIZE_MAX := 102400
GZIP_MAX := 46080

LISTEN ?= 127.0.0.1:8080
DATA ?= ./data

.PHONY: help engine
.DEFAULT_GOAL := help

help: ## Show this list
	@sed -n 's/^\([a-z]*\):.*## \(.*\)/  make \1\t\2/p' $(MAKEFILE_LIST) | expand -t 20

engine: ## Compile the engine to dist/engine.wasm
	@engine/build/module.sh
