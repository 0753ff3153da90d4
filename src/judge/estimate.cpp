#include "judge/audit_plan.h"
#include "judge/price.h"
#include "judge/request_text.h"
#include "judge/tournament.h"

namespace thoughtrank {
namespace {

constexpr double kQuestionTokens = 200;  // a guess; questions are short beside 8 answers
constexpr double kFenceTokensPaid = 20;  // around one answer, about
constexpr double kReplyTokens = 60;      // a plain list of labels; a reasoning judge writes more
constexpr double kWorstBytesPerToken = 8;

// Adds what one ranking judge is asked, the audit included.
void add_judge(JudgeEstimate& estimate,
               const JudgeOptions& judge,
               int64_t prompts,
               const SchemeCost& scheme,
               double answer_tokens) {
  const int64_t audit = 2 * audit_calls(prompts * scheme.calls);
  const int64_t calls = prompts * scheme.calls + audit;
  const int64_t reads = prompts * scheme.reads + audit * judge.group_size;
  estimate.calls += calls;
  estimate.answer_reads += reads;
  if (judge.kind == "replay") return;
  const Price price = price_of(judge, find_price_file());
  const double fixed =
      static_cast<double>(estimated_tokens(system_text(default_rubric()))) + kQuestionTokens;
  const double input = static_cast<double>(calls) * fixed +
                       static_cast<double>(reads) * (answer_tokens + kFenceTokensPaid);
  estimate.usd_expected += price.cost(
      static_cast<int64_t>(input), static_cast<int64_t>(static_cast<double>(calls) * kReplyTokens));
  // As the client reserves: a token for each byte, every reply at its bound, every call asked
  // twice.
  estimate.usd_worst += 2 * price.cost(static_cast<int64_t>(input * kWorstBytesPerToken),
                                       calls * judge.max_output_tokens);
}

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
  const SchemeCost scheme = scheme_cost(branches, scheme_of(options));
  for (const JudgeOptions& judge : all_judges(options)) {
    add_judge(estimate, judge, prompts, scheme, answer_tokens);
  }
  return estimate;
}

}  // namespace thoughtrank
