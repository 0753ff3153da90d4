#include "pipeline/thought_lift.h"

#include <algorithm>
#include <map>
#include <memory>
#include <optional>

#include "pipeline/select_rows.h"
#include "thoughtrank/core/journal.h"
#include "thoughtrank/core/random.h"

namespace thoughtrank {

namespace {

TokenIds slice(const TokenIds& ids, int64_t from, int64_t to) {
  return {ids.begin() + from, ids.begin() + to};
}

TokenIds joined(TokenIds first, const TokenIds& second) {
  first.insert(first.end(), second.begin(), second.end());
  return first;
}

// Finished rows of a round, by prompt.
class ThoughtStore {
 public:
  explicit ThoughtStore(const std::filesystem::path& file) {
    if (file.empty()) return;
    journal_ = std::make_unique<Journal>(
        file,
        [this, &file](const Json& body) {
          auto row = from_json<ThoughtRow>(body, file.string());
          rows_[row.prompt_id] = std::move(row);
        },
        Durability::grouped);
  }
  // The row of this prompt, if it was measured on the same thoughts and weights.
  [[nodiscard]] const ThoughtRow* find(const ThoughtRow& wanted) const {
    const auto found = rows_.find(wanted.prompt_id);
    if (found == rows_.end()) return nullptr;
    const ThoughtRow& row = found->second;
    const bool is_same = row.branch == wanted.branch && row.other_branch == wanted.other_branch &&
                         row.other_prompt_id == wanted.other_prompt_id &&
                         row.model_sha256 == wanted.model_sha256;
    return is_same ? &row : nullptr;
  }
  void add(const ThoughtRow& row) {
    if (journal_) journal_->append(to_json(row));
  }

 private:
  std::map<std::string, ThoughtRow> rows_;
  std::unique_ptr<Journal> journal_;
};

class ThoughtMeter {
 public:
  ThoughtMeter(const LiftSetup& setup, std::vector<Winner> winners)
      : setup_(setup),
        winners_(std::move(winners)),
        open_(open_tag_ids(*setup.texts.tokenizer, setup.config.branches)) {}

  // The row of a winner, so far as no model is needed.
  [[nodiscard]] ThoughtRow begin_row(size_t n) const {
    const OutputRow& output = *winners_[n].output;
    ThoughtRow row;
    row.prompt_id = output.prompt_id;
    row.round = setup_.round;
    row.branch = output.branch;
    row.answer_tokens = std::ssize(output.token_ids) - output.answer_start;
    row.model_sha256 = output.model_sha256;
    if (const OutputRow* other = other_than(n)) {
      row.other_prompt_id = other->prompt_id;
      row.other_branch = other->branch;
    }
    return row;
  }

  // Scores the four thoughts before the same closing tag and answer.
  void measure(size_t n, ThoughtRow& row) {
    const OutputRow& output = *winners_[n].output;
    const BranchParts parts = split(output);
    std::vector<TokenIds> thoughts = {parts.thought, open_, shuffled(output, parts.thought)};
    if (const OutputRow* other = other_than(n)) thoughts.push_back(split(*other).thought);
    std::vector<TokenIds> texts;
    std::vector<int64_t> given;
    for (TokenIds& thought : thoughts) {
      TokenIds context = joined(std::move(thought), parts.closing);
      given.push_back(std::ssize(context));
      texts.push_back(joined(std::move(context), parts.answer));
    }
    const auto scores = decoder().score(winners_[n].task->prompt.token_ids, texts, given);
    const auto mean = [&](size_t k) {
      return scores[k].log_probability / static_cast<double>(scores[k].tokens);
    };
    row.own = mean(0);
    row.none = mean(1);
    row.shuffled = mean(2);
    if (scores.size() > 3) row.other = mean(3);
    row.lift = row.own - row.none;
  }

 private:
  [[nodiscard]] BranchParts split(const OutputRow& output) const {
    return parts_of(output, *setup_.texts.tokenizer, setup_.config.branches.close);
  }

  [[nodiscard]] RandomStream stream(const OutputRow& output, std::string_view purpose) const {
    return {static_cast<uint64_t>(setup_.config.seed),
            purpose,
            {static_cast<uint64_t>(setup_.round), stable_hash(output.prompt_id)}};
  }

  [[nodiscard]] const OutputRow* other_than(size_t n) const {
    return other_winner(winners_, n, setup_.config.seed);
  }

  // The head stays in front.
  [[nodiscard]] TokenIds shuffled(const OutputRow& output, const TokenIds& thought) const {
    const int64_t head = std::min(output.head_len, std::ssize(thought));
    TokenIds rest = slice(thought, head, std::ssize(thought));
    stream(output, "shuffled thought").shuffle(rest);
    return joined(slice(thought, 0, head), rest);
  }

  Decoder& decoder() {
    if (!decoder_) decoder_.emplace(load_decoder(setup_.model_folder, setup_.compute, {}));
    return *decoder_;
  }

  const LiftSetup& setup_;
  std::vector<Winner> winners_;
  TokenIds open_;  // the open tag alone
  std::optional<Decoder> decoder_;
};

}  // namespace

std::vector<ThoughtRow> measure_thoughts(const LiftSetup& setup,
                                         const std::vector<JudgeTask>& tasks,
                                         const std::vector<BestOutputRow>& best,
                                         Progress& progress) {
  const std::vector<Winner> winners = trained_winners(tasks, best);
  progress.set_total(std::ssize(winners));
  ThoughtMeter meter(setup, winners);
  ThoughtStore store(setup.store);
  std::vector<ThoughtRow> rows;
  for (size_t n = 0; n < winners.size(); ++n) {
    setup.stop.throw_if_set();
    ThoughtRow row = meter.begin_row(n);
    if (const ThoughtRow* known = store.find(row)) {
      row = *known;
    } else {
      meter.measure(n, row);
      store.add(row);
    }
    progress.advance(1, row.answer_tokens);
    rows.push_back(std::move(row));
  }
  return rows;
}

}  // namespace thoughtrank
