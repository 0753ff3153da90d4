#include "decode/score.h"

#include <ATen/core/Tensor.h>
#include <ATen/ops/log_softmax.h>
#include <ATen/ops/tensor.h>

#include <algorithm>
#include <cmath>

#include "decode/checks.h"
#include "thoughtrank/core/error.h"
#include "thoughtrank/core/watchdog.h"
#include "thoughtrank/kernels/vocabulary.h"

namespace thoughtrank {
namespace {

using Continuations = std::vector<std::vector<int64_t>>;

// One pass: `wanted[i]` is the token that follows row rows[i], of continuation `owners[i]`. A row
// that a token follows which is only read is not among them.
struct Chunk {
  std::vector<int64_t> ids;
  AttentionBatch batch;
  std::vector<int64_t> rows;
  std::vector<int64_t> wanted;
  std::vector<size_t> owners;
};

int64_t given_of(const std::vector<int64_t>& given, size_t continuation) {
  return given.empty() ? 0 : given[continuation];
}

class Scorer {
 public:
  Scorer(PackedLlama& model,
         int64_t shared_tokens,
         const Continuations& continuations,
         const std::vector<int64_t>& given)
      : model_(model), continuations_(continuations), given_(given), prefix_(model.kv_pool()) {
    for (size_t i = 0; i < continuations.size(); ++i) {
      const int64_t tokens = std::ssize(continuations[i]) - given_of(given, i);
      scores_.push_back({.log_probability = 0, .tokens = tokens});
      sequences_.emplace_back(model.kv_pool(), shared_tokens % kPageTokens);
    }
  }

  std::vector<ContinuationScore> score(const std::vector<int64_t>& shared_ids) {
    const at::Tensor last = model_.read_text(shared_ids, prefix_, heartbeat);  // (1, C)
    score_first_tokens(last);
    for (Chunk chunk = next_chunk(); chunk.batch.rows > 0; chunk = next_chunk()) {
      heartbeat();
      const at::Tensor hidden = model_.forward(chunk.ids, chunk.batch, chunk.rows);
      if (!chunk.rows.empty()) add(hidden, chunk.wanted, chunk.owners);
    }
    return std::move(scores_);
  }

 private:
  // All first tokens follow from the last shared one.
  void score_first_tokens(const at::Tensor& last) {
    std::vector<int64_t> wanted;
    std::vector<size_t> owners;
    const auto flush = [&] {
      if (wanted.empty()) return;
      add(last.expand({std::ssize(wanted), last.size(1)}).contiguous(), wanted, owners);
      wanted.clear();
      owners.clear();
    };
    for (size_t i = 0; i < continuations_.size(); ++i) {
      if (continuations_[i].empty() || given_of(given_, i) > 0) continue;
      wanted.push_back(continuations_[i][0]);
      owners.push_back(i);
      if (std::ssize(wanted) == model_.most_rows()) flush();
    }
    flush();
  }

  // Tokens of as many continuations as one pass holds; a long one goes on in the next. The
  // sequences of those that are read are given back.
  Chunk next_chunk() {
    Chunk chunk;
    for (size_t i = first_open_; i < current_; ++i) sequences_[i].clear();
    first_open_ = current_;
    while (current_ < continuations_.size() && chunk.batch.rows < model_.most_rows()) {
      const auto& ids = continuations_[current_];
      const int64_t first = sequences_[current_].length();
      const int64_t left = std::max<int64_t>(0, std::ssize(ids) - 1 - first);
      const int64_t rows = std::min(left, model_.most_rows() - chunk.batch.rows);
      add_rows(chunk, first, rows);
      if (rows == left) ++current_;
    }
    chunk.batch.prefixes = {{&prefix_, 0, chunk.batch.rows}};
    return chunk;
  }

  void add_rows(Chunk& chunk, int64_t first, int64_t rows) {
    if (rows == 0) return;
    const auto begin = continuations_[current_].begin() + first;
    chunk.ids.insert(chunk.ids.end(), begin, begin + rows);
    const int64_t unscored = std::max<int64_t>(0, given_of(given_, current_) - 1 - first);
    for (int64_t row = unscored; row < rows; ++row) {
      chunk.rows.push_back(chunk.batch.rows + row);
      chunk.wanted.push_back(begin[row + 1]);
      chunk.owners.push_back(current_);
    }
    chunk.batch.sequences.push_back(
        {&sequences_[current_], chunk.batch.rows, rows, prefix_.length() + first});
    chunk.batch.rows += rows;
  }

  void add(const at::Tensor& hidden,
           const std::vector<int64_t>& wanted,
           const std::vector<size_t>& owners) {
    const auto rows = model_.read_vocabulary(hidden, wanted);
    for (size_t i = 0; i < rows.size(); ++i) {
      if (!rows[i].is_finite) {
        fail(ExitCode::kBadData,
             "the model's logits in continuation {} are not finite numbers: are its weights whole?",
             owners[i]);
      }
      scores_[owners[i]].log_probability += rows[i].wanted_logit - rows[i].log_sum_exp;
    }
  }

  PackedLlama& model_;
  const Continuations& continuations_;
  const std::vector<int64_t>& given_;
  KvSequence prefix_;
  std::vector<KvSequence> sequences_;
  std::vector<ContinuationScore> scores_;
  size_t current_ = 0, first_open_ = 0;
};

void require_scorable(const std::vector<int64_t>& shared_ids,
                      const Continuations& continuations,
                      const std::vector<int64_t>& given,
                      const LlamaConfig& config) {
  if (!given.empty() && given.size() != continuations.size()) {
    fail(ExitCode::kInternal,
         "{} continuations, but {} lengths of what is given",
         continuations.size(),
         given.size());
  }
  require_known_ids(shared_ids, config, "the shared text");
  require_length(std::ssize(shared_ids), 0, config, "the shared text");
  for (size_t i = 0; i < continuations.size(); ++i) {
    const std::string what = fmt::format("continuation {}", i);
    require_known_ids(continuations[i], config, what);
    require_length(std::ssize(shared_ids), std::ssize(continuations[i]), config, what);
    if (given_of(given, i) <= std::ssize(continuations[i])) continue;
    fail(ExitCode::kInternal, "{} is shorter than what is given of it", what);
  }
}

}  // namespace

std::vector<ContinuationScore> score_continuations(PackedLlama& model,
                                                   const std::vector<int64_t>& shared_ids,
                                                   const Continuations& continuations,
                                                   const std::vector<int64_t>& given) {
  require_scorable(shared_ids, continuations, given, model.config());
  return Scorer(model, std::ssize(shared_ids), continuations, given).score(shared_ids);
}

std::vector<ContinuationScore> score_on_device(DeviceLlama& model,
                                               const std::vector<int64_t>& shared_ids,
                                               const Continuations& continuations,
                                               const std::vector<int64_t>& given) {
  require_scorable(shared_ids, continuations, given, model.config());
  std::vector<ContinuationScore> scores;
  for (size_t i = 0; i < continuations.size(); ++i) {
    const std::vector<int64_t>& continuation = continuations[i];
    const int64_t unscored = given_of(given, i), tokens = std::ssize(continuation) - unscored;
    const int64_t first = std::ssize(shared_ids) + unscored - 1;
    scores.push_back({.log_probability = 0, .tokens = tokens});
    if (tokens == 0) continue;
    std::vector<int64_t> text = shared_ids;
    text.insert(text.end(), continuation.begin(), continuation.end() - 1);
    const at::Tensor hidden = model.read_text(text, /*pages=*/{}).narrow(0, first, tokens);
    const at::Tensor wanted = at::tensor(continuation, at::kLong)
                                  .narrow(0, unscored, tokens)
                                  .to(hidden.device())
                                  .unsqueeze(1);                                    // (tokens, 1)
    const at::Tensor log_p = at::log_softmax(model.logits_of(hidden), /*dim=*/-1);  // (tokens, V)
    const double sum = log_p.gather(1, wanted).sum(at::kDouble).item<double>();
    if (!std::isfinite(sum)) {
      fail(ExitCode::kBadData,
           "the model's logits in continuation {} are not finite numbers: are its weights whole?",
           scores.size() - 1);
    }
    scores.back().log_probability = sum;
  }
  return scores;
}

}  // namespace thoughtrank
