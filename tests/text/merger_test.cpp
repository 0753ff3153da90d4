#include "text/merger.h"

#include <gtest/gtest.h>

#include <map>
#include <thread>

#include "support/expect_error.h"
#include "support/trials.h"
#include "text/unicode.h"
#include "thoughtrank/core/random.h"

namespace thoughtrank {
namespace {

using Ids = std::vector<int64_t>;

Ids ids_of(const Merger& merger, std::string_view text) {
  Ids ids;
  merger.encode(text, ids);
  return ids;
}

// Merging written down plainly: of all neighbours that are a piece together, those of the highest
// score become one, the leftmost first, until there are none.
Ids merge_plainly(const std::vector<MergePiece>& pieces, std::string_view text) {
  std::map<std::string, int64_t> ids;
  for (size_t id = 0; id < pieces.size(); ++id) {
    if (pieces[id].kind == PieceKind::kNormal) ids[pieces[id].text] = static_cast<int64_t>(id);
  }
  std::vector<std::string> parts;
  for (size_t at = 0; at < text.size(); at += parts.back().size()) {
    parts.emplace_back(text.substr(at, character_size(text[at])));
  }
  while (true) {
    size_t best = parts.size();
    float best_score = 0;
    for (size_t i = 0; i + 1 < parts.size(); ++i) {
      const auto found = ids.find(parts[i] + parts[i + 1]);
      if (found == ids.end()) continue;
      const float score = pieces[static_cast<size_t>(found->second)].score;
      if (best == parts.size() || score > best_score) {
        best = i;
        best_score = score;
      }
    }
    if (best == parts.size()) break;
    parts[best] += parts[best + 1];
    parts.erase(parts.begin() + static_cast<std::ptrdiff_t>(best) + 1);
  }
  Ids merged;
  for (const std::string& part : parts) merged.push_back(ids.at(part));
  return merged;
}

// Characters, then products of two earlier pieces each, with falling scores.
std::vector<MergePiece> random_pieces(RandomStream& stream) {
  std::vector<MergePiece> pieces;
  std::map<std::string, bool> known;
  for (const char* character : {"a", "b", "c", "é", "中"}) {
    pieces.push_back({.text = character});
    known[character] = true;
  }
  for (int rank = 0; rank < 25; ++rank) {
    const std::string product =
        pieces[stream.below(pieces.size())].text + pieces[stream.below(pieces.size())].text;
    if (std::exchange(known[product], true)) continue;
    pieces.push_back({.text = product, .score = static_cast<float>(-1 - rank)});
  }
  return pieces;
}

TEST(Merger, MergesAsThePlainRuleDoes) {
  RandomStream stream(3, "merges");
  const int trials = trials_of(60);
  record_trials(trials);
  for (int trial = 0; trial < trials; ++trial) {
    const std::vector<MergePiece> pieces = random_pieces(stream);
    const Merger merger(pieces, /*byte_fallback=*/false, "test");
    for (int n = 0; n < 20; ++n) {
      std::string text;
      for (uint64_t left = stream.below(40); left > 0; --left) text += pieces[stream.below(5)].text;
      ASSERT_EQ(ids_of(merger, text), merge_plainly(pieces, text)) << text;
    }
  }
}

TEST(Merger, AppendsToWhatIsThere) {
  const Merger merger({{.text = "a"}, {.text = "b"}, {.text = "ab"}}, false, "test");
  Ids ids = {7};
  merger.encode("aab", ids);
  merger.encode("", ids);
  EXPECT_EQ(ids, (Ids{7, 0, 2}));
}

TEST(Merger, WhiteSpaceIsACharacterLikeAnyOther) {
  const Merger merger({{.text = " "}, {.text = "a"}, {.text = " a"}, {.text = "\n"}}, false, "t");
  EXPECT_EQ(ids_of(merger, " a  a\n "), (Ids{2, 0, 2, 3, 0}));
}

TEST(Merger, ControlPiecesAreNeverMadeFromText) {
  const std::vector<MergePiece> pieces = {{.text = "<"},
                                          {.text = "s"},
                                          {.text = ">"},
                                          {.text = "<s>", .kind = PieceKind::kControl},
                                          {.text = "<s", .score = -1}};
  EXPECT_EQ(ids_of(Merger(pieces, false, "test"), "<s>"), (Ids{4, 2}));
}

TEST(Merger, CharactersWithoutAPieceFallBackToTheirBytesOrAreAnError) {
  std::vector<MergePiece> pieces = {{.text = "a"}};
  EXPECT_THROW(ids_of(Merger(pieces, false, "test"), "aé"), Error);
  for (int byte = 0; byte < 256; ++byte) {
    pieces.push_back({.text = fmt::format("<0x{:02X}>", byte), .kind = PieceKind::kByte});
  }
  EXPECT_EQ(ids_of(Merger(pieces, true, "test"), "aéa"), (Ids{0, 1 + 0xC3, 1 + 0xA9, 0}));
}

TEST(Merger, RefusedPiecesAreNamedWithTheirFile) {
  expect_error(
      [] {
        (void)Merger({{.text = "a"}, {.text = "a"}}, false, "my/tokenizer.json");
      },
      ExitCode::kBadData,
      "my/tokenizer.json: ");
}

TEST(Merger, SeveralThreadsMayEncodeAtOnce) {
  RandomStream stream(4, "threads");
  const std::vector<MergePiece> pieces = random_pieces(stream);
  const Merger merger(pieces, false, "test");
  std::string text;
  for (int n = 0; n < 2000; ++n) text += pieces[stream.below(5)].text;
  const Ids expected = ids_of(merger, text);
  std::vector<Ids> found(4);
  {
    std::vector<std::jthread> threads;
    for (Ids& ids : found) threads.emplace_back([&] { ids = ids_of(merger, text); });
  }
  for (const Ids& ids : found) EXPECT_EQ(ids, expected);
}

}  // namespace
}  // namespace thoughtrank
