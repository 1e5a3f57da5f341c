#include "sluice_json.h"

#include <simdjson.h>

#include <algorithm>
#include <charconv>
#include <cmath>
#include <cstdlib>
#include <cstring>
#include <string>
#include <string_view>
#include <vector>

using simdjson::dom::element;
using simdjson::dom::element_type;

namespace {

constexpr int64_t kIntegerMax = (int64_t(1) << 53) - 1;

// UTF-16 puts the surrogates (four UTF-8 bytes, lead F0..F4) before U+E000..U+FFFF (lead EE, EF).
unsigned rank_of(unsigned char byte) {
  if (byte >= 0xF0) return byte - 0x02u;
  if (byte >= 0xEE) return byte + 0x10u;
  return byte;
}

int compare_keys(std::string_view left, std::string_view right) {
  size_t shared = std::min(left.size(), right.size());
  for (size_t i = 0; i < shared; i++) {
    if (left[i] == right[i]) continue;
    return rank_of((unsigned char)left[i]) < rank_of((unsigned char)right[i]) ? -1 : 1;
  }
  return left.size() == right.size() ? 0 : (left.size() < right.size() ? -1 : 1);
}

// Shortest digits that round-trip, laid out as ECMA-262 6.1.6.1.20 says.
size_t write_number(double value, char *out) {
  if (!std::isfinite(value)) return 0;
  if (value == 0) { out[0] = '0'; return 1; }
  char scientific[40];
  auto end = std::to_chars(scientific, scientific + sizeof scientific, value, std::chars_format::scientific).ptr;
  std::string_view text(scientific, size_t(end - scientific));
  char *o = out;
  if (text.front() == '-') { *o++ = '-'; text.remove_prefix(1); }
  size_t e = text.find('e');
  std::string digits;
  for (char c : text.substr(0, e)) if (c != '.') digits.push_back(c);
  int exponent = std::atoi(std::string(text.substr(e + 1)).c_str());
  int k = int(digits.size()), n = exponent + 1;
  auto put = [&](std::string_view s) { std::memcpy(o, s.data(), s.size()); o += s.size(); };
  if (k <= n && n <= 21) {
    put(digits);
    for (int i = k; i < n; i++) *o++ = '0';
  } else if (0 < n && n <= 21) {
    put(std::string_view(digits).substr(0, size_t(n)));
    *o++ = '.';
    put(std::string_view(digits).substr(size_t(n)));
  } else if (-6 < n && n <= 0) {
    put("0.");
    for (int i = n; i < 0; i++) *o++ = '0';
    put(digits);
  } else {
    *o++ = digits[0];
    if (k > 1) { *o++ = '.'; put(std::string_view(digits).substr(1)); }
    *o++ = 'e';
    *o++ = n - 1 < 0 ? '-' : '+';
    put(std::to_string(std::abs(n - 1)));
  }
  return size_t(o - out);
}

void write_string(std::string &out, std::string_view text) {
  static const char hex[] = "0123456789abcdef";
  out.push_back('"');
  size_t kept = 0;  // everything before is written
  for (size_t i = 0; i < text.size(); i++) {
    char c = text[i];
    if ((unsigned char)c >= 0x20 && c != '"' && c != '\\') continue;
    out.append(text.substr(kept, i - kept));
    kept = i + 1;
    switch (c) {
      case '"': out += "\\\""; break;
      case '\\': out += "\\\\"; break;
      case '\b': out += "\\b"; break;
      case '\f': out += "\\f"; break;
      case '\n': out += "\\n"; break;
      case '\r': out += "\\r"; break;
      case '\t': out += "\\t"; break;
      default:
        out += "\\u00";
        out.push_back(hex[(unsigned char)c >> 4]);
        out.push_back(hex[c & 15]);
    }
  }
  out.append(text.substr(kept));
  out.push_back('"');
}

// The members of an object in canonical order; DUPLICATE_KEY when one repeats.
sluice_json_status sorted_members(
    simdjson::dom::object object, std::vector<std::pair<std::string_view, element>> &members) {
  for (auto field : object) members.emplace_back(field.key, field.value);
  std::sort(members.begin(), members.end(), [](auto &a, auto &b) { return compare_keys(a.first, b.first) < 0; });
  for (size_t i = 1; i < members.size(); i++)
    if (members[i].first == members[i - 1].first) return SLUICE_JSON_DUPLICATE_KEY;
  return SLUICE_JSON_OK;
}

sluice_json_status number_of(element value, sluice_json_token &token) {
  if (value.type() == element_type::INT64) {
    int64_t integer = value.get_int64().value_unsafe();
    if (integer > kIntegerMax || integer < -kIntegerMax) return SLUICE_JSON_NUMBER_OUT_OF_RANGE;
    token.kind = SLUICE_JSON_INTEGER;
    token.integer = integer;
    return SLUICE_JSON_OK;
  }
  if (value.type() == element_type::UINT64) return SLUICE_JSON_NUMBER_OUT_OF_RANGE;
  double number = value.get_double().value_unsafe();
  if (!std::isfinite(number)) return SLUICE_JSON_NUMBER_OUT_OF_RANGE;
  // 1.0 and 1 are one number; they must be one value here too.
  if (number == std::trunc(number) && std::fabs(number) <= double(kIntegerMax)) {
    token.kind = SLUICE_JSON_INTEGER;
    token.integer = int64_t(number);
  } else {
    token.kind = SLUICE_JSON_DOUBLE;
    token.number = number;
  }
  return SLUICE_JSON_OK;
}

sluice_json_status write_canonical(std::string &out, element value) {
  switch (value.type()) {
    case element_type::NULL_VALUE: out += "null"; return SLUICE_JSON_OK;
    case element_type::BOOL: out += value.get_bool().value_unsafe() ? "true" : "false"; return SLUICE_JSON_OK;
    case element_type::STRING: write_string(out, value.get_string().value_unsafe()); return SLUICE_JSON_OK;
    case element_type::ARRAY: {
      out.push_back('[');
      bool first = true;
      for (element item : value.get_array().value_unsafe()) {
        if (!first) out.push_back(',');
        first = false;
        if (auto status = write_canonical(out, item)) return status;
      }
      out.push_back(']');
      return SLUICE_JSON_OK;
    }
    case element_type::OBJECT: {
      std::vector<std::pair<std::string_view, element>> members;
      if (auto status = sorted_members(value.get_object().value_unsafe(), members)) return status;
      out.push_back('{');
      bool first = true;
      for (auto &member : members) {
        if (!first) out.push_back(',');
        first = false;
        write_string(out, member.first);
        out.push_back(':');
        if (auto status = write_canonical(out, member.second)) return status;
      }
      out.push_back('}');
      return SLUICE_JSON_OK;
    }
    default: {
      sluice_json_token token{};
      if (auto status = number_of(value, token)) return status;
      char text[32];
      size_t n = write_number(token.kind == SLUICE_JSON_INTEGER ? double(token.integer) : token.number, text);
      out.append(text, n);
      return SLUICE_JSON_OK;
    }
  }
}

}  // namespace

struct sluice_json_document {
  simdjson::dom::parser parser;
  std::vector<sluice_json_token> tokens;

  sluice_json_status append(element value) {
    sluice_json_token token{};
    switch (value.type()) {
      case element_type::NULL_VALUE: token.kind = SLUICE_JSON_NULL; break;
      case element_type::BOOL:
        token.kind = value.get_bool().value_unsafe() ? SLUICE_JSON_TRUE : SLUICE_JSON_FALSE;
        break;
      case element_type::STRING: text_token(token, value.get_string().value_unsafe()); break;
      case element_type::ARRAY: {
        size_t at = tokens.size();
        token.kind = SLUICE_JSON_ARRAY;
        tokens.push_back(token);
        for (element item : value.get_array().value_unsafe()) {
          if (auto status = append(item)) return status;
          tokens[at].count++;
        }
        return SLUICE_JSON_OK;
      }
      case element_type::OBJECT: {
        std::vector<std::pair<std::string_view, element>> members;
        if (auto status = sorted_members(value.get_object().value_unsafe(), members)) return status;
        token.kind = SLUICE_JSON_OBJECT;
        token.count = uint32_t(members.size());
        tokens.push_back(token);
        for (auto &member : members) {
          sluice_json_token key{};
          text_token(key, member.first);
          tokens.push_back(key);
          if (auto status = append(member.second)) return status;
        }
        return SLUICE_JSON_OK;
      }
      default:
        if (auto status = number_of(value, token)) return status;
    }
    tokens.push_back(token);
    return SLUICE_JSON_OK;
  }

  static void text_token(sluice_json_token &token, std::string_view text) {
    token.kind = SLUICE_JSON_STRING;
    token.text = text.data();
    token.count = uint32_t(text.size());
  }
};

static sluice_json_status parse(
    simdjson::dom::parser &parser, const uint8_t *bytes, size_t length, element &root) {
  if (length > UINT32_MAX) return SLUICE_JSON_MALFORMED;
  if (parser.allocate(std::max<size_t>(length, 64), SLUICE_JSON_DEPTH_MAX)) return SLUICE_JSON_OUT_OF_MEMORY;
  auto error = parser.parse(bytes, length, true).get(root);
  switch (error) {
    case simdjson::SUCCESS: return SLUICE_JSON_OK;
    case simdjson::DEPTH_ERROR: return SLUICE_JSON_TOO_DEEP;
    case simdjson::MEMALLOC: return SLUICE_JSON_OUT_OF_MEMORY;
    case simdjson::NUMBER_ERROR:  // also simdjson 3.0's word for an integer beyond 64 bits
    case simdjson::NUMBER_OUT_OF_RANGE: return SLUICE_JSON_NUMBER_OUT_OF_RANGE;
    default: return SLUICE_JSON_MALFORMED;
  }
}

extern "C" {

sluice_json_status sluice_json_parse(const uint8_t *bytes, size_t length, sluice_json_document **document) {
  auto made = new (std::nothrow) sluice_json_document();
  if (!made) return SLUICE_JSON_OUT_OF_MEMORY;
  element root;
  auto status = parse(made->parser, bytes, length, root);
  if (status == SLUICE_JSON_OK) status = made->append(root);
  if (status != SLUICE_JSON_OK) {
    delete made;
    return status;
  }
  *document = made;
  return SLUICE_JSON_OK;
}

const sluice_json_token *sluice_json_tokens(const sluice_json_document *document, size_t *count) {
  *count = document->tokens.size();
  return document->tokens.data();
}

void sluice_json_free(sluice_json_document *document) { delete document; }

sluice_json_status sluice_json_canonicalize(
    const uint8_t *bytes, size_t length, const uint8_t **out, size_t *out_length) {
  // One parser and one text per thread: their buffers are the costly part of a small document.
  thread_local simdjson::dom::parser parser;
  thread_local std::string text;
  element root;
  if (auto status = parse(parser, bytes, length, root)) return status;
  text.clear();
  if (auto status = write_canonical(text, root)) return status;
  *out = reinterpret_cast<const uint8_t *>(text.data());
  *out_length = text.size();
  return SLUICE_JSON_OK;
}

size_t sluice_json_write_number(double value, char *out) { return write_number(value, out); }

int sluice_json_compare_keys(const char *left, size_t left_length, const char *right, size_t right_length) {
  return compare_keys({left, left_length}, {right, right_length});
}
}
