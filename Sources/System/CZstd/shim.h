#include <zstd.h>
#include <zstd_errors.h>

/* Macros with casts are out of Swift's reach. */
static const unsigned long long sluice_zstd_size_unknown = ZSTD_CONTENTSIZE_UNKNOWN;
static const unsigned long long sluice_zstd_size_error = ZSTD_CONTENTSIZE_ERROR;
