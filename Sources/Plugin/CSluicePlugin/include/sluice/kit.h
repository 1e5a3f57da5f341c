// The C kit: what most connectors in C or C++ need, in headers only. It is no part of the ABI: it may change with any
// version, so keep a copy beside your source. Write one struct of functions (kit/library.h) and you have a plugin:
//
//   static const sluice_kit_source_t tides = {.id = "tides", .name = "Tides", .version = "1.0.0", .configure = ...};
//   SLUICE_SOURCE_PLUGIN(tides)
//
// It allocates nothing and starts no thread. JSON is read where it stands (kit/json.h); texts grow in memory that you
// give (kit/text.h); host calls answer what the operation may return (kit/calls.h).
#ifndef SLUICE_KIT_H
#define SLUICE_KIT_H

#include "kit/library.h"

#endif
