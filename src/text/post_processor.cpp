#include "text/post_processor.h"

namespace thoughtrank {
namespace {

struct IdsAround {
  std::vector<int64_t> before;
  std::vector<int64_t> after;
};

void append(std::vector<int64_t>& to, const std::vector<int64_t>& ids) {
  to.insert(to.end(), ids.begin(), ids.end());
}

// [{"SpecialToken": {"id": "<s>", "type_id": 0}}, {"Sequence": {"id": "A", "type_id": 0}}]
IdsAround read_template(const Json& value, int64_t vocabulary_size, const std::string& where) {
  check_keys(value, {"type", "single", "pair", "special_tokens"}, where);
  const Json& tokens = require(value, "special_tokens", where);
  IdsAround ids;
  bool is_behind_text = false;
  for (const Json& item : require(value, "single", where)) {
    check_keys(item, {"SpecialToken", "Sequence"}, where + ".single");
    if (item.contains("Sequence")) {
      if (is_behind_text || require_string(item["Sequence"], "id", where) != "A") {
        fail_unknown(where + ".single", value["single"]);
      }
      is_behind_text = true;
      continue;
    }
    const Json& special = require(item, "SpecialToken", where + ".single");
    const std::string name = require_string(special, "id", where + ".single");
    const Json& entry = require(tokens, name, where + ".special_tokens");
    append(is_behind_text ? ids.after : ids.before,
           require_ints(entry,
                        "ids",
                        0,
                        vocabulary_size - 1,
                        fmt::format("{}.special_tokens.{}", where, name)));
  }
  if (!is_behind_text) fail_unknown(where + ".single", value["single"]);
  return ids;
}

IdsAround read_processor(const Json& value, int64_t vocabulary_size, const std::string& where) {
  if (value.is_null()) return {};
  const std::string type = require_string(value, "type", where);
  if (type == "ByteLevel") {  // changes offsets only
    check_keys(value, {"type", "add_prefix_space", "trim_offsets", "use_regex"}, where);
    return {};
  }
  if (type == "TemplateProcessing") return read_template(value, vocabulary_size, where);
  if (type != "Sequence") {
    fail_unknown(where + " (known: ByteLevel, TemplateProcessing, Sequence)", value);
  }
  check_keys(value, {"type", "processors"}, where);
  IdsAround ids;
  for (const Json& step : require(value, "processors", where)) {
    const IdsAround more = read_processor(step, vocabulary_size, where + ".processors");
    if (!more.before.empty() && !ids.before.empty()) fail_unknown(where, value);
    append(ids.before, more.before);
    append(ids.after, more.after);
  }
  return ids;
}

}  // namespace

std::vector<int64_t> read_leading_ids(const Json& post_processor,
                                      int64_t vocabulary_size,
                                      const std::string& where) {
  const IdsAround ids = read_processor(post_processor, vocabulary_size, where);
  if (!ids.after.empty()) {
    fail(ExitCode::kBadData,
         "{}: puts the id {} after each text; thoughtrank continues texts and cannot use that. "
         "Remove it",
         where,
         ids.after[0]);
  }
  return ids.before;
}

}  // namespace thoughtrank
