#include "text/token_table.h"

#include <utility>

#include "thoughtrank/core/error.h"
#include "thoughtrank/core/utf8.h"

namespace thoughtrank {
namespace {

// The bytes of byte tokens in a row: their text, or U+FFFD for each byte when they are not whole
// characters.
std::string text_of_byte_run(const std::string& bytes) {
  if (is_valid_utf8(bytes)) return bytes;
  std::string text;
  for (size_t i = 0; i < bytes.size(); ++i) text += "\xEF\xBF\xBD";
  return text;
}

}  // namespace

TableTokenizer::TableTokenizer(TokenTable table) : table_(std::move(table)) {
  for (const bool wants_byte : {false, true}) {
    for (size_t id = 0; id < table_.entries.size(); ++id) {
      const TokenEntry& token = table_.entries[id];
      if (token.is_byte == wants_byte) id_by_bytes_.emplace(token.bytes, static_cast<int64_t>(id));
    }
  }
  for (const auto& token : table_.added.all()) id_by_bytes_[token.content] = token.id;
}

std::vector<int64_t> TableTokenizer::encode(std::string_view text) const {
  return encode_parts({{text, /*parse_special=*/false}});
}

std::vector<int64_t> TableTokenizer::encode_with_special(std::string_view text) const {
  return encode_parts({{text, /*parse_special=*/true}});
}

std::vector<int64_t> TableTokenizer::encode_parts(const std::vector<TextPart>& parts) const {
  std::string text;
  std::vector<TextRange> searched;
  for (const auto& part : parts) {
    const size_t begin = text.size();
    text += to_valid_utf8(part.text);
    if (part.parse_special) searched.push_back({begin, text.size()});
  }
  std::vector<int64_t> ids;
  for (const auto& segment : table_.added.split(text, searched)) {
    const auto [begin, end] = segment.range;
    if (segment.id >= 0) {
      ids.push_back(segment.id);
    } else {
      encode_ordinary(std::string_view(text).substr(begin, end - begin), begin == 0, ids);
    }
  }
  return ids;
}

const TokenEntry& TableTokenizer::entry(int64_t id) const {
  if (id < 0 || id >= vocabulary_size()) {
    fail(ExitCode::kBadData,
         "{}: token id {} is not in [0, {}). Do the ids come from another model?",
         table_.where,
         id,
         vocabulary_size());
  }
  return table_.entries[static_cast<size_t>(id)];
}

std::string_view TableTokenizer::token_bytes(int64_t id) const { return entry(id).bytes; }
bool TableTokenizer::is_special(int64_t id) const { return entry(id).is_special; }

int64_t TableTokenizer::vocabulary_size() const {
  return static_cast<int64_t>(table_.entries.size());
}

std::optional<int64_t> TableTokenizer::find_token(std::string_view content) const {
  const auto found = id_by_bytes_.find(std::string(content));
  if (found == id_by_bytes_.end()) return std::nullopt;
  return found->second;
}

std::string TableTokenizer::decode(const std::vector<int64_t>& ids, bool skip_special) const {
  std::string text;
  std::string byte_run;
  for (const int64_t id : ids) {
    const TokenEntry& token = entry(id);
    if (skip_special && token.is_special) continue;
    if (table_.has_byte_fallback && token.is_byte) {
      byte_run += token.bytes;
      continue;
    }
    text += text_of_byte_run(std::exchange(byte_run, {}));
    text += token.bytes;
  }
  text += text_of_byte_run(byte_run);
  if (table_.strips_leading_space && text.starts_with(' ')) text.erase(0, 1);
  return to_valid_utf8(text);
}

}  // namespace thoughtrank
