// The frames between the host and a worker: one codec, used by both ends. docs/frames.md is the
// specification of the bytes.
//
// Decoders take hostile bytes: they check every bound, allocate nothing, keep no state and have no
// undefined behaviour on any input. What they return points into the input and lives as long as it.
#ifndef SLUICE_FRAMES_H
#define SLUICE_FRAMES_H

#include "sluice_frames/base.h"
#include "sluice_frames/from_worker.h"
#include "sluice_frames/from_host.h"
#include "sluice_frames/note.h"

#endif
