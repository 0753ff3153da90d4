// generate --verify: the table of what was compared.
#include "app/command.h"
#include "thoughtrank/pipeline/verify.h"

namespace thoughtrank {

namespace {

// 17 digits tell any two doubles apart.
std::string describe(const std::optional<TokenChoice>& token) {
  if (!token) return "none: the branch broke off";
  return fmt::format(
      "id {} log p {:.17g} margin {:.17g}", token->id, token->log_probability, token->margin);
}

std::string describe(const VerifyNames& names, const VariantResult& result) {
  if (!result.difference) return "equal";
  const TokenDifference& difference = *result.difference;
  return fmt::format(
      "{} of {} branches differ{}; first: prompt {}, branch {}, token {}: {}; "
      "reference: {}",
      result.differing_branches,
      result.branches,
      result.is_promised ? "" : fmt::format(" ({} does not promise it)", names.dtype),
      names.prompts.at(static_cast<size_t>(difference.group)),
      names.chars.at(static_cast<size_t>(difference.branch)),
      difference.token,
      describe(difference.found),
      describe(difference.expected));
}

struct Tally {
  int64_t promised = 0, broken = 0, not_promised = 0, not_equal = 0, tokens = 0;

  void add(const VariantResult& result) {
    const int64_t differs = result.difference ? 1 : 0;
    (result.is_promised ? promised : not_promised) += 1;
    (result.is_promised ? broken : not_equal) += differs;
    tokens += result.tokens;
  }
};

std::string row(const VariantResult& result, const std::string& outcome) {
  return fmt::format("{:<16}{:>5}{:>9}{:>10}{:>9}  {}\n",
                     result.name,
                     result.slots,
                     result.threads,
                     result.branches,
                     result.tokens,
                     outcome);
}

std::string closing_line(const Tally& tally, const std::string& dtype) {
  std::string line = fmt::format("{}: {} of {} promised variants equal the reference in every bit",
                                 dtype,
                                 tally.promised - tally.broken,
                                 tally.promised);
  if (tally.not_promised > 0) {
    line += fmt::format(", and {} of {} that are not promised",
                        tally.not_promised - tally.not_equal,
                        tally.not_promised);
  }
  return line + fmt::format("; {} tokens compared\n", tally.tokens);
}

}  // namespace

void verify_command(App& app, int64_t new_tokens) {
  Tally tally;
  std::string dtype;
  const auto take = [&](const VerifyNames& names, const VariantResult& result) {
    if (dtype.empty()) {
      dtype = names.dtype;
      print(fmt::format("{:<16}slots  threads  branches  tokens  id, log p, margin: bit by bit\n",
                        "variant"));
      return print(row(result, "-"));
    }
    tally.add(result);
    print(row(result, describe(names, result)));
  };
  const bool holds = verify_generation(load_config(app.source),
                                       {.prompts = app.limit.value_or(1), .new_tokens = new_tokens},
                                       {.take = take, .clock = app.clock, .stop = app.stop});
  print(closing_line(tally, dtype));
  if (holds) return;
  fail(ExitCode::kInternal,
       "generate --verify: {} of {} variants that {} promises to be equal differ from the "
       "reference. The variants that differ name what the branches wrongly depend on: a defect of "
       "this program on this machine; report the table above with the CPU's name.",
       tally.broken,
       tally.promised,
       dtype);
}

}  // namespace thoughtrank
