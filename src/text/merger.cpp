#include "text/merger.h"

#include <sentencepiece_processor.h>

#include <bit>

#include "thoughtrank/core/error.h"

namespace thoughtrank {
namespace {

// Protocol buffers on the wire: each field is key (number << 3 | type), value. Field numbers are
// those of sentencepiece_model.proto.
class ProtoWriter {
 public:
  void varint(int field, uint64_t value) {
    raw_varint(static_cast<uint64_t>(field) << 3);
    raw_varint(value);
  }
  void number(int field, float value) {
    raw_varint(static_cast<uint64_t>(field) << 3 | 5);
    const auto bits = std::bit_cast<uint32_t>(value);
    for (int shift = 0; shift < 32; shift += 8) bytes_ += static_cast<char>(bits >> shift);
  }
  void bytes(int field, std::string_view value) {
    raw_varint(static_cast<uint64_t>(field) << 3 | 2);
    raw_varint(value.size());
    bytes_ += value;
  }
  [[nodiscard]] const std::string& text() const { return bytes_; }

 private:
  void raw_varint(uint64_t value) {
    for (; value >= 0x80; value >>= 7) bytes_ += static_cast<char>(value | 0x80);
    bytes_ += static_cast<char>(value);
  }
  std::string bytes_;
};

constexpr uint64_t kBpe = 2;
constexpr int kUnknown = 2;

std::string piece_message(std::string_view text, float score, int kind) {
  ProtoWriter piece;
  piece.bytes(/* piece */ 1, text);
  piece.number(/* score */ 2, score);
  piece.varint(/* type */ 3, static_cast<uint64_t>(kind));
  return piece.text();
}

std::string trainer_message(bool byte_fallback) {
  ProtoWriter trainer;
  trainer.varint(/* model_type */ 3, kBpe);
  trainer.varint(/* byte_fallback */ 35, byte_fallback ? 1 : 0);
  return trainer.text();
}

std::string normalizer_message() {
  ProtoWriter normalizer;
  normalizer.bytes(/* name */ 1, "identity");
  normalizer.varint(/* add_dummy_prefix */ 3, 0);
  normalizer.varint(/* remove_extra_whitespaces */ 4, 0);
  normalizer.varint(/* escape_whitespaces */ 5, 0);
  return normalizer.text();
}

// sentencepiece wants one unknown piece; its name must be none of the others.
std::string unused_name(const std::vector<MergePiece>& pieces) {
  size_t longest = 0;
  for (const auto& piece : pieces) longest = std::max(longest, piece.text.size());
  return std::string(longest + 1, '?');
}

}  // namespace

Merger::Merger(const std::vector<MergePiece>& pieces, bool byte_fallback, const std::string& where)
    : processor_(new sentencepiece::SentencePieceProcessor),
      unknown_(static_cast<int64_t>(pieces.size())) {
  ProtoWriter model;
  for (const auto& piece : pieces) {
    model.bytes(/* pieces */ 1,
                piece_message(piece.text, piece.score, static_cast<int>(piece.kind)));
  }
  model.bytes(/* pieces */ 1, piece_message(unused_name(pieces), 0, kUnknown));
  model.bytes(/* trainer_spec */ 2, trainer_message(byte_fallback));
  model.bytes(/* normalizer_spec */ 3, normalizer_message());
  const auto status = processor_->LoadFromSerializedProto(model.text());
  if (!status.ok()) fail(ExitCode::kBadData, "{}: {}", where, status.ToString());
}

Merger::~Merger() = default;
Merger::Merger(Merger&&) noexcept = default;

void Merger::encode(std::string_view text, std::vector<int64_t>& ids) const {
  std::vector<int> merged;
  const auto status = processor_->Encode(text, &merged);
  if (!status.ok()) fail(ExitCode::kInternal, "sentencepiece: {}", status.ToString());
  for (const int id : merged) {
    if (id == unknown_) fail(ExitCode::kInternal, "sentencepiece met a character without a piece");
    ids.push_back(id);
  }
}

}  // namespace thoughtrank
