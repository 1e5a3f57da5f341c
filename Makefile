# Every command of the project; `make` alone prints them.
SHELL := /bin/bash
.DEFAULT_GOAL := help
.PHONY: help build demo test verify install test-room sim format lint docs deps debug companions clean

BUILD ?= .build
C_BUILD ?= $(BUILD)/c
# SwiftPM lets an undeclared import of a sibling target pass; this flag does not.
SWIFT_FLAGS := --scratch-path $(BUILD) --explicit-target-dependency-import-check error
DEBUG := $(BUILD)/debug
RELEASE := $(BUILD)/release
PREFIX ?= /usr/local
export SLUICE_SHARED ?= $(abspath ../shared)
export SLUICE_C_BUILD := $(abspath $(C_BUILD))

include worker.mk
include plugins.mk
include tests.mk
include Benchmarks/bench.mk

help: ## Print the commands
	@grep -hE '^[a-z-]+:.*##' $(MAKEFILE_LIST) | awk -F ':.*## ' '{printf "  %-16s %s\n", $$1, $$2}'

PACKAGES ?= $(shell cat system-packages.txt)
deps: ## Install the system packages that are missing (as root), or print the command that does
	@missing=$$(for p in $(PACKAGES); do dpkg -s $$p >/dev/null 2>&1 || echo $$p; done); \
	if [ -z "$$missing" ]; then exit 0; fi; \
	echo "Missing system packages: $$(echo $$missing)"; \
	if [ "$$(id -u)" = 0 ]; then apt-get update -qq && DEBIAN_FRONTEND=noninteractive apt-get install -y -qq --no-install-recommends $$missing >/dev/null; \
	else echo "Run: sudo apt-get install $$(echo $$missing)"; exit 1; fi

debug: deps companions ## Build what `demo` and `test` share
	swift build $(SWIFT_FLAGS) --build-tests
	@$(MAKE) --no-print-directory beside BESIDE=$(DEBUG)

# The worker and the plugins stand beside the programs, in every build.
companions: c-worker c-plugins swift-plugins plugin-manifests

.PHONY: beside
beside:
	@mkdir -p $(BESIDE)/plugins
	@cp -u $(C_BUILD)/sluice-worker $(BESIDE)/
	@cp -u $(C_BUILD)/plugins/*.so $(BESIDE)/plugins/ && cp -u $(C_BUILD)/plugins/*.yaml $(BESIDE)/plugins/ 2>/dev/null || true
	@sh Plugins/examples/sdk.sh $(BESIDE)/sdk

# With Swift's own libraries inside: the programs run where there is no Swift.
build: deps companions ## Build for use: .build/release/sluice with sluice-world and sluice-worker beside it
	swift build $(SWIFT_FLAGS) -c release --static-swift-stdlib --product sluice
	swift build $(SWIFT_FLAGS) -c release --static-swift-stdlib --product sluice-world
	@$(MAKE) --no-print-directory beside BESIDE=$(RELEASE)

DEMO = $(if $(DATA),--data $(DATA)) $(if $(MODE),--mode $(MODE)) $(if $(AUTO),--auto) $(if $(SUMMARY),--summary $(SUMMARY)) \
	$(if $(SPEED),--speed $(SPEED)) $(if $(SEED),--seed $(SEED)) $(if $(KEEP),--keep) $(if $(LISTEN),--listen $(LISTEN))
demo: debug ## Run the loop on a simulated CRM: make demo [DATA=DIR] [MODE=observe] [AUTO=1] [SUMMARY=FILE] [LISTEN=HOST:PORT]
	$(DEBUG)/sluice demo $(DEMO) $(ARGS)

# Only tests need Rust, and only where nothing may be skipped (as in CI) is it fetched for them.
.PHONY: test-deps
test-deps:
	@if [ -n "$(REQUIRE)" ] && ! command -v cargo >/dev/null; then $(MAKE) --no-print-directory deps PACKAGES="cargo rustc"; fi

test: test-deps debug lint ## Run everything that CI runs
	@$(MAKE) --no-print-directory c-test
	@$(MAKE) --no-print-directory plugin-test
	@$(MAKE) --no-print-directory e2e-test
	@folder=$$(mktemp -d); trap 'rm -rf "$$folder"' EXIT; TMPDIR=$$folder swift test $(SWIFT_FLAGS) --skip-build

verify: test ## Everything that CI runs, every crash point of the sweep, a crowd of a thousand, ten thousand crashes, a machine of its own
	@$(MAKE) --no-print-directory e2e-test ONLY=crash WHOLE=1
	@$(MAKE) --no-print-directory e2e-test ONLY=crowd WHOLE=1
	@$(MAKE) --no-print-directory e2e-test ONLY=containment.test_host_stays_flat WHOLE=1
	@$(MAKE) --no-print-directory machine-test

# What was built is installed as it is, so that whoever installs as root builds nothing as root.
$(RELEASE)/sluice:
	@$(MAKE) --no-print-directory build

install: $(RELEASE)/sluice ## Install below PREFIX (default /usr/local) what `make build` made; builds it when there is nothing
	install -d $(DESTDIR)$(PREFIX)/bin $(DESTDIR)$(PREFIX)/libexec $(DESTDIR)$(PREFIX)/lib/sluice/plugins
	install $(RELEASE)/sluice $(RELEASE)/sluice-world $(DESTDIR)$(PREFIX)/bin
	install $(RELEASE)/sluice-worker $(DESTDIR)$(PREFIX)/libexec
	install -m 755 $(RELEASE)/plugins/*.so $(DESTDIR)$(PREFIX)/lib/sluice/plugins
	install -m 644 $(RELEASE)/plugins/*.yaml $(DESTDIR)$(PREFIX)/lib/sluice/plugins
	sh Plugins/examples/sdk.sh $(DESTDIR)$(PREFIX)/lib/sluice/sdk
	install -d $(DESTDIR)$(PREFIX)/share/sluice/rules && cp -R policies playbooks $(DESTDIR)$(PREFIX)/share/sluice/rules
	sh docs/install.sh $(DESTDIR)$(PREFIX)/share/doc/sluice

test-room: ## Build and test one room: make test-room ROOM=Policy
	ROOM=$(ROOM) swift test --scratch-path $(BUILD)-room

sim: ## Run the whole loop by a seed: make sim [SEED=n] [RUNS=n]
	ROOM=Simulation $(if $(SEED),SEED=$(SEED)) $(if $(SEED)$(RUNS),RUNS=$(or $(RUNS),1)) swift test --scratch-path $(BUILD)-room --filter 'keeps every invariant'

docs: ## Write docs/errors.md again from the sources
	ROOM=Tidy UPDATE_GOLDEN=1 swift test --scratch-path $(BUILD)-room --filter 'Error codes'

format: ## Format every Swift file
	swift format format -i -r Package.swift Sources Tests Plugins sandbox

lint: ## Check the format of every Swift file
	swift format lint --strict -r Package.swift Sources Tests Plugins sandbox

clean: ## Remove what was built
	rm -rf $(BUILD) $(BUILD)-room
