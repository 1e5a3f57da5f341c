// The Sluice plugin ABI: include this one header to write a connector or an executor.
//
// A plugin is a shared library that exports one function, sluice_plugin_entry(). It runs alone in a
// sandboxed worker process: no files, no sockets, no child processes, no secrets. All it can reach is
// the host table (host.h) and the extensions that its manifest was granted (ext/). Other extensions
// are the plugin's own: what only some sources can do.
//
// docs/abi.md numbers every rule stated here (ABI-x.y); the conformance kit cites those numbers.
#ifndef SLUICE_SLUICE_H
#define SLUICE_SLUICE_H

#include "types.h"
#include "host.h"
#include "source.h"
#include "executor.h"
#include "plugin.h"
#include "ext/http.h"
#include "ext/rate-hint.h"
#include "ext/webhook.h"
#include "ext/state-migrate.h"

#endif
