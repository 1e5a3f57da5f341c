// The ELF note that states the ABI version, for plugins that are not written in C: link this object.
#include "sluice/plugin.h"

SLUICE_PLUGIN_NOTE
