#include "pipeline/drift.h"

#include <algorithm>

#include "pipeline/winners.h"

namespace thoughtrank {

namespace {
// Some hundred tokens tell how far the weights have gone; all of them would take as long as writing
// them did.
constexpr size_t kTexts = 16;

// Tokens [from, to) of an output that the model chose.
struct Chosen {
  int64_t from, to;
};

std::vector<Chosen> chosen_parts(const OutputRow& output, const Session& session) {
  const int64_t all = std::ssize(output.token_ids);
  if (output.thought_end == ThoughtEnd::model || output.thought_end == ThoughtEnd::none) {
    return {{output.head_len, all}};
  }
  const BranchParts parts =
      parts_of(output, *session.texts.tokenizer, session.config.branches.close);
  return {{output.head_len, std::ssize(parts.thought)}, {output.answer_start, all}};
}

}  // namespace

TextLikelihood likelihood_of(const Session& session,
                             Decoder& decoder,
                             const std::vector<PromptRow>& prompts,
                             const std::vector<OutputRow>& outputs) {
  TextLikelihood sum;
  for (size_t n = 0; n < std::min(outputs.size(), kTexts); ++n) {
    session.stop.throw_if_set();
    const OutputRow& output = outputs[n];
    for (const Chosen& part : chosen_parts(output, session)) {
      if (part.from >= part.to) continue;
      const TokenIds ids(output.token_ids.begin(), output.token_ids.begin() + part.to);
      const ContinuationScore score = decoder.score(prompts[n].token_ids, {ids}, {part.from}).at(0);
      sum.log_probability += score.log_probability;
      sum.tokens += score.tokens;
    }
  }
  return sum;
}

double kl_to_untrained(const Session& session,
                       const std::vector<PromptRow>& prompts,
                       const std::vector<OutputRow>& outputs,
                       const TextLikelihood& own) {
  if (own.tokens == 0) return 0;
  Decoder untrained = load_decoder(session.config.model.path, session.compute, {});
  const TextLikelihood then = likelihood_of(session, untrained, prompts, outputs);
  return (own.log_probability - then.log_probability) / static_cast<double>(own.tokens);
}

}  // namespace thoughtrank
