#include "pipeline/drift.h"

#include <algorithm>

namespace thoughtrank {

namespace {
// Some hundred tokens tell how far the weights have gone; all of them would take as long as writing
// them did.
constexpr size_t kTexts = 16;
}  // namespace

TextLikelihood likelihood_of(Decoder& decoder,
                             const std::vector<PromptRow>& prompts,
                             const std::vector<OutputRow>& outputs,
                             const StopFlag& stop) {
  TextLikelihood sum;
  for (size_t n = 0; n < std::min(outputs.size(), kTexts); ++n) {
    stop.throw_if_set();
    const OutputRow& output = outputs[n];
    if (output.head_len >= std::ssize(output.token_ids)) continue;
    const ContinuationScore score =
        decoder.score(prompts[n].token_ids, {output.token_ids}, {output.head_len}).at(0);
    sum.log_probability += score.log_probability;
    sum.tokens += score.tokens;
  }
  return sum;
}

double kl_to_untrained(const Session& session,
                       const std::vector<PromptRow>& prompts,
                       const std::vector<OutputRow>& outputs,
                       const TextLikelihood& own) {
  if (own.tokens == 0) return 0;
  Decoder untrained = load_decoder(session.config.model.path, session.compute, {});
  const TextLikelihood then = likelihood_of(untrained, prompts, outputs, session.stop);
  return (own.log_probability - then.log_probability) / static_cast<double>(own.tokens);
}

}  // namespace thoughtrank
