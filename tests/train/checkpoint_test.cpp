#include "thoughtrank/train/checkpoint.h"

#include <ATen/core/grad_mode.h>

#include <fstream>
#include <limits>

#include "support/temporary_folder.h"
#include "support/trials.h"
#include "thoughtrank/core/files.h"
#include "train/licence.h"
#include "train/training_room.h"

namespace thoughtrank {
namespace {

ChatTemplate make_template() {
  ChatTemplate chat_template;
  chat_template.name = "test";
  chat_template.user_open = "<|im_start|>user\n";
  chat_template.user_close = "<|im_end|>\n";
  chat_template.assistant_open = "<|im_start|>assistant\n";
  chat_template.stop = {"<|im_end|>"};
  chat_template.jinja = "{{ messages[0]['content'] }}";
  return chat_template;
}

void write_text(const fs::path& file, const std::string& text) {
  std::ofstream(file, std::ios::binary) << text;
}

class Checkpoints : public testing::Test {
 protected:
  Checkpoints() : base(folder.path() / "base"), target(folder.path() / "round-01" / "checkpoint") {
    fs::copy(tiny_llama(), base);
    model = load_llama(base, at::kFloat, at::kCPU);
    for (auto& [name, weight] : model.named_parameters()) weight.mul_(1.125);
  }
  PublishedCheckpoint publish(Dtype dtype = Dtype::float32, bool is_private = false) {
    return publish_checkpoint(model,
                              {.base_folder = base,
                               .target = target,
                               .chat_template = chat_template,
                               .dtype = dtype,
                               .is_private = is_private,
                               .card = {{"base_model", "tiny"}, {"round", 1}, {"odd", "a|b"}},
                               .manifest_extra = {{"training", {{"rows", 3}}}}});
  }
  [[nodiscard]] Json read_json(const std::string& name) const {
    return parse_json(read_file(target / name), name);
  }
  // Nothing was published and nothing is left.
  void expect_nothing() const {
    EXPECT_FALSE(fs::exists(target));
    EXPECT_TRUE(!fs::exists(target.parent_path()) || fs::is_empty(target.parent_path()));
  }
  const TemporaryFolder folder;
  const fs::path base, target;
  const ChatTemplate chat_template = make_template();
  Llama model;
};

TEST_F(Checkpoints, HoldTheWeightsBitByBit) {
  const PublishedCheckpoint published = publish();
  EXPECT_EQ(verify_folder(target), "");
  EXPECT_TRUE(same_weights(load_llama(target, at::kFloat, at::kCPU), model));
  EXPECT_EQ(published.weights_sha256, weights_sha256(target));
  EXPECT_EQ(published.manifest_sha256, sha256_file(target / "MANIFEST.json"));
  EXPECT_EQ(read_json("MANIFEST.json")["training"]["rows"], 3);
  EXPECT_FALSE(fs::exists(target.parent_path() / ".tmp-checkpoint"));
}

TEST_F(Checkpoints, AreTheSameBytesEachTime) {
  const std::string first = publish(Dtype::bfloat16).manifest_sha256;
  fs::remove_all(target);
  EXPECT_EQ(publish(Dtype::bfloat16).manifest_sha256, first);
}

TEST_F(Checkpoints, ConvertToTheirDtype) {
  (void)publish(Dtype::bfloat16);
  const auto reader = SafetensorsReader::open_model(target);
  for (const auto& [name, info] : reader.tensors()) EXPECT_EQ(info.dtype, at::kBFloat16) << name;
  EXPECT_EQ(reader.tensors().count("lm_head.weight"), 0U);
  EXPECT_EQ(read_json("config.json")["dtype"], "bfloat16");
  EXPECT_EQ(read_json("config.json")["torch_dtype"], "bfloat16");
  EXPECT_EQ(model.embed_tokens.scalar_type(), at::kFloat);
}

TEST_F(Checkpoints, StopAndRenderAsInTraining) {
  write_text(base / "tokenizer_config.json",
             R"({"chat_template": "old", "eos_token": "<|endoftext|>", "add_bos_token": false})");
  (void)publish();
  EXPECT_EQ(read_json("generation_config.json")["eos_token_id"], Json({2, 0}));
  const Json tokenizer = read_json("tokenizer_config.json");
  EXPECT_EQ(tokenizer.value("chat_template", ""), chat_template.jinja)
      << "readers of 2024 look here";
  EXPECT_EQ(tokenizer["eos_token"], "<|im_end|>");
  EXPECT_EQ(tokenizer["add_bos_token"], false);
  EXPECT_EQ(read_file(target / "chat_template.jinja"), chat_template.jinja);
  EXPECT_EQ(read_file(target / "tokenizer.json"), read_file(base / "tokenizer.json"));
  const std::string card = read_file(target / "README.md");
  EXPECT_TRUE(card.starts_with("---\nbase_model: \"tiny\"\n")) << card;
  EXPECT_NE(card.find("| odd | `a\\|b` |"), std::string::npos) << card;
}

TEST_F(Checkpoints, RefuseAnyWeightThatIsNotFinite) {
  constexpr float kInfinity = std::numeric_limits<float>::infinity();
  int trials = 0;
  for (auto& [name, weight] : model.named_parameters()) {
    const at::Tensor last = weight.view({-1})[weight.numel() - 1];
    const float before = last.item<float>();
    for (const float value : {std::numeric_limits<float>::quiet_NaN(), kInfinity, -kInfinity}) {
      last.fill_(value);
      EXPECT_EQ(exit_code_of([&] { (void)publish(); }, name), ExitCode::kTrainingHealth);
      expect_nothing();
      ++trials;
    }
    last.fill_(before);
  }
  record_trials(trials);
  (void)publish();
}

// Other weights each time; what is read from the disk is what was in memory.
TEST_F(Checkpoints, EachHoldsWhatItWasMadeOf) {
  const int trials = trials_of(50);
  record_trials(trials);
  for (int n = 0; n < trials; ++n) {
    for (auto& [name, weight] : model.named_parameters()) weight.mul_(1 + 0.01 * (n % 7));
    const bool is_whole = n % 2 == 0;
    const PublishedCheckpoint published = publish(is_whole ? Dtype::float32 : Dtype::bfloat16);
    const auto base_tensors = SafetensorsReader::open_model(base).tensors();
    const auto tensors = SafetensorsReader::open_model(target).tensors();
    EXPECT_EQ(tensors.size(), base_tensors.size());
    for (const auto& [name, info] : tensors) EXPECT_EQ(info.shape, base_tensors.at(name).shape);
    const Llama found = load_llama(target, at::kFloat, at::kCPU);
    const NamedTensors expected = model.named_parameters(), read = found.named_parameters();
    for (size_t i = 0; i < expected.size(); ++i) {
      const at::Tensor rounded = expected[i].second.to(at::kBFloat16).to(at::kFloat);
      EXPECT_TRUE(at::equal(read[i].second, is_whole ? expected[i].second : rounded));
    }
    EXPECT_EQ(published.weights_sha256, weights_sha256(target));
    fs::remove_all(target);
  }
}

TEST_F(Checkpoints, RefuseWeightsThatOverflowInTheirDtype) {
  model.norm[0].fill_(3.4e38);
  EXPECT_EQ(exit_code_of([&] { (void)publish(Dtype::bfloat16); }, "model.norm.weight"),
            ExitCode::kTrainingHealth);
  expect_nothing();
}

TEST_F(Checkpoints, RefuseShapesOtherThanTheBase) {
  model.layers[0].gate_proj = model.layers[0].gate_proj.narrow(0, 0, 100);
  EXPECT_EQ(exit_code_of([&] { (void)publish(); }, "(100, 64)"), ExitCode::kTrainingHealth);
  expect_nothing();
}

TEST_F(Checkpoints, RefuseAFolderThatIsThereAlready) {
  (void)publish();
  const std::string before = read_file(target / "MANIFEST.json");
  model.norm.mul_(2);
  EXPECT_NE(exit_code_of([&] { (void)publish(); }), ExitCode::kDone);
  EXPECT_EQ(read_file(target / "MANIFEST.json"), before);
}

TEST_F(Checkpoints, DamageIsSeen) {
  (void)publish();
  write_text(target / "chat_template.jinja", "other");
  EXPECT_NE(verify_folder(target).find("chat_template.jinja"), std::string::npos);
}

// Licence rules.

const char* const kLicenceText =
    "LLAMA 3.2 COMMUNITY LICENSE AGREEMENT\n… prominently display “Built with Llama” …\n"
    "\"Built with Llama\" … Meta Platforms, Inc.\n";

class Licences : public Checkpoints {
 protected:
  Licences() {
    write_text(base / "README.md", "---\nlanguage: [en]\nlicense: llama3.2\n---\n# x\n");
  }
  ExitCode check(const fs::path& out, bool is_private = false, const std::string& says = "") {
    return exit_code_of([&] { require_licence(base, out, is_private); }, says);
  }
};

TEST_F(Licences, AsksForNameAndText) {
  record_trials(9);
  EXPECT_EQ(check("runs/Llama-x", false, "no LICENSE"), ExitCode::kConfig);
  write_text(base / "LICENSE.txt", kLicenceText);
  EXPECT_EQ(check("runs/Llama-x"), ExitCode::kDone);
  EXPECT_EQ(check("runs/Llama-x/round-03/checkpoint"), ExitCode::kDone);
  EXPECT_EQ(check("runs/Llama-x/"), ExitCode::kDone);
  EXPECT_EQ(check("runs/first", false, "'first'"), ExitCode::kConfig);
  EXPECT_EQ(check("runs/llama-x/round-03/checkpoint", false, "'llama-x'"), ExitCode::kConfig);
  EXPECT_EQ(check("runs/first", /*is_private=*/true), ExitCode::kDone);
  write_text(base / "LICENSE.txt", "LLAMA 3.1 COMMUNITY LICENSE AGREEMENT Built with Llama");
  EXPECT_EQ(check("runs/Llama-x", false, "is not the Llama 3.2"), ExitCode::kConfig);
  write_text(base / "LICENSE.txt", "Do as you like.");
  EXPECT_EQ(check("runs/Llama-x"), ExitCode::kConfig);
}

TEST_F(Licences, AreFoundByEachSign) {
  record_trials(5);
  write_text(base / "README.md", "no front matter, license: llama3.2");
  EXPECT_FALSE(find_llama_licence(base));
  write_text(base / "LICENSE", kLicenceText);
  EXPECT_EQ(find_llama_licence(base).value().identifier(), "llama3.2");
  fs::remove(base / "LICENSE");
  write_text(base / "config.json", R"({"_name_or_path": "meta-llama/Meta-Llama-3-8B"})");
  EXPECT_EQ(find_llama_licence(base).value().version, "3");
  fs::remove(base / "config.json");
  const fs::path named = folder.path() / "llama-3.1-8b";
  fs::rename(base, named);
  EXPECT_EQ(find_llama_licence(named).value().version, "3.1");
  EXPECT_FALSE(find_llama_licence(tiny_llama("tiny-llama3")));
}

TEST_F(Licences, FilesAreInThePublishedFolder) {
  write_text(base / "LICENSE.txt", kLicenceText);
  record_trials(2);
  EXPECT_EQ(exit_code_of([&] { (void)publish(); }), ExitCode::kConfig);  // the run's name
  expect_nothing();
  (void)publish(Dtype::float32, /*is_private=*/true);
  EXPECT_EQ(read_file(target / "LICENSE.txt"), kLicenceText);
  EXPECT_EQ(read_file(target / "NOTICE"),
            "Llama 3.2 is licensed under the Llama 3.2 Community License, Copyright © Meta "
            "Platforms, Inc. All Rights Reserved.\n");
  const std::string card = read_file(target / "README.md");
  EXPECT_NE(card.find("\nlicense: llama3.2\n"), std::string::npos) << card;
  EXPECT_NE(card.find("Built with Llama"), std::string::npos) << card;
}

}  // namespace
}  // namespace thoughtrank
