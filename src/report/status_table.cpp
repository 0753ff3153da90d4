// The words and columns of `status`.
#include <algorithm>
#include <map>

#include "report/columns.h"
#include "thoughtrank/core/error.h"
#include "thoughtrank/core/progress.h"
#include "thoughtrank/core/utf8.h"
#include "thoughtrank/data/cut_answers.h"
#include "thoughtrank/data/telling.h"
#include "thoughtrank/report/status.h"

namespace thoughtrank {

namespace {

std::string duration(double seconds) {
  return seconds < 59.95 ? fmt::format("{:.1f}s", seconds) : format_duration(seconds);
}

std::string rate_text(double rate) {
  return rate < 10 ? fmt::format("{:.2f}", rate) : fmt::format("{:.0f}", rate);
}

std::string describe(const StageStatus& stage) {
  switch (stage.state) {
    case StageStatus::State::waiting:
      return "-";
    case StageStatus::State::begun:
      if (!stage.reason.empty()) return "stopped";
      if (stage.done == 0) return "begun";
      return fmt::format(
          "begun, {} {}", stage.done, stage.stage == Stage::generate ? "branches" : "answers");
    case StageStatus::State::finished:
      return fmt::format(
          "{} ({} {}/s)", duration(stage.seconds), rate_text(stage.rate), stage.unit);
  }
  return "";
}

std::string interval(const std::optional<MeanWithInterval>& mean) {
  if (!mean) return "-";
  if (mean->count < kTellingQuestions) return fmt::format("about {:.1f}", mean->mean);
  return fmt::format("{:.3f} [{:.3f}, {:.3f}]", mean->mean, mean->low, mean->high);
}

std::string losses(const RoundStatus& round) {
  if (!round.loss_before || !round.loss_after) return "-";
  return fmt::format("{:.4f} -> {:.4f}", *round.loss_before, *round.loss_after);
}

std::vector<std::string> stage_row(const RoundStatus& round) {
  std::vector<std::string> row = {fmt::format("{}", round.round)};
  for (const Stage stage : kStages) {
    std::string text = "";
    for (const StageStatus& status : round.stages) {
      if (status.stage == stage) text = describe(status);
    }
    row.push_back(text);
  }
  return row;
}

std::vector<std::string> result_row(const RoundStatus& round) {
  const auto& heldout = round.win_rate ? round.win_rate : round.score;
  const int64_t judged = round.trained + round.uncertain + round.skipped + round.no_candidates;
  return {fmt::format("{}", round.round),
          judged == 0 ? "-" : fmt::format("{} of {}", round.trained, judged),
          round.steps == 0 ? "-" : fmt::format("{}", round.steps),
          losses(round),
          interval(heldout),
          interval(round.heldout_loss),
          round.kl_to_round_0 ? fmt::format("{:.3f}", *round.kl_to_round_0) : "-",
          round.usd == 0 ? "-" : fmt::format("{:.4f}", round.usd)};
}

std::string reasons(const RunStatus& status) {
  std::string text;
  for (const RoundStatus& round : status.history) {
    for (const StageStatus& stage : round.stages) {
      if (stage.reason.empty()) continue;
      text += fmt::format("\n{} stopped: {}\n", stage_name(stage.stage), stage.reason);
    }
  }
  return text;
}

// What of the newest evaluation that is there asks for a word.
std::string cut_line(const RunStatus& status) {
  for (auto round = status.history.rbegin(); round != status.history.rend(); ++round) {
    if (round->heldout_answers == 0) continue;
    const std::string text =
        heldout_cut_text(round->heldout_cut, round->heldout_answers, round->round);
    return text.empty() ? "" : "\n" + text + "\n";
  }
  return "";
}

// How the untrained model does, asked in each form.
std::string forms_text(const RoundStatus& untrained) {
  if (untrained.forms.empty()) return "";
  const char* value = untrained.forms_are_wins ? "wins against direct [95 %]" : "score [95 %]";
  std::vector<std::vector<std::string>> rows = {{"untrained model, held-out", value, ""}};
  for (const FormStatus& form : untrained.forms) {
    std::string name = form.name;
    std::replace(name.begin(), name.end(), '_', ' ');
    rows.push_back({name,
                    interval(form.result),
                    form.is_anchor ? "its best: what rounds are compared with" : ""});
  }
  return "\n" + columns(rows);
}

// A line for each task: right answers by round, those of round 0 with the form.
std::string tasks_text(const RunStatus& status) {
  std::vector<std::string> head = {"tasks, right [95 %]"};
  std::vector<std::vector<std::string>> rows;
  std::map<std::string, size_t> row_of;
  for (const RoundStatus& round : status.history) {
    if (round.tasks.empty()) continue;
    head.push_back(fmt::format("round {}", round.round));
    for (const TaskStatus& task : round.tasks) {
      const auto [row, is_new] = row_of.try_emplace(task.name, rows.size());
      if (is_new) rows.push_back({fmt::format("{} ({})", task.name, task.right.count)});
      std::string form = round.round == 0 ? " " + task.form : "";
      std::replace(form.begin(), form.end(), '_', ' ');
      rows[row->second].resize(head.size() - 1, "-");
      rows[row->second].push_back(interval(task.right) + form);
    }
  }
  if (rows.empty()) return "";
  for (auto& row : rows) row.resize(head.size(), "-");
  rows.insert(rows.begin(), head);
  return "\n" + columns(rows);
}

std::string few_prompts_line(const RunStatus& status) {
  for (const RoundStatus& round : status.history) {
    const int64_t prompts = round.heldout_prompts;
    if (prompts == 0 || prompts >= kTellingQuestions) continue;
    return fmt::format(
        "\n{} held-out prompts tell nothing of the model: raise prompts.holdout (150 show a "
        "difference of 11 points)\n",
        prompts);
  }
  return "";
}

// A text of the newest round that has it; "" where none has.
std::string newest(const RunStatus& status, std::string RoundStatus::*text) {
  std::string found;
  for (const RoundStatus& round : status.history) {
    if (!(round.*text).empty()) found = round.*text;
  }
  return found;
}

std::string state_of(const RunStatus& status) {
  if (!status.holder.empty()) return "running (" + status.holder + ")";
  return status.is_finished() ? "finished" : "not finished; the command that began it goes on";
}

// Empty for a run whose judge costs nothing.
std::string money_line(const MoneyStatus& money) {
  if (money.spent == 0 && money.reserved == 0) return {};
  return fmt::format(
      "\nusd: {:.4f} spent, {:.4f} reserved, {:.4f} saved by the ledger, about {:.4f} saved "
      "by deduplication\n",
      money.spent,
      money.reserved,
      money.saved_by_ledger,
      money.saved_by_deduplication);
}

}  // namespace

std::string format_status(const RunStatus& status) {
  std::vector<std::vector<std::string>> stages = {
      {"round", "generate", "judge", "train", "evaluate"}};
  bool compares = false;
  for (const RoundStatus& round : status.history) {
    stages.push_back(stage_row(round));
    compares = compares || round.win_rate;
  }
  std::vector<std::vector<std::string>> results = {
      {"round",
       "winners",
       "steps",
       "loss on winners",
       compares ? "held-out win rate [95 %]" : "held-out score [95 %]",
       "loss without thought [95 %]",
       "KL to round 0",
       "usd"}};
  for (const RoundStatus& round : status.history) results.push_back(result_row(round));
  std::string text = fmt::format("{}  {} rounds, judge {}: {}\n\n",
                                 status.run_dir,
                                 status.rounds,
                                 status.judge,
                                 state_of(status));
  text += columns(stages) + "\n" + columns(results) + money_line(status.money) + reasons(status);
  if (status.money.waiting_calls > 0) {
    text += fmt::format("\n{} judge calls are in a batch file: --import their results\n",
                        status.money.waiting_calls);
  }
  text += forms_text(status.history.front()) + tasks_text(status) + few_prompts_line(status) +
          cut_line(status);
  for (const auto block : {&RoundStatus::summary, &RoundStatus::audit}) {
    if (const std::string lines = newest(status, block); !lines.empty()) text += "\n" + lines;
  }
  const std::string checkpoint = newest(status, &RoundStatus::checkpoint);
  if (!checkpoint.empty()) text += "\nnewest checkpoint: " + checkpoint + "\n";
  return printable(text);
}

}  // namespace thoughtrank
