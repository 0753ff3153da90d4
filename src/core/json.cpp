#include "thoughtrank/core/json.h"

#include <limits>
#include <unordered_set>

#include "core/shorten.h"
#include "thoughtrank/core/utf8.h"

namespace thoughtrank {
namespace {

constexpr int kDeepest = 64;

// Sees every event of nlohmann's parser: refuses what the library lets pass.
class StrictnessCheck {
 public:
  explicit StrictnessCheck(ExitCode code, const std::string& where) : code_(code), where_(where) {}

  bool operator()(int depth, Json::parse_event_t event, const Json& parsed) {
    using Event = Json::parse_event_t;
    if (event == Event::object_start || event == Event::array_start) {
      if (depth >= kDeepest) fail(code_, "{}: JSON is nested deeper than {}", where_, kDeepest);
    }
    if (event == Event::object_start) keys_.emplace_back();
    if (event == Event::object_end) keys_.pop_back();
    if (event == Event::key) check_key(parsed.get_ref<const std::string&>());
    return true;
  }

 private:
  void check_key(const std::string& key) {
    if (!keys_.back().insert(key).second) {
      fail(code_, "{}: duplicate key '{}'. Keep one of them", where_, shorten(key));
    }
  }

  ExitCode code_;
  const std::string& where_;
  std::vector<std::unordered_set<std::string>> keys_;
};

// "[json.exception.parse_error.101] parse error at line 1, …" -> "parse error at line 1, …"
std::string reason_of(const Json::exception& error) {
  std::string_view text = error.what();
  const size_t end = text.find("] ");
  if (text.starts_with("[json.exception") && end != std::string_view::npos) {
    text.remove_prefix(end + 2);
  }
  return shorten(text, 300);
}

std::string named(const std::string& where, std::string_view key) {
  return fmt::format("{}: '{}'", where, key);
}

[[noreturn]] void fail_type(const std::string& where,
                            std::string_view expected,
                            const Json& found) {
  fail(ExitCode::kBadData, "{} should be {}, found {}", where, expected, shorten(dump_json(found)));
}

}  // namespace

Json parse_json(std::string_view text, const std::string& where, ExitCode code) {
  if (text.find('\0') != std::string_view::npos) fail(code, "{}: holds a NUL byte", where);
  if (text.starts_with("\xEF\xBB\xBF")) {
    fail(code, "{}: begins with a byte order mark. Save it as UTF-8 without BOM", where);
  }
  StrictnessCheck check(code, where);
  try {
    return Json::parse(text.begin(), text.end(), [&](int depth, auto event, Json& parsed) {
      return check(depth, event, parsed);
    });
  } catch (const Json::exception& error) {
    fail(code, "{}: not valid JSON: {}", where, reason_of(error));
  }
}

std::string dump_json(const Json& value) {
  return value.dump(/*indent=*/-1,
                    /*indent_char=*/' ',
                    /*ensure_ascii=*/false,
                    Json::error_handler_t::replace);
}

const Json& require(const Json& object, std::string_view key, const std::string& where) {
  if (!object.is_object()) fail_type(where, "an object", object);
  const auto found = object.find(std::string(key));
  if (found == object.end()) {
    fail(ExitCode::kBadData, "{}: the key '{}' is missing", where, key);
  }
  return *found;
}

int64_t require_int(const Json& object,
                    std::string_view key,
                    int64_t lowest,
                    int64_t highest,
                    const std::string& where) {
  return checked_int(require(object, key, where), lowest, highest, named(where, key));
}

double require_number(const Json& object, std::string_view key, const std::string& where) {
  const Json& value = require(object, key, where);
  if (!value.is_number()) fail_type(named(where, key), "a number", value);
  return value.get<double>();
}

bool require_bool(const Json& object, std::string_view key, const std::string& where) {
  const Json& value = require(object, key, where);
  if (!value.is_boolean()) fail_type(named(where, key), "true or false", value);
  return value.get<bool>();
}

std::string require_string(const Json& object, std::string_view key, const std::string& where) {
  const Json& value = require(object, key, where);
  if (!value.is_string()) fail_type(named(where, key), "a string", value);
  return value.get<std::string>();
}

std::vector<int64_t> require_ints(const Json& object,
                                  std::string_view key,
                                  int64_t lowest,
                                  int64_t highest,
                                  const std::string& where) {
  const Json& list = require(object, key, where);
  if (!list.is_array()) fail_type(named(where, key), "a list of integers", list);
  const std::string place = fmt::format("{}: each of '{}'", where, key);
  std::vector<int64_t> values;
  values.reserve(list.size());
  for (const Json& item : list) values.push_back(checked_int(item, lowest, highest, place));
  return values;
}

int64_t checked_int(const Json& value, int64_t lowest, int64_t highest, const std::string& where) {
  const bool is_small_enough =
      !value.is_number_unsigned() ||
      value.get<uint64_t>() <= static_cast<uint64_t>(std::numeric_limits<int64_t>::max());
  if (value.is_number_integer() && is_small_enough) {
    const auto number = value.get<int64_t>();
    if (number >= lowest && number <= highest) return number;
  }
  fail_type(where, fmt::format("an integer in [{}, {}]", lowest, highest), value);
}

}  // namespace thoughtrank
