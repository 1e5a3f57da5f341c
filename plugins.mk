# The Swift side of plugins: SluiceKit, one self-contained .so for each Swift plugin, manifests, and their tests.
# Included by the main Makefile, after worker.mk; `make -f plugins.mk TARGET` works alone.
ifndef C_WORKER
include worker.mk
endif

SWIFTC ?= swiftc
KIT := Sources/Plugin/SluiceKit
KIT_BUILD := $(C_BUILD)/swift
KIT_SOURCES := $(wildcard $(KIT)/*.swift $(KIT)/*/*.swift)
# As in Package.swift. Without Swift's concurrency: a plugin starts no thread.
KIT_FLAGS := -O -wmo -parse-as-library -swift-version 6 -warnings-as-errors \
	-enable-upcoming-feature ExistentialAny -enable-upcoming-feature InternalImportsByDefault \
	-enable-upcoming-feature MemberImportVisibility \
	-Xfrontend -disable-implicit-concurrency-module-import -Xfrontend -disable-implicit-string-processing-module-import \
	-I $(C_ABI)/include -I $(KIT_BUILD)
# The Swift runtime is inside; exports.map leaves sluice_plugin_entry visible, all else is dropped or hidden.
KIT_LINK := -emit-library -static-stdlib -use-ld=lld -Xlinker --gc-sections -Xlinker -s \
	-Xlinker --version-script=$(KIT)/exports.map

SWIFT_PLUGINS := crm-source crm-executor stripe
SWIFT_MODULE_crm-source := CRMSourcePlugin
SWIFT_MODULE_crm-executor := CRMExecutorPlugin
SWIFT_MODULE_stripe := StripePlugin
SWIFT_LIBRARIES := $(SWIFT_PLUGINS:%=$(C_BUILD)/plugins/%.so)
PLUGIN_MANIFESTS := $(patsubst manifests/%,$(C_BUILD)/plugins/%,$(wildcard manifests/*.yaml))
# What the conformance kit plays as each plugin's upstream.
PLUGIN_FIXTURES := $(foreach file,$(wildcard Plugins/*/*.check.yaml),$(C_BUILD)/plugins/$(notdir $(file)))

.PHONY: swift-plugins plugin-manifests plugin-test plugin-test-world plugin-bench
swift-plugins: $(SWIFT_LIBRARIES) ## Build the Swift plugins
plugin-manifests: $(PLUGIN_MANIFESTS) $(PLUGIN_FIXTURES) ## Put each manifest beside its library, with the library's SHA-256

# One compilation gives the module and its code; every plugin links the same object.
$(KIT_BUILD)/SluiceKit.o: $(KIT_SOURCES) $(C_HEADERS) $(C_ABI)/include/module.modulemap plugins.mk
	@mkdir -p $(@D)
	$(SWIFTC) $(KIT_FLAGS) -module-name SluiceKit -emit-module -emit-module-path $(KIT_BUILD)/SluiceKit.swiftmodule \
		-c $(KIT_SOURCES) -o $@

define swift_plugin
$(C_BUILD)/plugins/$(1).so: $(wildcard Plugins/$(1)/*.swift) $(KIT_BUILD)/SluiceKit.o $(C_BUILD)/plugin_note.o $(KIT)/exports.map
	@mkdir -p $$(@D)
	$(SWIFTC) $(KIT_FLAGS) $(KIT_LINK) -module-name $(SWIFT_MODULE_$(1)) Plugins/$(1)/*.swift \
		$(KIT_BUILD)/SluiceKit.o $(C_BUILD)/plugin_note.o -o $$@
endef
$(foreach plugin,$(SWIFT_PLUGINS),$(eval $(call swift_plugin,$(plugin))))

define plugin_fixture
$(C_BUILD)/plugins/$(notdir $(1)): $(1)
	cp $$< $$@
endef
$(foreach file,$(wildcard Plugins/*/*.check.yaml),$(eval $(call plugin_fixture,$(file))))

$(C_BUILD)/plugins/%.yaml: manifests/%.yaml manifests/stamp.sh $(SWIFT_LIBRARIES) $(C_PLUGINS)
	sh manifests/stamp.sh $< $(C_BUILD)/plugins > $@.new && mv $@.new $@

# The guide's first C and C++ are plugins too: what does not build or run is not printed there. The rest is the examples'.
# By the very commands of the guide, in a folder of their own, with the SDK as an installation has it.
GUIDE := docs/guides/write-a-connector.md
GUIDE_LIBRARIES := $(C_BUILD)/guide/hello.so $(C_BUILD)/guide/hello-cpp.so
$(C_BUILD)/guide/hello.c $(C_BUILD)/guide/hello.cpp: $(GUIDE)
	@mkdir -p $(@D)
	awk -v fence='```$(patsubst .%,%,$(suffix $@))' 'inside && $$0 == "```" { exit } inside { print } $$0 == fence { inside = 1 }' $< > $@

$(C_BUILD)/guide/sdk: $(C_HEADERS) $(KIT)/exports.map
	sh Plugins/examples/sdk.sh $@

guide_command = awk '/^$(1) / { inside = 1 } inside { print } inside && !/\\$$/ { exit }' $(GUIDE) | sed 's|$$(sluice plugin sdk)|$(abspath $(C_BUILD))/guide/sdk|'
$(C_BUILD)/guide/hello.so: $(C_BUILD)/guide/hello.c $(C_BUILD)/guide/sdk
	$(call guide_command,cc) > $(@D)/hello.sh
	cd $(@D) && sh -e hello.sh

$(C_BUILD)/guide/hello-cpp.so: $(C_BUILD)/guide/hello.cpp $(C_BUILD)/guide/sdk
	$(call guide_command,c\+\+) > $(@D)/hello-cpp.sh
	cd $(@D) && sh -e hello-cpp.sh

# Each example is copied with what it needs of Sluice and built there by its own Makefile, as its author would.
EXAMPLES := Plugins/examples
EXAMPLE_SDK := Sources/Plugin/VERSION $(C_HEADERS) $(KIT_SOURCES) $(wildcard Sources/Plugin/sluice-rs/*.toml Sources/Plugin/sluice-rs/src/*.rs)
RUST := $(shell command -v cargo 2>/dev/null)
EXAMPLE_LANGUAGES := c cpp swift $(if $(RUST),rust)
EXAMPLE_LIBRARIES := $(foreach name,tides tickets,$(EXAMPLE_LANGUAGES:%=$(C_BUILD)/examples/$(name)-%/build/$(name).so))
.PHONY: examples
examples: $(EXAMPLE_LIBRARIES) ## Build the example connectors, each from a copy of its own
define example
$(C_BUILD)/examples/$(1)-%/build/$(1).so: $(wildcard $(EXAMPLES)/*.sh $(EXAMPLES)/$(1)-*/* $(EXAMPLES)/$(1)-*/src/*) $(EXAMPLE_SDK)
	rm -rf $(C_BUILD)/examples/$(1)-$$*
	@mkdir -p $(C_BUILD)/examples
	cp -R $(EXAMPLES)/$(1)-$$* $(C_BUILD)/examples/$(1)-$$*
	sh $(EXAMPLES)/vendor.sh $$* $(C_BUILD)/examples/$(1)-$$*
	MAKEFLAGS= $(MAKE) -C $(C_BUILD)/examples/$(1)-$$*
endef
$(foreach name,tides tickets,$(eval $(call example,$(name))))

# The crate's own tests, and a library that panics everywhere.
RUSTC ?= rustc
RUST_BUILD := $(C_BUILD)/rust
RUST_TESTS := $(if $(RUST),$(RUST_BUILD)/tests $(RUST_BUILD)/panics.so $(RUST_BUILD)/refuser.so)
RUST_SOURCES := $(wildcard Sources/Plugin/sluice-rs/src/*.rs)
$(RUST_BUILD)/tests: $(RUST_SOURCES)
	@mkdir -p $(@D)
	$(RUSTC) --edition 2021 -O -D warnings --test Sources/Plugin/sluice-rs/src/lib.rs -o $@

$(RUST_BUILD)/libsluice.rlib: $(RUST_SOURCES)
	@mkdir -p $(@D)
	$(RUSTC) --edition 2021 -O -D warnings --crate-type rlib --crate-name sluice Sources/Plugin/sluice-rs/src/lib.rs --out-dir $(RUST_BUILD)

$(RUST_BUILD)/%.so: Tests/PluginTests/rust/%.rs $(RUST_BUILD)/libsluice.rlib
	$(RUSTC) --edition 2021 -O -D warnings --crate-type cdylib --extern sluice=$(RUST_BUILD)/libsluice.rlib $< -o $@

# A fixture of its own; its name keeps it out of the project's own Swift.
$(C_BUILD)/tests/migrating.so: Tests/PluginTests/swift/migrating.swift.in $(KIT_BUILD)/SluiceKit.o $(C_BUILD)/plugin_note.o $(KIT)/exports.map
	@mkdir -p $(@D)
	cp $< $(@D)/migrating.swift
	$(SWIFTC) $(KIT_FLAGS) $(KIT_LINK) -module-name MigratingPlugin $(@D)/migrating.swift $(KIT_BUILD)/SluiceKit.o $(C_BUILD)/plugin_note.o -o $@

# The C kit's JSON reader under the sanitizers.
$(C_BUILD)/tests/kit: Tests/PluginTests/c/kit.c $(C_HEADERS)
	@mkdir -p $(@D)
	$(CC) $(C_FLAGS) $(C_SANITIZE) -I$(C_ABI)/include $< -o $@

plugin-test: c-worker swift-plugins plugin-manifests $(GUIDE_LIBRARIES) examples $(RUST_TESTS) $(C_BUILD)/tests/kit $(C_BUILD)/tests/migrating.so ## Test the kits, the examples and the Swift plugins in the real worker
	@python3 Tests/PluginTests/run.py $(C_BUILD)

plugin-test-world: c-worker swift-plugins ## Run the Swift plugins against the simulated SaaS: WORLD=sluice-world
	@python3 Tests/PluginTests/world_check.py $(C_BUILD) $(WORLD)

plugin-bench: c-worker swift-plugins examples ## Measure spawn to ready of plugins in each language
	@python3 Tests/PluginTests/bench.py $(C_BUILD)
