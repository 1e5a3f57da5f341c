// The C kit's texts, numbers and JSON: tables, and documents that are changed at random. Built with the sanitizers; every
// slice lies alone in memory of its exact size, so that one byte read too far is seen. Prints the first fault.
#include <stdio.h>
#include <stdlib.h>

#include "sluice/kit.h"

static int failures;

static void expect(int holds, const char *what, const char *about) {
    if (holds) return;
    failures++;
    fprintf(stderr, "%s: %s\n", what, about);
}

// A copy that ends where its memory ends.
static sluice_slice_t alone(const char *bytes, size_t len) {
    char *copy = malloc(len > 0 ? len : 1);
    if (copy == NULL) abort();
    if (len > 0) memcpy(copy, bytes, len);
    return sluice_bytes(copy, len);
}

static int is_json(const char *bytes, size_t len) {
    sluice_slice_t slice = alone(bytes, len);
    int holds = sluice_json_check(slice);
    free((void *)(uintptr_t)slice.ptr);
    return holds;
}

static void test_check(void) {
    static const char *const good[] = {
        "null", " true ", "[]", "{}", "-0", "1.50", "1e9", "-1E+7", "9223372036854775808", "\"\\\"\\\\\\/\\b\\f\\n\\r\\t\\u00e9\\ud834\\udd1e\"",
        "{\"b\":1,\"a\":[{\"c\":null}]}", "\"\xc3\xa9\xe2\x82\xac\xf0\x9d\x84\x9e\"", "\t[ 1 ,\n2 ]\r",
    };
    static const char *const bad[] = {
        "", " ", "nul", "01", "1.", ".5", "+1", "-", "1e", "[1,]", "[1 2]", "{\"a\"}", "{\"a\":1,}", "{a:1}", "\"", "\"\\x\"", "\"\\ud800\"",
        "\"\\udc00\"", "\"\\ud800\\u0041\"", "\"\\u12\"", "\"\n\"", "1 2", "[", "{", "'a'", "NaN", "\"\xff\"", "\"\xc0\x80\"", "\"\xed\xa0\x80\"",
        "\"\xf4\x90\x80\x80\"", "\"\xe2\x82\"", "\xef\xbb\xbf" "1",
    };
    for (size_t i = 0; i < sizeof good / sizeof *good; i++) expect(is_json(good[i], strlen(good[i])), "refused", good[i]);
    for (size_t i = 0; i < sizeof bad / sizeof *bad; i++) expect(!is_json(bad[i], strlen(bad[i])), "taken", bad[i]);
    char deep[2 * SLUICE_JSON_DEPTH_MAX + 2];
    for (size_t depth = SLUICE_JSON_DEPTH_MAX; depth <= SLUICE_JSON_DEPTH_MAX + 1; depth++) {
        memset(deep, '[', depth);
        memset(deep + depth, ']', depth);
        expect(is_json(deep, 2 * depth) == (depth <= SLUICE_JSON_DEPTH_MAX), "depth", "64");
    }
}

static void test_values(void) {
    const char *document = " {\"n\" : -12, \"t\":\"a\\u00e9\\n\", \"list\":[1, {\"x\":2},\"]\"], \"\\u006e2\":9223372036854775807, \"f\":1.5}";
    sluice_slice_t json = alone(document, strlen(document)), item;
    const uint8_t *place = NULL;
    char text[8];
    int64_t number = 0;
    int count = 0;
    expect(sluice_json_integer(sluice_json_member(json, "n"), &number) && number == -12, "integer", "n");
    expect(sluice_json_integer(sluice_json_member(json, "n2"), &number) && number == INT64_MAX, "integer", "n2");
    expect(!sluice_json_integer(sluice_json_member(json, "f"), &number), "integer", "1.5");
    expect(!sluice_json_integer(sluice_json_member(json, "t"), &number), "integer", "a text");
    expect(sluice_json_text(sluice_json_member(json, "t"), text, sizeof text) && strcmp(text, "a\xc3\xa9\n") == 0, "text", "t");
    expect(!sluice_json_text(sluice_json_member(json, "t"), text, 4), "text", "too small");
    expect(!sluice_json_text(sluice_json_member(json, "n"), text, sizeof text), "text", "a number");
    expect(sluice_json_member(json, "absent").len == 0 && sluice_json_member(sluice_text("[1]"), "x").len == 0, "member", "absent");
    while (sluice_json_item(sluice_json_member(json, "list"), &place, &item)) {
        count++;
        if (count == 2) expect(sluice_is(item, "{\"x\":2}"), "item", "2");
    }
    expect(count == 3, "items", "3");
    place = NULL;
    expect(sluice_json_is_list(sluice_text(" [1]")) && !sluice_json_is_list(sluice_text("{}")) && !sluice_json_is_list(sluice_text("")), "items", "a list");
    expect(!sluice_json_item(sluice_text("[]"), &place, &item) && !sluice_json_item(sluice_text("{}"), &place, &item), "items", "none");
    free((void *)(uintptr_t)json.ptr);
}

static void test_texts(void) {
    static const struct { const char *text; int64_t number; int holds; } numbers[] = {
        {"0", 0, 1}, {"-1", -1, 1}, {"9223372036854775807", INT64_MAX, 1}, {"-9223372036854775808", INT64_MIN, 1},
        {"9223372036854775808", 0, 0}, {"-9223372036854775809", 0, 0}, {"", 0, 0}, {"-", 0, 0}, {"-0", 0, 0}, {"01", 0, 0}, {"1 ", 0, 0},
        {"99999999999999999999", 0, 0},
    };
    char bytes[32];
    for (size_t i = 0; i < sizeof numbers / sizeof *numbers; i++) {
        int64_t number = 0;
        int holds = sluice_parse_integer(sluice_text(numbers[i].text), &number);
        expect(holds == numbers[i].holds && (!holds || number == numbers[i].number), "number", numbers[i].text);
        if (!holds) continue;
        sluice_out_t out = sluice_out(bytes, sizeof bytes);
        sluice_put_integer(&out, number);
        expect(sluice_is(sluice_out_slice(&out), numbers[i].text), "digits", numbers[i].text);
    }
    sluice_out_t out = sluice_out(bytes, sizeof bytes);
    sluice_put_encoded(&out, sluice_text("a b/\xc3\xa9~"));
    expect(sluice_is(sluice_out_slice(&out), "a%20b%2F%C3%A9~") && !out.full, "encoded", "a b");
    out = sluice_out(bytes, sizeof bytes);
    sluice_put_segment(&out, sluice_text("a:b@+=,!$'()*&;/%"));
    expect(sluice_is(sluice_out_slice(&out), "a:b@+=,!$'()*%26%3B%2F%25") && !out.full, "segment", "a:b");
    // Every octet of ASCII but NUL, and some characters beyond: the same in every kit's test.
    char all[127], room[512];
    for (int i = 1; i < 128; i++) all[i - 1] = (char)i;
    out = sluice_out(room, sizeof room);
    sluice_put_segment(&out, sluice_bytes(all, 127));
    sluice_put_segment(&out, sluice_text("\xc3\xa9\xc2\x85\xe2\x82\xac\xf0\x9d\x84\x9e"));
    expect(sluice_is(sluice_out_slice(&out),
        "%01%02%03%04%05%06%07%08%09%0A%0B%0C%0D%0E%0F%10%11%12%13%14%15%16%17%18%19%1A%1B%1C%1D%1E"
        "%1F%20!%22%23$%25%26'()*+,-.%2F0123456789:%3B%3C=%3E%3F@ABCDEFGHIJKLMNOPQRSTUVWXYZ%5B%5C%5"
        "D%5E_%60abcdefghijklmnopqrstuvwxyz%7B%7C%7D~%7F%C3%A9%C2%85%E2%82%AC%F0%9D%84%9E") && !out.full, "segment", "every octet");
    out = sluice_out(bytes, 3);
    sluice_put(&out, "ab");
    sluice_put(&out, "cd");
    sluice_put(&out, "e");
    expect(out.full && out.len == 2, "full", "stays full");
}

static void use(sluice_slice_t json) {
    char text[16];
    const uint8_t *place = NULL;
    sluice_slice_t item;
    int64_t number;
    sluice_json_text(sluice_json_member(json, "t"), text, sizeof text);
    sluice_json_integer(sluice_json_member(json, "n"), &number);
    while (sluice_json_item(json, &place, &item)) sluice_json_member(item, "t");
}

static void test_any(void) {
    static const char whole[] = "[{\"n\":-2.5e+3,\"t\":\"x\\u00e9\\ud834\\udd1e\\n\"},true,null,[[[]],{}],{\"t\":\"\xc3\xa9\"},12345678901234567890]";
    static const char some[] = "{}[]\",:\\u019.-e";
    uint64_t random = 7, valid = 0;
    for (int round = 0; round < 300000; round++) {
        char bytes[2 * sizeof whole];
        size_t len = sizeof whole - 1;
        memcpy(bytes, whole, len);
        for (int change = 0; change < 3; change++) {
            random = random * UINT64_C(6364136223846793005) + UINT64_C(1442695040888963407);
            size_t at = (size_t)(random >> 33) % (len + 1), kind = (size_t)(random >> 20) % 5;
            if (kind == 0 && at < len) bytes[at] = (char)(random >> 40);
            if (kind == 1 && at < len) memmove(bytes + at, bytes + at + 1, --len - at);
            if (kind == 2 && round % 4 == 0) len = at;
            if (kind == 3) memmove(bytes + at + 1, bytes + at, len++ - at), bytes[at] = some[(random >> 24) % (sizeof some - 1)];
        }
        sluice_slice_t json = alone(bytes, len);
        valid += (uint64_t)sluice_json_check(json);
        use(json);
        free((void *)(uintptr_t)json.ptr);
    }
    expect(valid > 1000, "changed documents", "hardly one was JSON");
}

int main(void) {
    test_check(), test_values(), test_texts(), test_any();
    printf("%d failed\n", failures);
    return failures > 0;
}
