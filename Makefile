# SPDX-License-Identifier: MIT
# A thin front to Meson and Ninja. `make help` lists what there is.
.DEFAULT_GOAL := all
.PHONY: all deps deps-tests build demo serve test test-asan test-tsan test-valgrind test-bare lint format bench fuzz clean help
BUILD ?= build
MESON_FLAGS ?=

all: build ## build the server and the command-line tool into build/

deps: ## install what is missing: Debian packages, ONNX Runtime, models, photographs
	@scripts/deps

deps-tests: ## the same, with what tests and lint need besides
	@scripts/deps --tests

build: deps
	@test -f $(BUILD)/build.ninja || meson setup $(BUILD) $(MESON_FLAGS) >$(BUILD).log 2>&1 || { cat $(BUILD).log; exit 1; }
	@rm -f $(BUILD).log
	@ninja -C $(BUILD) --quiet

demo: build ## send real photographs through the server, show the answers, draw them into out/
	@scripts/demo $(BUILD)

serve: build ## run the server on 127.0.0.1:8080
	@$(BUILD)/sight serve

test: deps-tests build ## unit tests, then end-to-end tests against the real server
	@scripts/test $(BUILD)

test-asan: deps-tests ## the same tests under AddressSanitizer and UndefinedBehaviorSanitizer
	@scripts/test --sanitize address,undefined build-asan

test-tsan: deps-tests ## the same tests under ThreadSanitizer
	@scripts/test --sanitize thread build-tsan

test-valgrind: deps-tests build ## the server under valgrind: 500 requests, no block lost (many minutes)
	@/usr/bin/python3 tests/tools/valgrind.py $(BUILD)

test-bare: ## make demo and make test in a bare Debian, alone (root, debootstrap): SUITE=trixie COMMAND='make demo'
	@scripts/bare-root $(if $(SUDO),--user) $(or $(SUITE),trixie) '$(or $(COMMAND),make demo && make test)'

lint: deps-tests build ## format, clang-tidy, floors, headers, Python, documents
	@scripts/lint $(BUILD)

format: ## rewrite the C sources in the house style
	@git ls-files '*.c' '*.h' | xargs clang-format-19 -i

bench: deps-tests build ## measure; prints tables (see docs/PERFORMANCE.md)
	@scripts/bench $(BUILD)

fuzz: deps-tests ## run every fuzz target for FUZZ_SECONDS (60) each
	@scripts/fuzz

clean: ## remove builds and pictures; what `make deps` installed stays
	@rm -rf build build-* out

help: ## this list
	@awk -F ':.*## ' '/^[a-z-]+:.*## / { printf "  make %-13s %s\n", $$1, $$2 }' $(MAKEFILE_LIST)
