// The entry point, the factories, and the note that states the ABI version before any code runs.
#ifndef SLUICE_PLUGIN_H
#define SLUICE_PLUGIN_H

#include "executor.h"
#include "source.h"

#ifdef __cplusplus
extern "C" {
#endif

enum {
    SLUICE_MAGIC = 0x31434C53,  // "SLC1" in memory order
    SLUICE_ABI_MAJOR = 1,       // differs: refused, with both numbers
    SLUICE_ABI_MINOR = 0,       // additive only; a plugin built for 1.x loads on every host 1.y
    SLUICE_NOTE_TYPE = 1        // type of the ELF note whose owner is "Sluice"
};

// What a factory can create.
typedef struct sluice_descriptor {
    uint32_t struct_size;
    uint32_t reserved;
    sluice_slice_t id;          // unique in the library, such as "counter"
    sluice_slice_t name;        // for people
    sluice_slice_t version;     // semantic version of the plugin
} sluice_descriptor_t;

// Factory "sluice.source/1". Descriptors are constant and live as long as the library.
typedef struct sluice_source_factory {
    uint32_t struct_size;
    uint32_t count;             // how many descriptors; at least 1

    // Returns descriptor `index` < count; of another index, NULL. Pure.
    const sluice_descriptor_t *(*descriptor)(uint32_t index);

    // Creates the source `id`, configured with one JSON object. `host` lives until destroy(); `id` and
    // `config` only during the call. May log, read the clock, draw random bytes, look up extensions and
    // set_error(); makes no requests. An `id` that no descriptor has is CONFIG.
    // Returns OK and sets `*out`, whose table lives until destroy() returns; or an error class (CONFIG when the
    // configuration cannot work), and leaves nothing behind. After OK it is not called again in this process;
    // after an error it may be.
    sluice_status_t (*create)(const sluice_host_t *host, const sluice_slice_t *id,
                              const sluice_slice_t *config, const sluice_source_t **out);
} sluice_source_factory_t;

// Factory "sluice.executor/1". As above: only the type of `out` differs.
typedef struct sluice_executor_factory {
    uint32_t struct_size;
    uint32_t count;
    const sluice_descriptor_t *(*descriptor)(uint32_t index);
    sluice_status_t (*create)(const sluice_host_t *host, const sluice_slice_t *id,
                              const sluice_slice_t *config, const sluice_executor_t **out);
} sluice_executor_factory_t;

static const char SLUICE_SOURCE_FACTORY[] = "sluice.source/1";
static const char SLUICE_EXECUTOR_FACTORY[] = "sluice.executor/1";

// The library, as sluice_plugin_entry() states it.
typedef struct sluice_plugin {
    uint32_t struct_size;
    uint32_t magic;             // SLUICE_MAGIC
    uint16_t abi_major;         // SLUICE_ABI_MAJOR
    uint16_t abi_minor;         // SLUICE_ABI_MINOR
    uint32_t reserved;

    // Returns a factory by its NUL-terminated id, or NULL when the library has none of that kind.
    // Pure; the factory is constant and lives as long as the library.
    const void *(*get_factory)(const char *id);
} sluice_plugin_t;

// The one exported function of a plugin. Pure, callable first and more than once; returns a constant.
// Exactly this symbol is looked up; export nothing else.
__attribute__((visibility("default"))) const sluice_plugin_t *sluice_plugin_entry(void);

// Places the ELF note (owner "Sluice", type 1, u32 magic, u16 major, u16 minor; little-endian) that the
// host reads before any code of the library runs. Use it once, at file level, in one C file.
// A plugin in another language links the object of plugin_note.c, which consists of this line.
#define SLUICE_PLUGIN_NOTE                                  \
    __asm__(".pushsection .note.sluice,\"a\",%note\n"      \
            ".balign 4\n"                                   \
            ".long 7, 8, 1\n"                               \
            ".asciz \"Sluice\"\n"                           \
            ".balign 4\n"                                   \
            ".long 0x31434C53\n"                            \
            ".short 1, 0\n"                                 \
            ".popsection\n");

#ifdef __cplusplus
}
#endif
#endif
