#include "text/strict_json.h"

#include <algorithm>
#include <unordered_set>
#include <vector>

namespace thoughtrank {
namespace {

constexpr size_t kShown = 200;

// Sees every event of the parser: refuses duplicate keys and deep nesting, which the library lets
// pass.
class Watcher {
 public:
  explicit Watcher(const std::string& where) : where_(where) {}

  bool operator()(int depth, BigJson::parse_event_t event, BigJson& parsed) {
    using Event = BigJson::parse_event_t;
    const bool opens = event == Event::object_start || event == Event::array_start;
    if (opens && depth >= kDeepestJson) {  // the depth around it: 0 for the outermost
      fail(ExitCode::kBadData, "{}: JSON is nested deeper than {}", where_, kDeepestJson);
    }
    if (event == Event::object_start) keys_.emplace_back();
    if (event == Event::object_end) keys_.pop_back();
    if (event == Event::key && !keys_.back().insert(parsed.get<std::string>()).second) {
      fail(ExitCode::kBadData, "{}: the key {} is there twice", where_, parsed.dump());
    }
    return true;
  }

 private:
  const std::string& where_;
  std::vector<std::unordered_set<std::string>> keys_;
};

}  // namespace

BigJson parse_big_json(std::string_view text, const std::string& where) {
  Watcher watcher(where);
  try {
    return BigJson::parse(text.begin(), text.end(), [&](int depth, auto event, BigJson& parsed) {
      return watcher(depth, event, parsed);
    });
  } catch (const BigJson::exception& error) {
    fail(ExitCode::kBadData, "{}: not valid JSON: {}", where, error.what());
  }
}

void check_keys(const Json& object,
                std::initializer_list<std::string_view> known,
                const std::string& where) {
  if (!object.is_object()) {
    fail(ExitCode::kBadData,
         "{} should be an object, found {}",
         where,
         dump_json(object).substr(0, kShown));
  }
  for (const auto& [key, value] : object.items()) {
    if (std::ranges::find(known, std::string_view(key)) == known.end()) {
      fail(ExitCode::kBadData, "{}: thoughtrank does not understand the key '{}'", where, key);
    }
  }
}

bool bool_or(const Json& object, std::string_view key, bool otherwise, const std::string& where) {
  const auto found = object.find(std::string(key));
  if (found == object.end() || found->is_null()) return otherwise;
  return require_bool(object, key, where);
}

void expect_value(const Json& object,
                  std::string_view key,
                  const Json& expected,
                  const std::string& where) {
  const auto found = object.find(std::string(key));
  if (found == object.end() || found->is_null() || *found == expected) return;
  fail(ExitCode::kBadData,
       "{}: '{}' is {}; thoughtrank understands only {}",
       where,
       key,
       dump_json(*found).substr(0, kShown),
       dump_json(expected));
}

void fail_unknown(const std::string& where, const Json& found) {
  fail(ExitCode::kBadData,
       "{}: thoughtrank does not understand {}",
       where,
       dump_json(found).substr(0, kShown));
}

}  // namespace thoughtrank
