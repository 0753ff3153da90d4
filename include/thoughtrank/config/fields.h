// Options exist once in code: a struct with members and defaults, and one line per member in its
// visit(). Parsing, `config show`, `config schema`, `--set` and `help config` all walk that
// list:
//
//   struct SelectOptions {
//     int64_t winners_per_prompt = 1;
//     std::optional<double> min_score;
//     void visit(FieldVisitor& v) {
//       v.integer("winners_per_prompt", winners_per_prompt, {1, 62}, "how many answers of a prompt
//       are trained on"); v.optional_number("min_score", min_score, {}, "…");
//     }
//   };
#pragma once

#include <cstdint>
#include <functional>
#include <limits>
#include <optional>
#include <string>
#include <vector>

#include "thoughtrank/core/enum_words.h"
#include "thoughtrank/core/json.h"

namespace thoughtrank {

struct IntRange {
  int64_t lowest = std::numeric_limits<int64_t>::min();
  int64_t highest = std::numeric_limits<int64_t>::max();
};
struct NumberRange {
  double lowest = -std::numeric_limits<double>::infinity();
  double highest = std::numeric_limits<double>::infinity();
};

class FieldVisitor;

// A list of mappings that all have the same fields, as a visitor sees it.
struct GroupList {
  size_t size = 0;
  std::function<void(size_t size)> resize;  // new ones have their defaults
  std::function<void(size_t index, FieldVisitor& v)> visit;
  std::function<void(FieldVisitor& v)> visit_default;
};

class FieldVisitor {
 public:
  virtual ~FieldVisitor() = default;
  // Stands before a field whose value cannot change a result, so that a resumed run may have
  // another one than it began with: v.may_change().number("timeout_s", …). list_fields() tells it.
  virtual FieldVisitor& may_change() { return *this; }
  virtual void integer(const char* key, int64_t& value, IntRange range, const char* doc) = 0;
  virtual void number(const char* key, double& value, NumberRange range, const char* doc) = 0;
  virtual void boolean(const char* key, bool& value, const char* doc) = 0;
  virtual void text(const char* key, std::string& value, const char* doc) = 0;
  // A path; relative ones are resolved against the config file (or, from --set, the working
  // directory).
  virtual void path(const char* key, std::string& value, const char* doc) = 0;
  virtual void choice(const char* key,
                      std::string& value,
                      const std::vector<std::string>& allowed,
                      const char* doc) = 0;
  // A word of the table as its enum. The words are allowed in the table's order.
  template <class Enum, size_t N>
  void choice(const char* key, Enum& value, const EnumWords<Enum, N>& words, const char* doc) {
    std::vector<std::string> allowed;
    for (const EnumWord<Enum>& entry : words) allowed.emplace_back(entry.word);
    std::string word = word_of(value, words);
    choice(key, word, allowed, doc);
    value = value_of(word, words).value();
  }
  // The same without a default: `unset` stands for no word, which a file cannot say.
  template <class Enum, size_t N>
  void choice_without_default(
      const char* key, Enum& value, Enum unset, const EnumWords<Enum, N>& words, const char* doc) {
    std::vector<std::string> allowed;
    for (const EnumWord<Enum>& entry : words) allowed.emplace_back(entry.word);
    std::string word = value == unset ? "" : word_of(value, words);
    choice(key, word, allowed, doc);
    value = value_of(word, words).value_or(unset);
  }
  // null or a number.
  virtual void optional_number(const char* key,
                               std::optional<double>& value,
                               NumberRange range,
                               const char* doc) = 0;
  // "auto" (nullopt) or an integer.
  virtual void auto_integer(const char* key,
                            std::optional<int64_t>& value,
                            IntRange range,
                            const char* doc) = 0;
  virtual void numbers(const char* key,
                       std::vector<double>& value,
                       size_t count,
                       NumberRange range,
                       const char* doc) = 0;
  virtual void texts(const char* key, std::vector<std::string>& value, const char* doc) = 0;
  // A program and its arguments; a program with a "/" is a path as above.
  virtual void command(const char* key, std::vector<std::string>& value, const char* doc) {
    texts(key, value, doc);
  }
  // Free-form mapping kept as JSON (extra_body), or null.
  virtual void json(const char* key, Json& value, const char* doc) = 0;

  virtual void group_list(const char* key, const GroupList& list, const char* doc) = 0;
  // A list of `Options`; `visit(options, visitor)` visits the fields of one.
  template <class Options, class Visit>
  void groups(const char* key, std::vector<Options>& list, Visit visit, const char* doc) {
    group_list(key,
               {.size = list.size(),
                .resize = [&](size_t size) { list.resize(size); },
                .visit = [&](size_t index, FieldVisitor& v) { visit(list[index], v); },
                .visit_default =
                    [&](FieldVisitor& v) {
                      Options options;
                      visit(options, v);
                    }},
               doc);
  }

  virtual void begin_group(const char* key, const char* doc) = 0;
  virtual void end_group() = 0;
  template <class Options>
  void group(const char* key, Options& options, const char* doc) {
    begin_group(key, doc);
    options.visit(*this);
    end_group();
  }
};

// Where each value of a config came from, by dotted key: "round.yaml:12", "--set", absent =
// default.
struct ConfigOrigin {
  std::string key;     // "judge.max_usd"
  std::string value;   // as YAML
  std::string origin;  // "default", "round.yaml:12:5", "--set"
  std::string doc;
  bool may_change = false;  // on resume
};

struct ConfigSource {
  std::string file;               // path of the YAML file; empty: defaults and `sets` only
  std::vector<std::string> sets;  // "judge.max_usd=5"
  std::string sets_folder = {};   // of relative paths in `sets`; empty: the working directory
};

// Fills `visit`'s options from the source. Every problem (unknown, duplicate, wrong type, out of
// range, tab, several documents) is collected; then one Error(kConfig) with a line each:
//   round.yaml:12:5: unknown key 'temprature' in 'judge' (did you mean 'temperature'?)
// Error(kMissingInput) when the file is not there.
void load_fields(const ConfigSource& source, const std::function<void(FieldVisitor&)>& visit);

// The values as they stand, in visiting order, with their origin when `source` is the one they were
// loaded from.
[[nodiscard]] std::vector<ConfigOrigin> list_fields(
    const ConfigSource& source, const std::function<void(FieldVisitor&)>& visit);
// {"judge": {"kind": "openai", …}, …}: the resolved config.
[[nodiscard]] Json fields_to_json(const std::function<void(FieldVisitor&)>& visit);
// JSON Schema (2020-12) of the config.
[[nodiscard]] Json fields_schema(const std::function<void(FieldVisitor&)>& visit);

}  // namespace thoughtrank
