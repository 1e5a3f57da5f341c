# The C side: worker, codec, C plugins and their tests. Included by the main Makefile.
C_BUILD ?= .build/c
CC ?= cc
C_FLAGS ?= -std=c11 -Wall -Wextra -Werror -O2
C_ABI := Sources/Plugin/CSluicePlugin
C_FRAMES := Sources/Plugin/CSluiceFrames
C_WORKER := Sources/Apps/sluice-worker
C_PROFILES := sandbox/profiles
C_INCLUDE := -I$(C_ABI)/include -I$(C_FRAMES)/include
# The codec's tests run under the sanitizers where the compiler has them.
C_SANITIZERS := -g -fsanitize=address,undefined -fno-sanitize-recover=all
C_SANITIZE ?= $(shell echo 'int main(void){return 0;}' | $(CC) -x c - $(C_SANITIZERS) -o /dev/null 2>/dev/null && echo $(C_SANITIZERS))

C_HEADERS := $(wildcard $(C_ABI)/include/sluice/*.h $(C_ABI)/include/sluice/*/*.h \
	$(C_FRAMES)/include/*.h $(C_FRAMES)/include/sluice_frames/*.h $(C_FRAMES)/*.h $(C_WORKER)/*.h)
C_FRAMES_SOURCES := $(wildcard $(C_FRAMES)/*.c)
C_WORKER_SOURCES := $(wildcard $(C_WORKER)/*.c)
C_PLUGINS := $(C_BUILD)/plugins/counter.so
C_FAULTY := $(C_BUILD)/tests/hostile.so $(C_BUILD)/tests/attacker.so $(C_BUILD)/tests/hostile-executor.so $(C_BUILD)/tests/contract.so \
	$(C_BUILD)/tests/queue.so $(C_BUILD)/tests/tides.so $(C_BUILD)/tests/crowd.so
C_VERSIONS := $(patsubst %,$(C_BUILD)/tests/contract_%.so,WEBHOOK_SLOT WEBHOOK_SIZE WEBHOOK_RESERVED) \
	$(C_BUILD)/tests/abi-dump $(C_BUILD)/later/sluice-worker $(C_BUILD)/tests/contract-1.9.so $(C_BUILD)/tests/contract-2.0.so
C_TEST_FILES := $(wildcard Tests/CSluiceFramesTests/*.c Tests/CSluiceFramesTests/*.h)

.PHONY: c-worker c-plugins c-test c-test-frames c-test-worker c-bench c-clean
c-worker: $(C_BUILD)/sluice-worker $(C_BUILD)/plugin_note.o ## Build the sandboxed C worker
c-plugins: $(C_PLUGINS) $(C_FAULTY) ## Build the C plugins

$(C_BUILD)/profile_%.h: $(C_PROFILES)/%.txt $(C_PROFILES)/generate.awk
	@mkdir -p $(@D)
	awk -v name=$* -f $(C_PROFILES)/generate.awk $< > $@.new && mv $@.new $@

# What goes before the C library's for plugins, so that the worker can tell of it (refusals.c, allocations.c),
# or so that the kit can say which time it is (clocks.c).
COMMA := ,
C_EXPORTED := pthread_create eventfd epoll_create epoll_create1 malloc calloc realloc aligned_alloc memalign posix_memalign mmap mmap64 mremap \
	clock_gettime time gettimeofday timespec_get
C_EXPORTS := $(foreach name,$(C_EXPORTED),-Wl$(COMMA)--export-dynamic-symbol=$(name))
# Standard hardening: the worker is the one process that runs foreign code. No Swift library is linked.
$(C_BUILD)/sluice-worker: $(C_WORKER_SOURCES) $(C_FRAMES_SOURCES) $(C_HEADERS) $(C_BUILD)/profile_load.h $(C_BUILD)/profile_run.h
	@mkdir -p $(@D)
	$(CC) $(C_FLAGS) -fPIE -pie -fstack-protector-strong -D_FORTIFY_SOURCE=2 -Wl,-z,relro,-z,now $(C_INCLUDE) \
		-I$(C_FRAMES) -I$(C_WORKER) -I$(C_BUILD) $(C_WORKER_SOURCES) $(C_FRAMES_SOURCES) $(C_EXPORTS) -o $@ -ldl

# A plugin in another language links this object to carry the ABI note.
$(C_BUILD)/plugin_note.o: $(C_ABI)/plugin_note.c $(C_HEADERS)
	@mkdir -p $(@D)
	$(CC) $(C_FLAGS) -fPIC $(C_INCLUDE) -c $< -o $@

$(C_BUILD)/plugins/%.so: Plugins/%/*.c $(C_HEADERS)
	@mkdir -p $(@D)
	$(CC) $(C_FLAGS) -fPIC -shared -fvisibility=hidden $(C_INCLUDE) Plugins/$*/*.c -o $@

$(C_BUILD)/tests/hostile.so: $(wildcard Tests/HostilePlugin/*) $(C_HEADERS)
	@mkdir -p $(@D)
	$(CC) $(C_FLAGS) -fPIC -shared -fvisibility=hidden $(C_INCLUDE) -ITests/HostilePlugin \
		Tests/HostilePlugin/hostile.c Tests/HostilePlugin/kernel.c Tests/HostilePlugin/rules.c -o $@

# The same, doing nothing while it is loaded: what it is refused, the switch led to.
$(C_BUILD)/tests/attacker.so: $(wildcard Tests/HostilePlugin/*) $(C_HEADERS)
	@mkdir -p $(@D)
	$(CC) $(C_FLAGS) -fPIC -shared -fvisibility=hidden -DQUIET_CONSTRUCTOR $(C_INCLUDE) -ITests/HostilePlugin \
		Tests/HostilePlugin/hostile.c Tests/HostilePlugin/kernel.c Tests/HostilePlugin/rules.c -o $@

$(C_BUILD)/tests/hostile-executor.so: Tests/HostilePlugin/executor.c $(C_HEADERS)
	@mkdir -p $(@D)
	$(CC) $(C_FLAGS) -fPIC -shared -fvisibility=hidden $(C_INCLUDE) $< -o $@

$(C_BUILD)/tests/queue.so: Tests/EndToEnd/plugins/queue.c $(C_HEADERS)
	@mkdir -p $(@D)
	$(CC) $(C_FLAGS) -fPIC -shared -fvisibility=hidden $(C_INCLUDE) $< -o $@

$(C_BUILD)/tests/crowd.so: Benchmarks/plugin/crowd.c Benchmarks/record_text.h $(C_HEADERS)
	@mkdir -p $(@D)
	$(CC) $(C_FLAGS) -fPIC -shared -fvisibility=hidden $(C_INCLUDE) $< -o $@

$(C_BUILD)/tests/tides.so: Plugins/examples/tides-c/tides.c $(C_HEADERS)
	@mkdir -p $(@D)
	$(CC) $(C_FLAGS) -fPIC -shared -fvisibility=hidden $(C_INCLUDE) $< -o $@

$(C_BUILD)/tests/contract.so: Tests/WorkerTests/plugins/contract.c $(C_HEADERS)
	@mkdir -p $(@D)
	$(CC) $(C_FLAGS) -fPIC -shared -fvisibility=hidden $(C_INCLUDE) $< -o $@

$(C_BUILD)/tests/contract_%.so: Tests/WorkerTests/plugins/contract.c $(C_HEADERS)
	@mkdir -p $(@D)
	$(CC) $(C_FLAGS) -fPIC -shared -fvisibility=hidden -DBROKEN_$* $(C_INCLUDE) $< -o $@

# The ABI as the compiler sees it; docs/abi-1.0.txt is what it was when 1.0 was frozen.
$(C_BUILD)/tests/abi-dump: Tests/WorkerTests/abi/dump.c $(C_HEADERS)
	@mkdir -p $(@D)
	$(CC) $(C_FLAGS) $(C_INCLUDE) $< -o $@

.PHONY: abi-dump
abi-dump: $(C_BUILD)/tests/abi-dump
	@$<

# Plugins and a host of versions to come: the same sources on headers in which every struct is longer.
.PRECIOUS: $(C_BUILD)/later/%/sluice/sluice.h
$(C_BUILD)/later/%/sluice/sluice.h: Tests/WorkerTests/abi/later.py Tests/WorkerTests/abi/headers.py $(C_HEADERS)
	python3 $< $(subst ., ,$*) $(C_BUILD)/later/$*

$(C_BUILD)/tests/contract-%.so: Tests/WorkerTests/plugins/contract.c $(C_BUILD)/later/%/sluice/sluice.h
	@mkdir -p $(@D)
	$(CC) $(C_FLAGS) -fPIC -shared -fvisibility=hidden -DLATER_MINOR -I$(C_BUILD)/later/$* $< -o $@

$(C_BUILD)/later/sluice-worker: $(C_BUILD)/sluice-worker $(C_BUILD)/later/1.1/sluice/sluice.h
	$(CC) $(C_FLAGS) -fPIE -pie -I$(C_BUILD)/later/1.1 $(C_INCLUDE) -I$(C_FRAMES) -I$(C_WORKER) -I$(C_BUILD) \
		$(C_WORKER_SOURCES) $(C_FRAMES_SOURCES) $(C_EXPORTS) -o $@ -ldl

C_BROKEN := NOTE_MAGIC NOTE_MAJOR NOTE_MISSING CONSTRUCTOR_CRASH CONSTRUCTOR_ABORT CONSTRUCTOR_EXIT CONSTRUCTOR_HANG \
	CONSTRUCTOR_READ CONSTRUCTOR_READ_MISSING \
	SYMBOL ENTRY_NULL ENTRY_CRASH ENTRY_MAGIC ENTRY_MAJOR ENTRY_SLOT ENTRY_RESERVED UNRESOLVED
C_BROKEN_FILES := $(patsubst %,$(C_BUILD)/tests/broken_%.so,$(C_BROKEN))
$(C_BUILD)/tests/broken_%.so: Tests/HostilePlugin/broken.c $(C_HEADERS)
	@mkdir -p $(@D)
	$(CC) $(C_FLAGS) -Wno-unused-function -fPIC -shared -fvisibility=hidden -DBROKEN_$* $(C_INCLUDE) $< -o $@

$(C_BUILD)/tests/frames: $(C_TEST_FILES) $(C_FRAMES_SOURCES) $(C_HEADERS)
	@mkdir -p $(@D)
	$(CC) $(C_FLAGS) $(C_SANITIZE) $(C_INCLUDE) -I$(C_FRAMES) Tests/CSluiceFramesTests/*.c $(C_FRAMES_SOURCES) -o $@

c-test-frames: $(C_BUILD)/tests/frames
	$(C_BUILD)/tests/frames

c-test-worker: c-worker c-plugins $(C_BROKEN_FILES) $(C_VERSIONS)
	python3 Tests/WorkerTests/run.py $(C_BUILD)

c-test: $(C_BUILD)/tests/frames c-worker c-plugins $(C_BROKEN_FILES) $(C_VERSIONS) ## Test the codec and the worker
	@python3 Tests/WorkerTests/run.py $(C_BUILD) --frames $(C_BUILD)/tests/frames

c-bench: c-worker c-plugins ## Measure spawn to ready, memory and throughput of the worker
	@python3 Tests/WorkerTests/bench.py $(C_BUILD)

c-clean:
	rm -rf $(C_BUILD)
