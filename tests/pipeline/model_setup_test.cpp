#include "thoughtrank/pipeline/model_setup.h"

#include "pipeline/tiny_run.h"

namespace thoughtrank {
namespace {

PromptRow ask(const std::string& text, const std::string& id = "p") {
  PromptRow prompt;
  prompt.prompt_id = id;
  prompt.prompt = text;
  return prompt;
}

// The tiny model with a tokenizer and config of the test's own.
class ModelSetup : public testing::Test {
 protected:
  ModelSetup() {
    for (const char* name : {"config.json", "generation_config.json", "tokenizer_config.json"}) {
      fs::copy_file(fs::path(kTinyModel) / name, folder_ / name);
    }
    write_tokenizer(/*more=*/0);
  }

  static Json read(const fs::path& file) { return parse_json(read_file(file), file.string()); }

  // The tokenizer with so many special tokens more: <|more-0|>, <|more-1|>, …
  void write_tokenizer(int64_t more) const {
    Json tokenizer = read(fs::path(kTinyModel) / "tokenizer.json");
    const auto tokens = std::ssize(tokenizer["model"]["vocab"]);
    for (int64_t n = 0; n < more; ++n) {
      Json token = tokenizer["added_tokens"][0];
      token["id"] = tokens + n;
      token["content"] = fmt::format("<|more-{}|>", n);
      tokenizer["added_tokens"].push_back(token);
    }
    write_plainly(folder_ / "tokenizer.json", dump_json(tokenizer));
  }
  // A model with so many rows less than the tokenizer has tokens.
  void take_rows(int64_t count) const {
    Json config = read(folder_ / "config.json");
    config["vocab_size"] = config["vocab_size"].get<int64_t>() - count;
    write_plainly(folder_ / "config.json", dump_json(config));
  }
  [[nodiscard]] ModelTexts load(const std::string& chat_template = "chatml") const {
    return load_model_texts(folder_.path(), chat_template);
  }

  TemporaryFolder folder_;
};

TEST_F(ModelSetup, TokensBehindTheLastRowAreNoHindrance) {
  const auto before = load_model_texts(kTinyModel, "chatml").prompt_ids(ask("Then <|more-1|>?"));
  write_tokenizer(/*more=*/3);
  const ModelTexts texts = load();
  EXPECT_EQ(texts.prompt_ids(ask("Then <|more-1|>?")), before);  // plain text in a prompt
  EXPECT_EQ(texts.tokenizer->vocabulary_size(), 320);
  EXPECT_NO_THROW(require_branch_rows(BranchOptions(), *texts.tokenizer));
}

TEST_F(ModelSetup, ATokenizerOfAnotherModelIsRefused) {
  write_tokenizer(/*more=*/60);
  expect_error([&] { (void)load(); }, ExitCode::kBadData, {"380 tokens", "vocab_size 320"});
}

TEST_F(ModelSetup, ATokenWithoutARowIsNamedInATemplate) {
  write_tokenizer(/*more=*/2);
  const std::string text = read_file(find_templates_dir() / "chatml.yaml");
  write_plainly(folder_ / "own.yaml", "bos: \"<|more-1|>\"\n" + text);
  expect_error([&] { (void)load((folder_ / "own.yaml").string()); },
               ExitCode::kBadData,
               {"template 'own'", "'<|more-1|>'", "id 321", "320 rows"});
  std::string stops = text;
  stops.replace(stops.find("[\"<|im_end|>\"]"), 14, "[\"<|more-0|>\"]");
  write_plainly(folder_ / "stop.yaml", stops);
  expect_error([&] { (void)load((folder_ / "stop.yaml").string()); },
               ExitCode::kBadData,
               {"template 'stop'", "'<|more-0|>'", "id 320"});
}

TEST_F(ModelSetup, ATokenWithoutARowIsNamedInAPromptOrAHead) {
  take_rows(2);  // " then" and "oun"
  const ModelTexts texts = load();
  EXPECT_NO_THROW((void)texts.prompt_ids(ask("What?", "p1")));
  expect_error([&] { (void)texts.prompt_ids(ask("and then?", "p7")); },
               ExitCode::kBadData,
               {"prompt 'p7'", "' then'", "id 318", "318 rows"});
  BranchOptions branches;
  branches.open = "and then";
  expect_error([&] { require_branch_rows(branches, *texts.tokenizer); },
               ExitCode::kBadData,
               {"branches.open", "' then'"});
}

TEST_F(ModelSetup, WhatEndsAnAnswerMayBeTheTemplatesMatterAlone) {
  Json config = read(folder_ / "config.json");
  config["eos_token_id"] = nullptr;
  write_plainly(folder_ / "config.json", dump_json(config));
  fs::remove(folder_ / "generation_config.json");
  EXPECT_EQ(load().eos_ids, (std::vector<int64_t>{2}));  // <|im_end|>
  expect_error(
      [&] { (void)load("plain"); }, ExitCode::kConfig, {"eos_token_id is null", "'template'"});
}

}  // namespace
}  // namespace thoughtrank
