# The benchmarks, on the release build. Included by the main Makefile.
# ONLY=intake,webhooks,ledger,loop,boundary,workers,throttle,crowd,wake,crashes,journal runs those; RUNS=number repeats what is compared (default 3).
BENCH_BUILD := $(C_BUILD)/bench
BENCH_TOOLS := $(BENCH_BUILD)/records.so $(BENCH_BUILD)/records.yaml $(BENCH_BUILD)/crowd.so $(BENCH_BUILD)/crowd.yaml $(BENCH_BUILD)/sqlite_baseline $(BENCH_BUILD)/webhook_load $(BENCH_BUILD)/native_host $(BENCH_BUILD)/round_trip
BENCH_DATA ?= $(wildcard $(SLUICE_SHARED)/data/crm-pipeline)

.PHONY: bench bench-tools
bench: build bench-tools ## Measure everything: make bench [ONLY=intake,webhooks,ledger,loop,boundary,workers,throttle,crowd,wake,crashes,journal] [RUNS=3] [JOURNAL_GB=2]
	@python3 -u Benchmarks/run.py --programs $(RELEASE) --c-build $(C_BUILD) $(if $(BENCH_DATA),--data $(BENCH_DATA)) \
		$(if $(ONLY),--only $(ONLY)) $(if $(RUNS),--runs $(RUNS)) $(if $(JOURNAL_GB),--journal-gb $(JOURNAL_GB))

bench-tools: $(BENCH_TOOLS) examples c-plugins

$(BENCH_BUILD)/%.so: Benchmarks/plugin/%.c Benchmarks/record_text.h $(C_HEADERS)
	@mkdir -p $(@D)
	$(CC) $(C_FLAGS) -fPIC -shared -fvisibility=hidden $(C_INCLUDE) $< -o $@

$(BENCH_BUILD)/%.yaml: Benchmarks/plugin/%.yaml manifests/stamp.sh $(BENCH_BUILD)/%.so
	sh manifests/stamp.sh $< $(@D) > $@.new && mv $@.new $@

$(BENCH_BUILD)/sqlite_baseline: Benchmarks/sqlite_baseline.c Benchmarks/record_text.h
	@mkdir -p $(@D)
	$(CC) $(C_FLAGS) $< -o $@ -lsqlite3 -lzstd

$(BENCH_BUILD)/webhook_load: Benchmarks/webhook_load.c Benchmarks/record_text.h
	@mkdir -p $(@D)
	$(CC) $(C_FLAGS) $< -o $@ -lcrypto

$(BENCH_BUILD)/native_host: Benchmarks/native_host.c $(C_HEADERS)
	@mkdir -p $(@D)
	$(CC) $(C_FLAGS) $(C_INCLUDE) $< -o $@ -ldl

$(BENCH_BUILD)/round_trip: Benchmarks/round_trip.c
	@mkdir -p $(@D)
	$(CC) $(C_FLAGS) $< -o $@
