#define _GNU_SOURCE
#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <unistd.h>

#include "worker.h"

int main(int argc, char **argv) {
    int64_t started = monotonic_ns();
    options_t options;
    if (!options_parse(argc, argv, &options)) return EXIT_USAGE;
    if (options.probe) return probe_print();

    // We wait with poll(); a descriptor that somebody left non-blocking is made blocking here, while we may.
    int flags = fcntl(CHANNEL_FD, F_GETFL);
    if (flags < 0) load_failed(SLUICE_LOAD_ARGUMENTS, errno, "fd 3 is not open");
    fcntl(CHANNEL_FD, F_SETFL, flags & ~O_NONBLOCK);

    // Opened by who we are now; the worker's own user may not be able to reach the folder.
    int plugin_fd = open(options.plugin, O_RDONLY | O_CLOEXEC | O_NOCTTY | O_NONBLOCK);
    if (plugin_fd < 0) load_failed(SLUICE_LOAD_OPEN_FILE, errno, options.plugin);
    const char *path = realpath(options.plugin, NULL);
    if (path != NULL) options.plugin = path;

    protections_t protections = {0, 0, 0};
    checking_begin(&options);
    refusals_begin(&options);
    clocks_begin(&options);
    sandbox_enter(&options, plugin_fd, &protections);
    const sluice_plugin_t *plugin = plugin_load(plugin_fd, &options, &protections);
    if (options.describe) describe(plugin, plugin_entry());

    sluice_frame_ready_t ready = {
        .abi_major = plugin->abi_major,
        .abi_minor = plugin->abi_minor,
        .protections_active = protections.active,
        .protections_missing = protections.missing,
        .landlock_abi = protections.landlock_abi,
        .load_us = (uint32_t)((monotonic_ns() - started) / 1000),
    };
    channel_send(sluice_encode_ready(&ready, channel_out, sizeof channel_out));
    operation_loop(plugin);
}
