#include "judge/price.h"
#include "judge/request_text.h"
#include "judge/tournament.h"

namespace thoughtrank {
namespace {

constexpr double kQuestionTokens = 200;  // a guess; questions are short beside 8 answers
constexpr double kFenceTokens = 20;
constexpr double kReplyTokens = 60;  // a plain list of labels; a reasoning judge writes more
constexpr double kWorstBytesPerToken = 8;

}  // namespace

JudgeEstimate estimate_judging(const JudgeOptions& options,
                               int64_t prompts,
                               int64_t branches,
                               double answer_tokens) {
  JudgeEstimate estimate;
  if (options.kind == "likelihood" || options.kind == "reference") {
    estimate.answer_reads = prompts * branches;
    return estimate;
  }
  const SchemeCost scheme = scheme_cost(branches, options.group_size, options.finals);
  estimate.calls = prompts * scheme.calls;
  estimate.answer_reads = prompts * scheme.reads;
  if (options.kind == "replay") return estimate;
  const Price price = price_of(options, find_price_file());
  const double fixed =
      static_cast<double>(estimated_tokens(system_text(default_rubric()))) + kQuestionTokens;
  const auto calls = static_cast<double>(estimate.calls);
  const double input =
      calls * fixed + static_cast<double>(estimate.answer_reads) * (answer_tokens + kFenceTokens);
  estimate.usd_expected =
      price.cost(static_cast<int64_t>(input), static_cast<int64_t>(calls * kReplyTokens));
  // As the client reserves: a token for each byte, every reply at its bound, every call asked
  // twice.
  estimate.usd_worst = 2 * price.cost(static_cast<int64_t>(input * kWorstBytesPerToken),
                                      estimate.calls * options.max_output_tokens);
  return estimate;
}

}  // namespace thoughtrank
