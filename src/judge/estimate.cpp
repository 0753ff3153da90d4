#include "thoughtrank/judge/estimate.h"

#include <algorithm>

#include "judge/audit_plan.h"
#include "judge/rank_caller.h"
#include "judge/ranking_round.h"
#include "judge/request_text.h"
#include "judge/rubric.h"
#include "thoughtrank/core/utf8.h"
#include "thoughtrank/llm/connection.h"
#include "thoughtrank/llm/price.h"
#include "thoughtrank/llm/tokens.h"

namespace thoughtrank {
namespace {

constexpr double kReplyTokens = 60;       // a plain list of labels; a reasoning judge writes more
constexpr int64_t kMostJsonBytes = 6;     // JSON bytes of one byte: \u0001
constexpr size_t kAnswersCompared = 2;    // answers of a held-out comparison
constexpr int64_t kOrdersCompared = 2;    // calls of a held-out comparison
constexpr int64_t kDialectQuestions = 2;  // requests that a dialect is tried with
constexpr int64_t kMostTriesOfACall = kMostShowings * kMostAttempts;
// A showing whose attempts were lost while the round was still generating is tried anew by the
// stage.
constexpr int64_t kMostTriesWithOverlap = (kMostShowings + 1) * kMostAttempts;
// The closing tag's token may end in the answer's first characters.
constexpr int64_t kTokensBeforeAnswer = 1;

// The requests that a call becomes when the judge says of each part that it is too long. Of three
// answers, both parts hold the second one (split_call()).
int64_t most_requests(size_t answers) {
  if (answers < kLeastToSplit) return 1;
  const size_t half = (answers + 1) / 2;
  return 1 + most_requests(half) + most_requests(std::max<size_t>(answers - half, 2));
}

// How often one answer of such a call is sent at most, whatever number up to `answers` it has.
int64_t most_reads(size_t answers) {
  if (answers < kLeastToSplit) return 1;
  if (answers == kLeastToSplit) return 3;
  return std::max(most_reads(answers - 1), 1 + most_reads((answers + 1) / 2));
}

// What leaves this machine.
struct Traffic {
  int64_t requests = 0;
  int64_t bytes = 0;
  int64_t longest = 0;  // bytes of one request at most
  void add(int64_t count, int64_t bytes_each) {
    requests += count;
    bytes += count * bytes_each;
    longest = std::max(longest, bytes_each);
  }
};

// The calls of one judge over the whole run.
struct JudgeCalls {
  SchemeCost ranking;  // the scheme's and the audit's
  int64_t comparisons = 0;
};

// One judge: the size of its requests, from the code that writes them.
class JudgeRequests {
 public:
  JudgeRequests(const JudgeServer& judge, ServerKind kind)
      : judge_(judge), kind_(kind), rubric_(read_rubric(judge.rubric)) {}

  [[nodiscard]] int64_t system_tokens() const { return estimated_tokens(system_text(rubric_)); }

  // The body without the answers' own bytes.
  [[nodiscard]] int64_t frame_bytes(const PromptRow& question, size_t answers) const {
    RankCall call;
    call.prompt = &question;
    call.answers.resize(answers);
    call.branches.resize(answers);
    return body_bytes(ranking_question(rubric_, call, show(call, {}, /*attempt=*/0)));
  }
  // Finding out which dialect the server speaks.
  [[nodiscard]] Traffic probes() const {
    Traffic traffic;
    if (kind_ != ServerKind::openai) return traffic;
    traffic.add(kDialectQuestions * std::ssize(dialects()) * kMostAttempts,
                body_bytes(probe_question(rubric_, "dialect")));
    return traffic;
  }

 private:
  // In the largest of the server's dialects.
  [[nodiscard]] int64_t body_bytes(const Question& question) const {
    if (kind_ != ServerKind::openai) {
      return std::ssize(make_protocol(kind_, judge_.server)->body(question));
    }
    ChatProtocol protocol(judge_.server);
    int64_t most = 0;
    for (const Dialect& dialect : dialects()) {
      protocol.speak(dialect);
      most = std::max<int64_t>(most, std::ssize(protocol.body(question)));
    }
    return most;
  }

  const JudgeServer& judge_;
  ServerKind kind_;
  std::string rubric_;
};

// Bounds of what stands in a request of the scheme; see RankingRound::add_task().
struct AnswerBounds {
  int64_t answer_bytes = 0;  // one answer in JSON
  int64_t group_bytes = 0;   // all answers of a request in JSON
  size_t fitting = 0;        // the longest answers that surely fit into one request
};

AnswerBounds answer_bounds(const JudgingSize& size,
                           int64_t max_input_tokens,
                           int64_t system_tokens) {
  const int64_t most_room = max_input_tokens - system_tokens;
  const int64_t room = most_room - size.questions.most_tokens();
  const int64_t longest_answer = (size.answer_tokens + kTokensBeforeAnswer) * size.token_json_bytes;
  const int64_t cut_to = std::max<int64_t>(0, (most_room / kAnswersThatFit - kFenceTokens)) *
                         kBytesPerToken * kMostJsonBytes;
  const int64_t tokens = longest_answer / kBytesPerToken + 1 + kFenceTokens;
  return {.answer_bytes = std::min(longest_answer, cut_to),
          .group_bytes = std::max<int64_t>(0, most_room) * kBytesPerToken * kMostJsonBytes,
          .fitting = static_cast<size_t>(std::max(kAnswersThatFit, room / tokens))};
}

// Every call at its longest, in the largest number of parts, each part asked for as often as a
// judge is asked before it abstains.
Traffic worst_traffic(const JudgeRequests& requests,
                      const JudgeCalls& calls,
                      const JudgingSize& size,
                      const SchemeOptions& scheme,
                      const AnswerBounds& bounds) {
  Traffic traffic = requests.probes();
  const size_t group = std::max<size_t>(static_cast<size_t>(scheme.group_size), kLeastPlanted);
  traffic.add(calls.ranking.calls * most_requests(group) * kMostTriesWithOverlap,
              requests.frame_bytes(size.questions.longest(), group));
  // A group of one answer borrows another, so that a call may read one more than the scheme says.
  const int64_t reads = calls.ranking.reads + calls.ranking.calls;
  const int64_t answers =
      std::min(reads * bounds.answer_bytes, calls.ranking.calls * bounds.group_bytes);
  traffic.bytes += most_reads(group) * kMostTriesWithOverlap * answers;
  traffic.longest +=
      std::min(static_cast<int64_t>(group) * bounds.answer_bytes, bounds.group_bytes);
  const int64_t longest = (size.heldout_tokens + kTokensBeforeAnswer) * size.token_json_bytes;
  const int64_t compared = std::min(
      longest, scheme.max_input_tokens / kAnswersThatFit * kBytesPerToken * kMostJsonBytes);
  traffic.add(calls.comparisons * kMostTriesOfACall,
              requests.frame_bytes(size.heldout.longest(), kAnswersCompared) +
                  static_cast<int64_t>(kAnswersCompared) * compared);
  return traffic;
}

// Questions of the usual length, answers at their bound of tokens, every reply a plain list.
double usual_input_tokens(const JudgeRequests& requests,
                          const JudgeCalls& calls,
                          const JudgingSize& size) {
  const PromptRow empty;
  const auto two = static_cast<double>(requests.frame_bytes(empty, 2));
  const double fence = static_cast<double>(requests.frame_bytes(empty, 3)) - two;
  const double frame = two - 2 * fence;
  const auto bytes = [&](double count, double reads, const QuestionSizes& questions) {
    return count * (frame + questions.mean_json_bytes()) + reads * fence;
  };
  const auto ranked = static_cast<double>(calls.ranking.calls);
  const auto reads = static_cast<double>(calls.ranking.reads);
  const auto compared = static_cast<double>(calls.comparisons);
  const double read_for_comparison = compared * static_cast<double>(kAnswersCompared);
  return (bytes(ranked, reads, size.questions) +
          bytes(compared, read_for_comparison, size.heldout)) /
             static_cast<double>(kBytesPerToken) +
         reads * static_cast<double>(size.answer_tokens) +
         read_for_comparison * static_cast<double>(size.heldout_tokens);
}

JudgeCalls calls_of_one_judge(const JudgeOptions& options,
                              const JudgingSize& size,
                              const AnswerBounds& bounds) {
  const int64_t prompts = size.questions.count();
  const SchemeCost scheme = scheme_cost(size.branches, scheme_of(options.scheme), bounds.fitting);
  const int64_t audit = 2 * audit_calls(prompts * scheme.calls);
  return {.ranking = {.calls = prompts * scheme.calls + audit,
                      .reads = prompts * scheme.reads + audit * options.scheme.group_size},
          .comparisons = kOrdersCompared * size.heldout.count()};
}

void add_judge(JudgeEstimate& estimate,
               const JudgeServer& judge,
               const JudgeOptions& options,
               const JudgingSize& size) {
  const std::optional<ServerKind> kind = server_kind(judge.kind);
  // A replay makes the calls of the run that it repeats, whoever was asked then.
  const JudgeRequests requests(judge, kind.value_or(ServerKind::openai));
  const AnswerBounds bounds =
      answer_bounds(size, options.scheme.max_input_tokens, requests.system_tokens());
  const JudgeCalls calls = calls_of_one_judge(options, size, bounds);
  estimate.calls += calls.ranking.calls + calls.comparisons;
  estimate.answer_reads +=
      calls.ranking.reads + calls.comparisons * static_cast<int64_t>(kAnswersCompared);
  if (!kind) return;
  const Price price =
      *kind == ServerKind::command ? Price{} : price_of(judge.server, find_price_file(), *kind);
  const double replies = static_cast<double>(calls.ranking.calls + calls.comparisons);
  estimate.usd_expected +=
      price.cost(static_cast<int64_t>(usual_input_tokens(requests, calls, size)),
                 static_cast<int64_t>(replies * kReplyTokens));
  const Traffic worst = worst_traffic(requests, calls, size, options.scheme, bounds);
  // As the client reserves: a token for each byte, every reply at its bound.
  estimate.usd_worst +=
      price.most(worst.bytes, worst.requests * judge.server.max_output_tokens, worst.longest);
  estimate.bytes_worst += worst.bytes;
}

}  // namespace

int64_t worst_json_bytes(std::string_view text) {
  constexpr int64_t kReplacement = 3;  // bytes of U+FFFD
  const bool is_text = is_valid_utf8(text);
  int64_t bytes = 0;
  for (const char c : text) {
    const auto byte = static_cast<unsigned char>(c);
    const bool has_short_escape =
        c == '"' || c == '\\' || (byte >= '\b' && byte <= '\r' && byte != '\v');
    if (byte >= 0x80) {
      bytes += is_text ? 1 : kReplacement;
    } else if (has_short_escape) {
      bytes += 2;
    } else {
      bytes += byte < 0x20 ? kMostJsonBytes : 1;
    }
  }
  return bytes;
}

void QuestionSizes::add(const PromptRow& question, int64_t times) {
  const int64_t bytes = worst_json_bytes(question.prompt) + worst_json_bytes(question.system);
  most_tokens_ =
      std::max(most_tokens_, estimated_tokens(question.prompt) + estimated_tokens(question.system));
  count_ += times;
  bytes_ += times * bytes;
  if (bytes < longest_bytes_) return;
  longest_bytes_ = bytes;
  longest_ = question;
}

double QuestionSizes::mean_json_bytes() const {
  return count_ == 0 ? 0 : static_cast<double>(bytes_) / static_cast<double>(count_);
}

JudgeEstimate estimate_judging(const JudgeOptions& options, const JudgingSize& size) {
  JudgeEstimate estimate;
  if (gives_scores(options.first.kind)) {
    estimate.answer_reads = size.questions.count() * size.branches;
    return estimate;
  }
  for (const JudgeServer& judge : all_judges(options)) add_judge(estimate, judge, options, size);
  return estimate;
}

}  // namespace thoughtrank
