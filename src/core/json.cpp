#include "thoughtrank/core/json.h"

#include <limits>
#include <unordered_set>

#include "thoughtrank/core/shorten.h"
#include "thoughtrank/core/utf8.h"

namespace thoughtrank {
namespace {

// "[json.exception.parse_error.101] parse error at line 1, …" -> "parse error at line 1, …"
std::string reason_of(const nlohmann::detail::exception& error) {
  std::string_view text = error.what();
  const size_t end = text.find("] ");
  if (text.starts_with("[json.exception") && end != std::string_view::npos) {
    text.remove_prefix(end + 2);
  }
  return shorten(text, 300);
}

// Builds the document from the parser's events and refuses what the library lets pass. (The
// library's own builder searches an ordered object at every key: quadratic.)
class StrictBuilder : public nlohmann::json_sax<Json> {
 public:
  StrictBuilder(ExitCode code, const std::string& where) : code_(code), where_(where) {}
  [[nodiscard]] Json take() { return std::move(root_); }

  bool null() override { return add(Json(nullptr)); }
  bool boolean(bool value) override { return add(Json(value)); }
  bool number_integer(Json::number_integer_t value) override { return add(Json(value)); }
  bool number_unsigned(Json::number_unsigned_t value) override { return add(Json(value)); }
  bool number_float(Json::number_float_t value, const std::string& /*text*/) override {
    return add(Json(value));
  }
  bool string(std::string& value) override { return add(Json(std::move(value))); }
  bool binary(Json::binary_t& /*value*/) override { return false; }  // not in JSON texts
  bool start_object(size_t /*elements*/) override { return open(Json::object()); }
  bool start_array(size_t /*elements*/) override { return open(Json::array()); }
  bool end_object() override { return close(); }
  bool end_array() override { return close(); }

  bool key(std::string& name) override {
    if (!levels_.back().keys.insert(name).second) {
      fail(code_, "{}: duplicate key '{}'. Keep one of them", where_, shorten(name));
    }
    key_ = std::move(name);
    return true;
  }

  bool parse_error(size_t /*position*/,
                   const std::string& /*token*/,
                   const nlohmann::detail::exception& error) override {
    fail(code_, "{}: not valid JSON: {}", where_, reason_of(error));
  }

 private:
  struct Level {
    Json* value;
    std::unordered_set<std::string> keys;
  };

  Json* place(Json value) {
    if (levels_.empty()) {
      root_ = std::move(value);
      return &root_;
    }
    Json& parent = *levels_.back().value;
    if (parent.is_array()) {
      parent.push_back(std::move(value));
      return &parent.back();
    }
    // The base class's emplace_back: the key is known to be new.
    auto& members = parent.get_ref<Json::object_t&>();
    members.Container::emplace_back(std::move(key_), std::move(value));
    return &members.back().second;
  }
  bool add(Json value) {
    (void)place(std::move(value));
    return true;
  }
  bool open(Json value) {
    if (levels_.size() >= size_t{kDeepestJson}) {
      fail(code_, "{}: JSON is nested deeper than {}", where_, kDeepestJson);
    }
    levels_.push_back({.value = place(std::move(value)), .keys = {}});
    return true;
  }
  bool close() {
    levels_.pop_back();
    return true;
  }

  ExitCode code_;
  const std::string& where_;
  Json root_;
  std::string key_;
  std::vector<Level> levels_;
};

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
  StrictBuilder builder(code, where);
  (void)Json::sax_parse(text.begin(), text.end(), &builder);
  return builder.take();
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
