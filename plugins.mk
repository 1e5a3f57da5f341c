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

.PHONY: swift-plugins plugin-manifests plugin-test plugin-test-world plugin-bench
swift-plugins: $(SWIFT_LIBRARIES) ## Build the Swift plugins
plugin-manifests: $(PLUGIN_MANIFESTS) ## Put each manifest beside its library, with the library's SHA-256

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

$(C_BUILD)/plugins/%.yaml: manifests/%.yaml manifests/stamp.sh $(SWIFT_LIBRARIES) $(C_PLUGINS)
	sh manifests/stamp.sh $< $(C_BUILD)/plugins > $@.new && mv $@.new $@

# The guide's listings are plugins too: what does not build or run is not printed there.
GUIDE := docs/guides/write-a-connector.md
GUIDE_LIBRARIES := $(C_BUILD)/guide/tides.so $(C_BUILD)/guide/hello.so
$(C_BUILD)/guide/tides.swift $(C_BUILD)/guide/hello.c: $(GUIDE)
	@mkdir -p $(@D)
	awk -v fence='```$(if $(filter %.c,$@),c,swift)' '$$0 == "```" { inside = 0 } inside { print } $$0 == fence { inside = 1 }' $< > $@

$(C_BUILD)/guide/tides.so: $(C_BUILD)/guide/tides.swift $(KIT_BUILD)/SluiceKit.o $(C_BUILD)/plugin_note.o $(KIT)/exports.map
	$(SWIFTC) $(KIT_FLAGS) $(KIT_LINK) -module-name TidesPlugin $< $(KIT_BUILD)/SluiceKit.o $(C_BUILD)/plugin_note.o -o $@

$(C_BUILD)/guide/hello.so: $(C_BUILD)/guide/hello.c $(C_HEADERS)
	$(CC) $(C_FLAGS) -fPIC -shared -fvisibility=hidden -I$(C_ABI)/include $< -o $@

plugin-test: c-worker swift-plugins plugin-manifests $(GUIDE_LIBRARIES) ## Test the Swift plugins in the real worker
	@python3 Tests/PluginTests/run.py $(C_BUILD)

plugin-test-world: c-worker swift-plugins ## Run the Swift plugins against the simulated SaaS: WORLD=sluice-world
	@python3 Tests/PluginTests/world_check.py $(C_BUILD) $(WORLD)

plugin-bench: c-worker swift-plugins ## Measure spawn to ready of the Swift plugins
	@python3 Tests/PluginTests/bench.py $(C_BUILD)
