#include "judge/reply.h"

#include <algorithm>
#include <optional>
#include <set>

#include "thoughtrank/core/json.h"
#include "thoughtrank/core/utf8.h"

namespace thoughtrank {
namespace {

constexpr std::string_view kThinkOpen = "<think>";
constexpr std::string_view kThinkClose = "</think>";

// The end of the object that begins at `from` (one past its brace), by counting braces outside of
// strings; npos when it never ends.
size_t object_end(std::string_view text, size_t from) {
  int depth = 0;
  bool is_in_string = false;
  for (size_t at = from; at < text.size(); ++at) {
    const char c = text[at];
    if (is_in_string) {
      if (c == '\\') ++at;
      if (c == '"') is_in_string = false;
    } else if (c == '"') {
      is_in_string = true;
    } else if (c == '{') {
      ++depth;
    } else if (c == '}' && --depth == 0) {
      return at + 1;
    }
  }
  return std::string_view::npos;
}

std::optional<Json> parse_object(std::string_view text) {
  try {
    Json value = parse_json(text, "reply");
    if (value.is_object()) return value;
  } catch (const Error&) {  // prose in braces, or not JSON after all: not an object
  }
  return std::nullopt;
}

// Every outermost JSON object of the text. At most kMostObjects are looked at, so that a reply of
// braces costs linear time.
std::vector<Json> objects_in(std::string_view text) {
  constexpr int kMostTries = 64;
  std::vector<Json> found;
  size_t at = text.find('{');
  for (int tries = 0; at != std::string_view::npos && tries < kMostTries; ++tries) {
    const size_t end = object_end(text, at);
    std::optional<Json> object;
    if (end != std::string_view::npos) object = parse_object(text.substr(at, end - at));
    if (object) found.push_back(std::move(*object));
    at = text.find('{', object ? end : at + 1);
  }
  return found;
}

Verdict check_labels(const Json& ranking, const std::vector<std::string>& labels) {
  if (!ranking.is_array()) return Abstention{"'ranking' is not a list"};
  LabelRanking order;
  std::set<std::string> seen;
  for (const Json& entry : ranking) {
    if (!entry.is_string()) return Abstention{"'ranking' holds something that is not a label"};
    const auto label = entry.get<std::string>();
    if (std::find(labels.begin(), labels.end(), label) == labels.end()) {
      return Abstention{"'ranking' holds a label that was not sent"};
    }
    if (!seen.insert(label).second) return Abstention{"'ranking' holds label " + label + " twice"};
    order.push_back(label);
  }
  if (order.size() != labels.size()) {
    return Abstention{fmt::format("'ranking' holds {} of {} labels", order.size(), labels.size())};
  }
  return order;
}

}  // namespace

Verdict read_ranking(std::string_view text, const std::vector<std::string>& labels) {
  if (!is_valid_utf8(text)) return Abstention{"the reply is not UTF-8"};
  const size_t thought_end = text.rfind(kThinkClose);
  if (thought_end != std::string_view::npos) {
    text.remove_prefix(thought_end + kThinkClose.size());
  } else if (text.find(kThinkOpen) != std::string_view::npos) {
    return Abstention{"the reply ends inside the judge's own thinking"};
  }
  std::vector<Json> rankings;
  for (Json& object : objects_in(text)) {
    if (object.contains("ranking")) rankings.push_back(std::move(object["ranking"]));
  }
  if (rankings.empty()) return Abstention{"no JSON object with 'ranking' in the reply"};
  if (rankings.size() > 1) return Abstention{"more than one ranking in the reply"};
  return check_labels(rankings[0], labels);
}

}  // namespace thoughtrank
