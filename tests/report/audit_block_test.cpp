#include "report/audit_block.h"

#include <gtest/gtest.h>

#include <vector>

#include "support/expect_error.h"

namespace thoughtrank {
namespace {

Json mean(double value, double error, int64_t count) {
  return {{"mean", value}, {"error", error}, {"count", count}};
}

Json ranking_judge(const std::string& name) {
  return {{"judge", name},
          {"calls", 120},
          {"sigma", 0.876},
          {"length_effect", nullptr},
          {"flip_rate", nullptr},
          {"kendall_tau", nullptr},
          {"position", mean(-0.251, 0.049, 120)},
          {"planted_errors", nullptr},
          {"duplicate_gap", nullptr},
          {"abstained", 0},
          {"malformed", 0.0125}};
}

Json audit_of(const std::vector<Json>& judges) {
  return {{"round", 3},
          {"judges", judges},
          {"agreement", Json::array()},
          {"length_correlation", nullptr},
          {"chosen_minus_median_length", nullptr},
          {"findings", Json::array()}};
}

TEST(AuditBlock, WhatWasNotMeasuredIsSaidSo) {
  EXPECT_EQ(format_audit(audit_of({ranking_judge("openai:x")}), "audit.json"),
            "audit of round 3's judging\n"
            "  openai:x: 120 calls, sigma 0.88 (how far it tells answers apart), abstained 0.0 %, "
            "malformed 1.2 %\n"
            "    place shown and place given correlate by -0.25 ± 0.05; no set was shown twice; "
            "nothing was planted\n");
}

TEST(AuditBlock, WhatWasMeasuredComesWithItsError) {
  Json judge = ranking_judge("openai:x");
  judge["length_effect"] = -0.104;
  judge["position"] = nullptr;
  judge["flip_rate"] = mean(0.5, 0.25, 2);
  judge["kendall_tau"] = mean(0.6, 0.1, 2);
  judge["planted_errors"] = mean(0, 0, 4);
  judge["duplicate_gap"] = mean(1.25, 0.5, 4);
  const std::string text = format_audit(audit_of({judge}), "audit.json");
  for (const char* part : {", length -0.10 taken out, abstained",
                           "correlate by -; 2 sets shown twice: first place changed 0.50 ± 0.25, "
                           "Kendall's tau 0.60 ± 0.10",
                           "4 planted sets: nonsense in the better half 0.00 ± 0.00, duplicates "
                           "apart 1.25 ± 0.50\n"}) {
    EXPECT_NE(text.find(part), std::string::npos) << part << "\nnot in:\n" << text;
  }
}

TEST(AuditBlock, JudgesThatGiveScoresHaveOneLine) {
  const Json judge = {{"judge", "reference"}, {"sigma", nullptr}};
  EXPECT_EQ(format_audit(audit_of({judge}), "audit.json"),
            "audit of round 3's judging\n  reference: gives scores\n");
}

TEST(AuditBlock, TwoJudgesTheirAgreementAndTheFindings) {
  Json audit = audit_of({ranking_judge("openai:x"), ranking_judge("anthropic:y")});
  audit["agreement"] = {{{"judges", {"openai:x", "anthropic:y"}},
                         {"other_first", mean(0.4, 0.1, 30)},
                         {"kendall_tau", mean(0.31, 0.02, 30)}}};
  audit["length_correlation"] = mean(0.2, 0.05, 60);
  audit["chosen_minus_median_length"] = mean(35.5, 12.25, 60);
  audit["findings"] = {"first finding", "second finding"};
  const std::string text = format_audit(audit, "audit.json");
  EXPECT_LT(text.find("  openai:x: "), text.find("  anthropic:y: "));
  const std::string end =
      "  openai:x and anthropic:y: another first place in 0.40 ± 0.10, Kendall's tau 0.31 ± 0.02\n"
      "  length and utility correlate by 0.20 ± 0.05\n"
      "  winners are 35.50 ± 12.25 bytes longer than the median answer\n"
      "  ! first finding\n"
      "  ! second finding\n";
  EXPECT_EQ(text.substr(text.size() - std::min(text.size(), end.size())), end) << text;
}

TEST(AuditBlock, EveryMissingKeyIsNamedWithItsFile) {
  const Json whole = audit_of({ranking_judge("openai:x")});
  for (const auto& [key, value] : whole.items()) {
    Json damaged = whole;
    damaged.erase(key);
    expect_error([&] { (void)format_audit(damaged, "round-03/audit.json"); },
                 ExitCode::kBadData,
                 {"round-03/audit.json", "'" + key + "'"});
  }
  for (const char* key : {"judge", "calls", "sigma", "position", "abstained", "malformed"}) {
    Json damaged = whole;
    damaged["judges"][0].erase(key);
    expect_error([&] { (void)format_audit(damaged, "audit.json"); }, ExitCode::kBadData, key);
  }
}

}  // namespace
}  // namespace thoughtrank
