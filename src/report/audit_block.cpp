#include "report/audit_block.h"

namespace thoughtrank {

namespace {

// "+0.12 ± 0.03", or "-" where nothing was measured.
std::string mean_text(const Json& object, const char* key, const std::string& where) {
  const Json& mean = require(object, key, where);
  if (mean.is_null()) return "-";
  return fmt::format(
      "{:.2f} ± {:.2f}", require_number(mean, "mean", where), require_number(mean, "error", where));
}

int64_t count_of(const Json& object, const char* key, const std::string& where) {
  const Json& mean = require(object, key, where);
  return mean.is_null() ? 0 : require_int(mean, "count", 0, INT64_MAX, where);
}

// Of judge.length_control: what a deviation more of length is worth to the judge.
std::string length_text(const Json& judge, const std::string& where) {
  if (!judge.contains("length_effect") || judge.at("length_effect").is_null()) return "";
  return fmt::format(", length {:+.2f} taken out", require_number(judge, "length_effect", where));
}

std::string repeats_text(const Json& judge, const std::string& where) {
  const int64_t sets = count_of(judge, "flip_rate", where);
  if (sets == 0) return "no set was shown twice";
  return fmt::format("{} sets shown twice: first place changed {}, Kendall's tau {}",
                     sets,
                     mean_text(judge, "flip_rate", where),
                     mean_text(judge, "kendall_tau", where));
}

std::string planted_text(const Json& judge, const std::string& where) {
  const int64_t sets = count_of(judge, "planted_errors", where);
  if (sets == 0) return "nothing was planted";
  return fmt::format("{} planted sets: nonsense in the better half {}, duplicates apart {}",
                     sets,
                     mean_text(judge, "planted_errors", where),
                     mean_text(judge, "duplicate_gap", where));
}

std::string judge_lines(const Json& judge, const std::string& where) {
  const Json& sigma = require(judge, "sigma", where);
  if (sigma.is_null()) {
    return fmt::format("  {}: gives scores\n", require_string(judge, "judge", where));
  }
  return fmt::format(
      "  {}: {} calls, sigma {:.2f} (how far it tells answers apart){}, abstained {:.1f} %, "
      "malformed {:.1f} %\n"
      "    place shown and place given correlate by {}; {}; {}\n",
      require_string(judge, "judge", where),
      require_int(judge, "calls", 0, INT64_MAX, where),
      sigma.get<double>(),
      length_text(judge, where),
      100 * require_number(judge, "abstained", where),
      100 * require_number(judge, "malformed", where),
      mean_text(judge, "position", where),
      repeats_text(judge, where),
      planted_text(judge, where));
}

}  // namespace

std::string format_audit(const Json& audit, const std::string& where) {
  std::string text = fmt::format("audit of round {}'s judging\n",
                                 require_int(audit, "round", 0, INT64_MAX, where));
  for (const Json& judge : require(audit, "judges", where)) text += judge_lines(judge, where);
  for (const Json& pair : require(audit, "agreement", where)) {
    const Json& names = require(pair, "judges", where);
    text += fmt::format("  {} and {}: another first place in {}, Kendall's tau {}\n",
                        names.at(0).get<std::string>(),
                        names.at(1).get<std::string>(),
                        mean_text(pair, "other_first", where),
                        mean_text(pair, "kendall_tau", where));
  }
  if (count_of(audit, "length_correlation", where) > 0) {
    text += fmt::format("  length and utility correlate by {}\n",
                        mean_text(audit, "length_correlation", where));
  }
  if (count_of(audit, "chosen_minus_median_length", where) > 0) {
    text += fmt::format("  winners are {} bytes longer than the median answer\n",
                        mean_text(audit, "chosen_minus_median_length", where));
  }
  for (const Json& finding : require(audit, "findings", where)) {
    text += "  ! " + finding.get<std::string>() + "\n";
  }
  return text;
}

}  // namespace thoughtrank
