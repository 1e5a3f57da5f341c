// CSync: syncfs(2), which Swift's Glibc module leaves out.
#ifndef SLUICE_CSYNC_H
#define SLUICE_CSYNC_H

// Makes durable whatever was written to the file system that holds the descriptor's file. Returns 0, or an errno.
int sluice_syncfs(int descriptor);

#endif
