// What SQLite does with the same records when nothing stands before it: one table, WAL, synchronous=FULL, the
// checkpoint interval of Sluice's journal, one transaction a batch. The records are made before the clock starts.
//
//   sqlite_baseline rows  FILE RECORDS BATCH    one row a record
//   sqlite_baseline blobs FILE RECORDS BATCH    one row a batch, which holds its records one after the other
//   sqlite_baseline ratio RECORDS               how much zstd shrinks the records, all in one piece
//
// Prints one JSON object.
#define _POSIX_C_SOURCE 200809L
#include <sqlite3.h>
#include <stdlib.h>
#include <time.h>
#include <zstd.h>

#include "record_text.h"

static void stop(const char *what, const char *why) {
    fprintf(stderr, "sqlite_baseline: %s: %s\n", what, why);
    exit(1);
}

static double now(void) {
    struct timespec t;
    clock_gettime(CLOCK_MONOTONIC, &t);
    return (double)t.tv_sec + (double)t.tv_nsec / 1e9;
}

static char *make_records(uint64_t records) {
    char *all = malloc(records * RECORD_BYTES);
    if (all == NULL) stop("records", "out of memory");
    for (uint64_t i = 0; i < records; i++) record_text(all + i * RECORD_BYTES, i);
    return all;
}

static uint64_t number(const char *text) {
    char *end;
    uint64_t value = strtoull(text, &end, 10);
    if (*end != '\0' || value == 0 || value > 10000000) stop(text, "not a number from 1 to 10000000");
    return value;
}

static void run(sqlite3 *db, const char *sql) {
    char *why = NULL;
    if (sqlite3_exec(db, sql, NULL, NULL, &why) != SQLITE_OK) stop(sql, why);
}

static int pragma(sqlite3 *db, const char *sql) {
    sqlite3_stmt *statement;
    if (sqlite3_prepare_v2(db, sql, -1, &statement, NULL) != SQLITE_OK || sqlite3_step(statement) != SQLITE_ROW) {
        stop(sql, sqlite3_errmsg(db));
    }
    int value = sqlite3_column_int(statement, 0);
    sqlite3_finalize(statement);
    return value;
}

static void insert(sqlite3 *db, sqlite3_stmt *statement, uint64_t first, const char *bytes, uint64_t count) {
    char key[RECORD_KEY_BYTES];
    int key_len = (int)record_key(key, first);
    sqlite3_bind_text(statement, 1, key, key_len, SQLITE_STATIC);
    sqlite3_bind_blob64(statement, 2, bytes, count * RECORD_BYTES, SQLITE_STATIC);
    if (sqlite3_step(statement) != SQLITE_DONE) stop("INSERT", sqlite3_errmsg(db));
    sqlite3_reset(statement);
}

// Bytes that this process had written to storage.
static long long written(void) {
    char line[128];
    long long bytes = -1;
    FILE *io = fopen("/proc/self/io", "r");
    while (io != NULL && fgets(line, sizeof line, io) != NULL) sscanf(line, "write_bytes: %lld", &bytes);
    if (io != NULL) fclose(io);
    return bytes;
}

static void store(int blobs, const char *path, uint64_t records, uint64_t batch) {
    char *all = make_records(records);
    sqlite3 *db;
    if (sqlite3_open(path, &db) != SQLITE_OK) stop(path, sqlite3_errmsg(db));
    run(db, "PRAGMA journal_mode=WAL; PRAGMA synchronous=FULL; PRAGMA wal_autocheckpoint=4000;"
            "CREATE TABLE record(key TEXT NOT NULL, body BLOB NOT NULL)");
    if (pragma(db, "PRAGMA synchronous") != 2) stop(path, "not synchronous=FULL");
    sqlite3_stmt *statement;
    if (sqlite3_prepare_v3(db, "INSERT INTO record(key, body) VALUES(?, ?)", -1, SQLITE_PREPARE_PERSISTENT, &statement,
                           NULL) != SQLITE_OK) {
        stop("INSERT", sqlite3_errmsg(db));
    }
    double start = now();
    for (uint64_t first = 0; first < records; first += batch) {
        uint64_t count = records - first < batch ? records - first : batch;
        run(db, "BEGIN IMMEDIATE");
        if (blobs) {
            insert(db, statement, first, all + first * RECORD_BYTES, count);
        } else {
            for (uint64_t i = first; i < first + count; i++) insert(db, statement, i, all + i * RECORD_BYTES, 1);
        }
        run(db, "COMMIT");
    }
    double seconds = now() - start;
    printf("{\"records\": %llu, \"batch\": %llu, \"seconds\": %.4f, \"per_second\": %.0f, \"written_bytes\": %lld}\n",
           (unsigned long long)records, (unsigned long long)batch, seconds, (double)records / seconds, written());
    sqlite3_finalize(statement);
    sqlite3_close(db);
    free(all);
}

static void ratio(uint64_t records) {
    char *all = make_records(records);
    size_t bytes = records * RECORD_BYTES, room = ZSTD_compressBound(bytes);
    char *small = malloc(room);
    if (small == NULL) stop("ratio", "out of memory");
    size_t left = ZSTD_compress(small, room, all, bytes, ZSTD_CLEVEL_DEFAULT);
    if (ZSTD_isError(left)) stop("zstd", ZSTD_getErrorName(left));
    printf("{\"bytes\": %zu, \"zstd_bytes\": %zu, \"ratio\": %.3f, \"record_bytes\": %d}\n", bytes, left,
           (double)bytes / (double)left, RECORD_BYTES);
    free(small);
    free(all);
}

int main(int argc, char **argv) {
    if (argc == 3 && strcmp(argv[1], "ratio") == 0) {
        ratio(number(argv[2]));
    } else if (argc == 5 && (strcmp(argv[1], "rows") == 0 || strcmp(argv[1], "blobs") == 0)) {
        store(strcmp(argv[1], "blobs") == 0, argv[2], number(argv[3]), number(argv[4]));
    } else {
        fprintf(stderr, "usage: sqlite_baseline rows|blobs FILE RECORDS BATCH | ratio RECORDS\n");
        return 2;
    }
    return 0;
}
