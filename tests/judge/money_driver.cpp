// A process that spends money: judges a few prompts with a server, as `thoughtrank run` would, on a
// clock that never waits. spending_test kills it and starts it again.
//   judge_money_driver LEDGER BASE_URL MAX_USD INPUT_PRICE OUTPUT_PRICE CONCURRENCY PROMPTS
//   BRANCHES
#include <cstdio>
#include <cstdlib>

#include "judge/judge_room.h"

int main(int argc, char** argv) {
  using namespace thoughtrank;  // NOLINT: a program of one function
  if (argc != 9) return 64;
  show_progress(false);
  start_log(LogFormat::text, LogLevel::error);
  JudgeOptions options;
  options.first.kind = JudgeKind::openai;
  options.first.server.model = "mock";
  options.first.server.base_url = argv[2];
  options.max_usd = std::atof(argv[3]);
  options.first.server.price = {{"input_per_million", std::atof(argv[4])},
                                {"output_per_million", std::atof(argv[5])}};
  options.first.server.concurrency = std::atoi(argv[6]);
  options.first.server.max_output_tokens = 50;
  options.first.max_abstained = 1;
  options.first.server.timeout_s = 5;
  FakeClock clock;
  const StopFlag stop;
  try {
    Judge judge({.options = options,
                 .select = {},
                 .seed = 7,
                 .round = 1,
                 .ledger = argv[1],
                 .scorer = {},
                 .clock = clock,
                 .stop = stop});
    Progress progress(ProgressOptions(), clock);
    (void)judge.judge(make_tasks(static_cast<size_t>(std::atoi(argv[7])), std::atoi(argv[8])),
                      progress);
  } catch (const Error& error) {
    std::fprintf(stderr, "%s\n", error.what());
    return static_cast<int>(error.code());
  }
  return 0;
}
