#include "pipeline/session.h"

#include <algorithm>
#include <set>

#include "pipeline/freeze.h"
#include "pipeline/shown_prompts.h"
#include "pipeline/tasks.h"
#include "pipeline/training_rows.h"
#include "thoughtrank/core/files.h"
#include "thoughtrank/core/log.h"
#include "thoughtrank/data/jsonl.h"
#include "thoughtrank/model/llama.h"

namespace thoughtrank {

fs::path Session::model_folder(int64_t round) const {
  return round == 0 ? fs::path(config.model.path) : folder.checkpoint(round);
}

namespace {

void warn_left_out(const PromptPlan& plan, const std::string& reason) {
  constexpr size_t kNamed = 5;
  if (plan.left_out.empty()) return;
  const size_t named = std::min(kNamed, plan.left_out.size());
  const std::vector<std::string> first(plan.left_out.begin(),
                                       plan.left_out.begin() + static_cast<ptrdiff_t>(named));
  log_warning("{} prompts are left out: '{}'{}. The first: {}",
              plan.left_out.size(),
              fmt::join(first, "', '"),
              plan.left_out.size() > named ? ", …" : "",
              reason);
}

void check_reference_answers(const RunConfig& config, const PromptPlan& plan) {
  if (config.judge.first.kind != JudgeKind::reference) return;
  for (const PromptRow& prompt : plan.holdout)
    require_reference(prompt, config.judge.match, config.prompts.path);
  for (const auto& round : plan.rounds) {
    for (const PromptRow& prompt : round)
      require_reference(prompt, config.judge.match, config.prompts.path);
  }
}

// Error(kConfig) where training could refuse a row as too long, after all has been generated and
// judged. A pair of objective dpo_nll is trained on together.
void require_rows_fit(const RunConfig& config, const ModelTexts& texts, const PromptPlan& plan) {
  const int64_t rows = config.train.objective == Objective::dpo_nll ? 2 : 1;
  const int64_t branch = longest_branch(config, texts);
  const PromptRow* longest = nullptr;
  int64_t longer = 0;
  for (const auto& round : plan.rounds) {
    for (const PromptRow& prompt : round) {
      const int64_t tokens = rows * (std::ssize(prompt.token_ids) + branch);
      if (tokens <= config.train.sequence_length) continue;
      ++longer;
      const bool is_longest =
          longest == nullptr || prompt.token_ids.size() > longest->token_ids.size();
      if (is_longest) longest = &prompt;
    }
  }
  if (longest == nullptr) return;
  const int64_t prompt = std::ssize(longest->token_ids);
  fail(ExitCode::kConfig,
       "train.sequence_length is {}, but a {} of prompt '{}' can have {} tokens ({} of the prompt, "
       "{} of thought and answer{}); {} prompts can pass it. Raise train.sequence_length to {}, or "
       "lower generate.answer_tokens or thought_tokens",
       config.train.sequence_length,
       rows == 1 ? "row" : "pair",
       longest->prompt_id,
       rows * (prompt + branch),
       prompt,
       branch,
       rows == 1 ? "" : ", twice",
       longer,
       rows * (prompt + branch));
}

// Room for the two newest checkpoints. The optimizer's state and each checkpoint ask again with
// their own sizes when they are written.
void require_space(const RunConfig& config, const RunFolder& folder) {
  const auto weights = SafetensorsReader::open_model(config.model.path);
  uint64_t bytes = 0;
  for (const auto& [name, tensor] : weights.tensors()) bytes += tensor.bytes;
  require_free_space(folder.root(), 2 * bytes);
}

void check_pinned_weights(const RunConfig& config, const std::string& found) {
  if (config.model.sha256.empty() || config.model.sha256 == found) return;
  fail(ExitCode::kConfig,
       "model.sha256 pins {}, but the weights of {} are {}",
       config.model.sha256,
       config.model.path,
       found);
}

}  // namespace

std::string examples_sha256(const RunConfig& config, const ChatTemplate& t) {
  const std::string& path = config.prompts.examples.path;
  return path.empty() ? "" : sha256(sha256_file(path) + t.example_close);
}

std::string template_sha256(const ChatTemplate& t) {
  const Json pieces = {t.bos,
                       t.system_open,
                       t.system_close,
                       t.default_system,
                       t.user_open,
                       t.user_close,
                       t.assistant_open,
                       t.assistant_close,
                       t.stop,
                       t.jinja};
  return sha256(dump_json(pieces));
}

namespace {

// `rubric_name` names the rubric of the n-th further judge.
template <class RubricName>
std::string texts_sha256_with(const RunConfig& config, const RubricName& rubric_name) {
  Json digests = Json::object();
  for (const char* name : {"config.json",
                           "generation_config.json",
                           "tokenizer.json",
                           "tokenizer.model",
                           "tokenizer_config.json",
                           "added_tokens.json"}) {
    const fs::path file = fs::path(config.model.path) / name;
    if (fs::exists(file)) digests[name] = sha256_file(file);
  }
  const std::string& rubric = config.judge.first.rubric;
  if (!rubric.empty()) digests["rubric"] = sha256_file(rubric);
  for (size_t n = 0; n < config.judge.others.size(); ++n) {
    const std::string& file = config.judge.others[n].rubric;
    if (!file.empty()) digests["rubric " + rubric_name(n, file)] = sha256_file(file);
  }
  return sha256(dump_json(digests));
}

}  // namespace

// By number: a path may change.
std::string texts_sha256(const RunConfig& config) {
  return texts_sha256_with(config, [](size_t n, const std::string&) { return std::to_string(n); });
}

namespace {

std::string replay_sha256(const RunConfig& config) {
  const std::string& path = config.train.replay.path;
  return path.empty() ? "" : sha256_file(path);
}

// Error(kIo) before the first work where a stage could not publish what it has made.
void describe_file_system(const RunFolder& folder, const RunLock& lock) {
  const FileSystemTraits traits = try_file_system(folder.root());
  if (lock.is_by_name()) {
    log_warning("{}: this file system has no flock; LOCK.held says that the run is in use",
                folder.root().string());
  }
  if (!traits.renames_at_once) {
    log_debug("{}: this file system cannot rename without replacing; the run's lock does for it",
              folder.root().string());
  }
  if (!traits.syncs_folders) {
    log_warning(
        "{}: this file system does not make names durable: a power cut may cost the newest "
        "stage, which is then made again",
        folder.root().string());
  }
}

void tidy(const RunFolder& folder) {
  remove_leftovers(folder.root());
  for (const auto& entry : fs::directory_iterator(folder.root())) {
    if (entry.is_directory()) remove_leftovers(entry.path());
  }
}

}  // namespace

namespace {

// What `work` gives; its Error with what is to blame behind it.
template <class Work>
auto at_fault(const std::string& blamed, const Work& work) {
  try {
    return work();
  } catch (const Error& error) {
    throw Error(error.code(), error.what() + blamed);
  }
}

}  // namespace

namespace {

// A question that is shown with its answer measures nothing.
void warn_of_shown_questions(const RunConfig& config, const PromptPlan& plan) {
  std::set<std::string> shown;
  for (const ChatTurn& example : plan.examples) shown.insert(example.user);
  const auto count = [&](const std::vector<PromptRow>& prompts) {
    return std::count_if(prompts.begin(), prompts.end(), [&](const PromptRow& prompt) {
      return shown.contains(prompt.prompt);
    });
  };
  int64_t trained = 0;
  for (const std::vector<PromptRow>& round : plan.rounds) trained += count(round);
  const int64_t held_out = count(plan.holdout);
  if (held_out + trained == 0) return;
  log_warning(
      "{}: of the worked examples' questions {} are held out and {} are trained on: take "
      "others, the model is shown their answers",
      config.prompts.examples.path,
      held_out,
      trained);
}

}  // namespace

PromptPlan load_prompts(const RunConfig& config, const ModelTexts& texts) {
  require_branch_rows(config.branches, *texts.tokenizer);
  std::vector<ChatTurn> examples = load_examples(config);
  std::string reason, blamed;
  const auto encode = [&](PromptRow& prompt) {
    const TokenIds alone = texts.prompt_ids(prompt);
    prompt.token_ids = examples.empty() ? alone : texts.prompt_ids(prompt, examples);
    const std::string misfit = context_misfit(config, texts, prompt);
    if (!misfit.empty() && !examples.empty() && blamed.empty()) {
      blamed = fmt::format(" {} of a prompt's tokens are worked examples: shorten those in {}",
                           prompt.token_ids.size() - alone.size(),
                           config.prompts.examples.path);
    }
    if (reason.empty() && !misfit.empty()) reason = misfit + blamed;
    if (!config.prompts.examples.train) prompt.token_ids = alone;
    return misfit.empty();
  };
  PromptPlan plan = at_fault(blamed, [&] {
    return plan_prompts(
        read_prompt_file(config.prompts.path, config.prompts.drop_repeats), config, encode);
  });
  plan.examples = std::move(examples);
  warn_of_shown_questions(config, plan);
  check_reference_answers(config, plan);
  // Their loss is followed over the rounds: a token that the model has no row for is told here.
  for (const PromptRow& prompt : plan.holdout) (void)texts.tokenizer->encode(prompt.answer);
  require_rows_fit(config, texts, plan);
  warn_left_out(plan, reason);
  return plan;
}

Generator make_generator(const Session& session,
                         Decoder& decoder,
                         const std::string& model_sha256,
                         int64_t round,
                         const std::optional<GenerateOptions>& budget) {
  return {decoder,
          {.tokenizer = *session.texts.tokenizer,
           .branches = session.config.branches,
           .generate = budget.value_or(session.config.generate),
           .eos_ids = session.texts.eos_ids,
           .model_sha256 = model_sha256,
           .round = round,
           .seed = session.config.seed}};
}

std::unique_ptr<Judge> open_judge(Session& session, int64_t round) {
  return open_judge(session, round, session.stop);
}

std::unique_ptr<Judge> open_judge(Session& session, int64_t round, const StopFlag& stop) {
  const auto& config = session.config;
  AnswerScorer scorer;
  if (config.judge.first.kind == JudgeKind::likelihood) {
    scorer =
        make_likelihood_scorer(session.texts, config.model.path, session.compute, session.stop);
  }
  auto judge = std::make_unique<Judge>(Judge::Setup{.options = config.judge,
                                                    .select = config.select,
                                                    .seed = static_cast<uint64_t>(config.seed),
                                                    .round = round,
                                                    .ledger = session.folder.ledger(),
                                                    .batch_export = session.options.batch.to,
                                                    .scorer = std::move(scorer),
                                                    .clock = session.clock,
                                                    .stop = stop});
  if (config.judge.max_usd > 0 && judge->spent_usd() > config.judge.max_usd) {
    fail(ExitCode::kConfig,
         "judge.max_usd is {}, but this run has already spent {:.4f}",
         config.judge.max_usd,
         judge->spent_usd());
  }
  return judge;
}

void require_judge(Session& session, int64_t round) { (void)open_judge(session, round); }

std::unique_ptr<Session> open_session(const RunConfig& config,
                                      const SessionOptions& options,
                                      Clock& clock,
                                      const StopFlag& stop) {
  hide_judge_keys(config.judge);  // before a library could start a thread or a program
  ModelTexts texts = load_model_texts(config.model.path, config.chat_template);
  (void)open_llama_weights(config.model.path);  // the names first: hashing takes longer
  PromptPlan prompts = load_prompts(config, texts);
  std::vector<TrainingRow> replay = read_replay(config, texts);
  std::vector<LoadedTask> tasks = load_tasks(config, texts);
  for (const LoadedTask& task : tasks) {
    if (const int64_t known = trained_questions(task, prompts); known > 0) {
      log_warning("evaluate.tasks {}: {} of its questions are prompts that this run trains on",
                  task.options.name,
                  known);
    }
  }
  require_licence(config.model.path, config.run_dir, config.is_private);
  const RunIdentity identity = {.model_sha256 = weights_sha256(config.model.path),
                                .prompts_sha256 = sha256_file(config.prompts.path),
                                .template_sha256 = template_sha256(texts.chat_template),
                                .texts_sha256 = texts_sha256(config),
                                .earlier_texts_sha256 = texts_sha256_with(
                                    config, [](size_t, const std::string& file) { return file; }),
                                .replay_sha256 = replay_sha256(config),
                                .examples_sha256 = examples_sha256(config, texts.chat_template),
                                .tasks_sha256 = tasks_sha256(config)};
  check_pinned_weights(config, identity.model_sha256);
  const ComputeSetup compute = resolve_compute(config, texts.model);

  RunFolder folder{config.run_dir};
  fs::create_directories(folder.root());
  auto lock = std::make_unique<RunLock>(folder.root());
  // Only whoever has the lock knows that leftovers are no work in progress.
  tidy(folder);
  describe_file_system(folder, *lock);
  const ComputeSetup frozen =
      freeze_or_check(folder.frozen(), config, compute, identity, clock.utc_time());
  use_compute(frozen);
  require_space(config, folder);
  return std::unique_ptr<Session>(new Session{.config = config,
                                              .compute = frozen,
                                              .folder = folder,
                                              .lock = std::move(lock),
                                              .log = RunLog(folder.journal()),
                                              .texts = std::move(texts),
                                              .prompts = std::move(prompts),
                                              .replay = std::move(replay),
                                              .tasks = std::move(tasks),
                                              .clock = clock,
                                              .stop = stop,
                                              .options = options});
}

}  // namespace thoughtrank
