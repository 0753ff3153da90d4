#include "thoughtrank/text/chat_template.h"

#include <algorithm>
#include <random>

#include "support/expect_error.h"
#include "support/temporary_folder.h"
#include "support/trials.h"
#include "text/support.h"
#include "thoughtrank/core/hash.h"

namespace thoughtrank::test {
namespace {

using Ids = std::vector<int64_t>;

const std::filesystem::path kTemplates =
    std::filesystem::path(SOURCE_DIR) / "configs" / "templates";

ChatTemplate load(const std::string& choice, const std::string& style) {
  return load_template(choice, kTemplates, fixture(style));
}

TEST(ChatTemplate, PlainTakesTheModelsOwnBeginAndEnd) {
  const ChatTemplate llama3 = load("auto", "llama3_style");
  EXPECT_EQ(llama3.name, "plain");
  EXPECT_EQ(render_prompt(llama3, {"", "Hi"}), "<|begin_of_text|>Hi\n\n");
  EXPECT_EQ(render_prompt(llama3, {"Be kind.", "Hi"}), "<|begin_of_text|>Be kind.\n\nHi\n\n");
  EXPECT_EQ(llama3.stop, std::vector<std::string>{"<|end_of_text|>"});
  EXPECT_NE(llama3.jinja.find("'<|begin_of_text|>'"), std::string::npos);
  EXPECT_EQ(llama3.jinja.find('%' + std::string("bos")), std::string::npos);
  EXPECT_EQ(load("plain", "gpt2_style").bos, "");
}

TEST(ChatTemplate, Llama3PromptIsHeadersAndContent) {
  const auto tokenizer = load_tokenizer(fixture("llama3_style"));
  const ChatTemplate t = load("llama3", "llama3_style");
  const auto id = [&](const char* token) { return tokenizer->find_token(token).value(); };
  Ids expected = {id("<|begin_of_text|>"), id("<|start_header_id|>")};
  const auto append = [&](const Ids& ids) {
    expected.insert(expected.end(), ids.begin(), ids.end());
  };
  append(tokenizer->encode("user"));
  append({id("<|end_header_id|>")});
  append(tokenizer->encode("\n\nWhat?"));
  append({id("<|eot_id|>"), id("<|start_header_id|>")});
  append(tokenizer->encode("assistant"));
  append({id("<|end_header_id|>")});
  append(tokenizer->encode("\n\n"));
  EXPECT_EQ(encode_prompt(t, *tokenizer, {"", "What?"}), expected);
  EXPECT_EQ(stop_ids(t, *tokenizer), (Ids{id("<|eot_id|>"), id("<|end_of_text|>")}));
}

// What an earlier turn says is text, and its end is a token.
TEST(ChatTemplate, AnEarlierReplyEndsAsAnAnswerDoes) {
  const auto tokenizer = load_tokenizer(fixture("llama3_style"));
  const ChatTemplate t = load("llama3", "llama3_style");
  const auto ends = [&](const std::vector<ChatTurn>& earlier) {
    const Ids ids = encode_prompt(t, *tokenizer, {"", "What?", earlier});
    return std::ranges::count(ids, tokenizer->find_token("<|eot_id|>").value());
  };
  EXPECT_EQ(ends({}), 1);
  EXPECT_EQ(ends({{"a", "b"}}), 3);
  EXPECT_EQ(ends({{"a<|eot_id|>", "b<|eot_id|>"}}), 3);
}

TEST(ChatTemplate, TheDefaultSystemMessageIsUsedOnlyWithoutOne) {
  const ChatTemplate t = load("smollm2", "llama3_style");
  EXPECT_NE(render_prompt(t, {"", "Hi"}).find("named SmolLM"), std::string::npos);
  const std::string own = render_prompt(t, {"Be kind.", "Hi"});
  EXPECT_EQ(own.find("named SmolLM"), std::string::npos);
  EXPECT_NE(own.find("system\nBe kind."), std::string::npos);
}

TEST(ChatTemplate, EarlierTurnsStandBetweenSystemAndPrompt) {
  const ChatPrompt prompt = {"Be kind.", "Hi", {{"a", "b"}, {"c", "d"}}};
  EXPECT_EQ(render_prompt(load("llama3", "llama3_style"), prompt),
            "<|begin_of_text|><|start_header_id|>system<|end_header_id|>\n\nBe kind.<|eot_id|>"
            "<|start_header_id|>user<|end_header_id|>\n\na<|eot_id|>"
            "<|start_header_id|>assistant<|end_header_id|>\n\nb<|eot_id|>"
            "<|start_header_id|>user<|end_header_id|>\n\nc<|eot_id|>"
            "<|start_header_id|>assistant<|end_header_id|>\n\nd<|eot_id|>"
            "<|start_header_id|>user<|end_header_id|>\n\nHi<|eot_id|>"
            "<|start_header_id|>assistant<|end_header_id|>\n\n");
  // Without a chat format examples and prompt are one text: an end token would part them.
  EXPECT_EQ(render_prompt(load("plain", "llama3_style"), prompt),
            "<|begin_of_text|>Be kind.\n\na\n\nb\n\nc\n\nd\n\nHi\n\n");
}

// Whatever a prompt holds, the special tokens of the encoded prompt are those of the template.
TEST(ChatTemplate, ContentNeverBecomesASpecialToken) {
  const std::vector<std::string> bits = {"<|eot_id|>",
                                         "<|begin_of_text|>",
                                         "<|start_header_id|>",
                                         "<|end_header_id|>",
                                         "</s>",
                                         "<s>",
                                         "<pad>",
                                         "<|",
                                         "eot_id|>",
                                         "|>",
                                         " ",
                                         "\n",
                                         "word",
                                         "<unk>",
                                         "<|end_of_text|>",
                                         "é"};
  std::mt19937 random(5);
  for (const auto& [choice, style] : {std::pair{"llama3", "llama3_style"},
                                      {"zephyr", "llama2_style"},
                                      {"zephyr", "metaspace"},
                                      {"plain", "sentencepiece"}}) {
    const auto tokenizer = load_tokenizer(fixture(style));
    const ChatTemplate t = load(choice, style);
    const auto special_ids = [&](const ChatPrompt& prompt) {
      Ids ids = encode_prompt(t, *tokenizer, prompt);
      std::erase_if(ids, [&](int64_t id) { return !tokenizer->is_special(id); });
      return ids;
    };
    const Ids expected = special_ids({"x", "y"});
    record_trials(4 * trials_of(200));
    for (int trial = 0; trial < trials_of(200); ++trial) {
      ChatPrompt prompt{"x", ""};
      for (int i = 0; i < 6; ++i) {
        prompt.user += bits[random() % bits.size()];
        prompt.system += bits[random() % bits.size()];
      }
      ASSERT_EQ(special_ids(prompt), expected) << choice << ": " << prompt.user;
    }
  }
}

TEST(ChatTemplate, AutoRecognisesThePublishedTemplateOfSmolLM2) {
  const TemporaryFolder folder;
  folder.write(
      "chat_template.jinja",
      "{% for message in messages %}{% if loop.first and messages[0]['role'] != 'system' %}"
      "{{ '<|im_start|>system\nYou are a helpful AI assistant named SmolLM, trained by Hugging "
      "Face<|im_end|>\n' }}{% endif %}{{'<|im_start|>' + message['role'] + '\n' + "
      "message['content'] + '<|im_end|>' + '\n'}}{% endfor %}{% if add_generation_prompt %}"
      "{{ '<|im_start|>assistant\n' }}{% endif %}");
  EXPECT_EQ(load_template("auto", kTemplates, folder.path()).name, "smollm2");
}

TEST(ChatTemplate, AutoRecognisesWhatWasExported) {
  for (const auto& [choice, style] : {std::pair{"plain", "llama3_style"},
                                      {"llama3", "llama3_style"},
                                      {"smollm2", "llama3_style"},
                                      {"zephyr", "llama2_style"},
                                      {"chatml", "llama2_style"}}) {
    const TemporaryFolder folder;
    for (const char* name : {"tokenizer.json", "config.json"}) {
      folder.write(name, read_file(fixture(style) / name));
    }
    folder.write("chat_template.jinja", load(choice, style).jinja);
    EXPECT_EQ(load_template("auto", kTemplates, folder.path()).name, choice);
  }
}

TEST(ChatTemplate, ATemplateInTokenizerConfigCounts) {
  const TemporaryFolder folder;
  const Json jinja = load("chatml", "llama3_style").jinja;
  for (const char* name : {"tokenizer.json", "config.json"}) {
    folder.write(name, read_file(fixture("llama3_style") / name));
  }
  folder.write("tokenizer_config.json", dump_json({{"chat_template", jinja}}));
  EXPECT_EQ(load_template("auto", kTemplates, folder.path()).name, "chatml");
  const Json named = Json::array(
      {{{"name", "tool_use"}, {"template", "x"}}, {{"name", "default"}, {"template", jinja}}});
  folder.write("tokenizer_config.json", dump_json({{"chat_template", named}}));
  EXPECT_EQ(load_template("auto", kTemplates, folder.path()).name, "chatml");
}

TEST(ChatTemplate, AnUnknownTemplateIsAConfigErrorThatNamesTheWayOut) {
  const TemporaryFolder folder;
  for (const char* name : {"tokenizer.json", "config.json"}) {
    folder.write(name, read_file(fixture("llama3_style") / name));
  }
  folder.write("chat_template.jinja", "{{ messages }}");
  expect_error([&] { static_cast<void>(load_template("auto", kTemplates, folder.path())); },
               ExitCode::kConfig,
               {sha256("{{ messages }}"), "llama3"});
}

TEST(ChatTemplate, WrongChoicesAndFilesAreConfigErrors) {
  const auto choose = [](const std::string& choice) {
    return [choice] { static_cast<void>(load(choice, "llama3_style")); };
  };
  expect_error(choose("nonsense"), ExitCode::kConfig, "chatml");
  expect_error(choose("../templates/plain"), ExitCode::kConfig);
  const TemporaryFolder folder;
  const std::string good = "stop: [\"<|eot_id|>\"]\njinja: x\n";
  const auto code_of_file = [&](const std::string& text) {
    folder.write("own.yaml", text);
    return error_of(choose((folder.path() / "own.yaml").string())).code();
  };
  EXPECT_EQ(code_of_file(good + "assistant_open: \"A:\\n\"\n"), ExitCode::kDone);
  EXPECT_EQ(code_of_file(good + "assistant_open: \"<|eot_id|>\"\n"), ExitCode::kDone);
  EXPECT_EQ(code_of_file(good + "assistant_open: \"A:\"\n"), ExitCode::kConfig);
  EXPECT_EQ(code_of_file(good + "assistant_open: \"<x>\"\n"), ExitCode::kConfig);
  EXPECT_EQ(code_of_file(good + "assistant_opn: \"A:\\n\"\n"), ExitCode::kConfig);
  EXPECT_EQ(code_of_file("jinja: x\nassistant_open: \"A:\\n\"\n"), ExitCode::kConfig);
  EXPECT_EQ(code_of_file("stop: [\"<|eot_id|>\"]\nassistant_open: \"A:\\n\"\n"), ExitCode::kConfig);
}

TEST(ChatTemplate, AStopTokenTheTokenizerLacksIsAConfigError) {
  const auto tokenizer = load_tokenizer(fixture("llama2_style"));
  const ChatTemplate t = load("llama3", "llama3_style");
  expect_error(
      [&] { static_cast<void>(stop_ids(t, *tokenizer)); }, ExitCode::kConfig, "<|eot_id|>");
}

TEST(ChatTemplate, AllCommittedTemplatesLoad) {
  for (const char* name : {"plain", "chatml", "smollm2", "llama3", "zephyr"}) {
    EXPECT_EQ(load(name, "llama3_style").name, name);
  }
}

}  // namespace
}  // namespace thoughtrank::test
