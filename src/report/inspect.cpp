#include "thoughtrank/report/inspect.h"

#include <algorithm>
#include <map>

#include "report/audit_block.h"
#include "report/columns.h"
#include "thoughtrank/core/files.h"
#include "thoughtrank/core/utf8.h"
#include "thoughtrank/data/jsonl.h"
#include "thoughtrank/data/run_folder.h"

namespace thoughtrank {

namespace {

// One prompt with its branches and, once judged, its ranking.
struct PromptView {
  PromptRow prompt;
  std::vector<OutputRow> outputs;
  std::optional<BestOutputRow> best;
};

std::vector<PromptView> read_round(const RunFolder& folder, int64_t round) {
  std::vector<PromptView> views;
  std::map<std::string, size_t> position;
  for (PromptRow& row : read_rows<PromptRow>(folder.file(round, RoundFile::prompts))) {
    position[row.prompt_id] = views.size();
    views.push_back({.prompt = std::move(row), .outputs = {}, .best = std::nullopt});
  }
  for (OutputRow& row : read_rows<OutputRow>(folder.file(round, RoundFile::outputs))) {
    views.at(position.at(row.prompt_id)).outputs.push_back(std::move(row));
  }
  const fs::path best = folder.file(round, RoundFile::best_outputs);
  if (!fs::exists(best)) return views;
  for (BestOutputRow& row : read_rows<BestOutputRow>(best)) {
    views.at(position.at(row.prompt_id)).best = std::move(row);
  }
  return views;
}

int64_t newest_round(const RunFolder& folder) {
  int64_t newest = 0;
  for (int64_t round = 1; round <= 99; ++round) {
    if (fs::exists(folder.file(round, RoundFile::outputs))) newest = round;
  }
  if (newest > 0) return newest;
  fail(ExitCode::kMissingInput, "{} has no round with outputs yet", folder.root().string());
}

// The first `width` characters on one line.
std::string shorten(const std::string& text, size_t width) {
  std::string line = text;
  std::replace(line.begin(), line.end(), '\n', ' ');
  if (line.size() <= width) return line;
  line.resize(width);
  line.resize(complete_utf8_prefix(line));
  return line + "…";
}

const OutputRow* find_output(const PromptView& view, int64_t branch) {
  for (const OutputRow& row : view.outputs) {
    if (row.branch == branch) return &row;
  }
  return nullptr;
}

std::string overview(const std::vector<PromptView>& views, int64_t round, size_t width) {
  std::string text = fmt::format(
      "round {}: {} prompts; --prompt ID shows the candidates of one\n\n", round, views.size());
  for (const PromptView& view : views) {
    text += fmt::format("{}  {}\n", view.prompt.prompt_id, shorten(view.prompt.prompt, width));
    if (!view.best) continue;
    const OutputRow* winner = find_output(view, view.best->winner);
    text +=
        fmt::format("    {}{}{}\n",
                    word_of(view.best->status, kSelectionStatuses),
                    view.best->reason.empty() ? "" : " (" + view.best->reason + ")",
                    winner == nullptr
                        ? ""
                        : fmt::format(": '{}' {}", winner->char_, shorten(winner->answer, width)));
  }
  return text;
}

std::string candidate(const OutputRow& row,
                      const std::string& rank,
                      const InspectOptions& options) {
  const auto width = static_cast<size_t>(options.width);
  const auto body = [&](const std::string& text) {
    return options.shows_all ? text : shorten(text, width);
  };
  return fmt::format(
      "{} '{}'  thought ends by {}, answer by {}, logprob {:.1f}\n    thought: {}\n    answer:  "
      "{}\n",
      rank,
      row.char_,
      word_of(row.thought_end, kThoughtEnds),
      word_of(row.finish, kFinishes),
      row.answer_logprob,
      body(row.thought),
      body(row.answer));
}

// Ranked items first, best on top; then the branches that were not ranked (duplicates, dropped
// ones).
std::string one_prompt(const PromptView& view, const InspectOptions& options) {
  constexpr size_t kShown = 5;
  std::string text = fmt::format("{}\n{}\n\n", view.prompt.prompt_id, view.prompt.prompt);
  if (view.best) {
    text += fmt::format("{}{}\n\n",
                        word_of(view.best->status, kSelectionStatuses),
                        view.best->reason.empty() ? "" : ": " + view.best->reason);
  }
  std::vector<int64_t> shown;
  size_t rank = 0;
  for (const RankedItem& item : view.best ? view.best->items : std::vector<RankedItem>{}) {
    if (++rank > kShown && !options.shows_all) break;
    const OutputRow* row = find_output(view, item.branch);
    if (row == nullptr) continue;
    shown.push_back(item.branch);
    const std::string times = item.multiplicity > 1 ? fmt::format(" ×{}", item.multiplicity) : "";
    text += candidate(*row, fmt::format("{:>2}. {:+.3f}{}", rank, item.utility, times), options);
  }
  const size_t most = options.shows_all || !view.best ? view.outputs.size() : kShown;
  for (const OutputRow& row : view.outputs) {  // where nothing is ranked, the first ones
    if (shown.size() >= most) break;
    if (std::find(shown.begin(), shown.end(), row.branch) != shown.end()) continue;
    if (!options.shows_all && view.best && !view.best->items.empty()) break;
    shown.push_back(row.branch);
    text += candidate(row, "  -", options);
  }
  if (!options.shows_all && view.best) {
    text +=
        fmt::format("\n{} branches in all; --all shows every one in full\n", view.outputs.size());
  }
  return text;
}

}  // namespace

std::string inspect_run(const fs::path& run_dir, const InspectOptions& options) {
  const RunFolder folder{run_dir};
  const int64_t round = options.round ? *options.round : newest_round(folder);
  const auto views = read_round(folder, round);
  if (options.prompt_id.empty()) {
    std::string text = overview(views, round, static_cast<size_t>(options.width));
    const fs::path audit = folder.file(round, RoundFile::audit);
    if (fs::exists(audit)) {
      text += "\n" + format_audit(parse_json(read_file(audit), audit.string()), audit.string());
    }
    return printable(text);
  }
  for (const PromptView& view : views) {
    if (view.prompt.prompt_id == options.prompt_id) return printable(one_prompt(view, options));
  }
  fail(ExitCode::kMissingInput, "round {} has no prompt '{}'", round, options.prompt_id);
}

}  // namespace thoughtrank
