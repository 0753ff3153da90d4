#include "support/expect_error.h"
#include "support/temporary_folder.h"
#include "text/support.h"

namespace thoughtrank::test {
namespace {

// A tokenizer with two tokens more than a model of `rows` rows.
std::unique_ptr<Tokenizer> limited(int64_t& rows) {
  auto tokenizer = load_tokenizer(fixture("llama3_style"));
  rows = tokenizer->vocabulary_size() - 2;
  return limit_to_rows(std::move(tokenizer), rows);
}

TEST(RowLimit, OrdinaryTextIsUntouched) {
  int64_t rows = 0;
  const auto tokenizer = limited(rows);
  const auto all = load_tokenizer(fixture("llama3_style"));
  EXPECT_EQ(tokenizer->vocabulary_size(), rows);
  EXPECT_EQ(tokenizer->encode("Hello, 123"), all->encode("Hello, 123"));
  EXPECT_EQ(tokenizer->leading_ids(), all->leading_ids());
  EXPECT_EQ(tokenizer->decode(all->encode("Hello"), false), "Hello");
}

TEST(RowLimit, ATokenWithoutARowIsNamedWhereItIsUsed) {
  int64_t rows = 0;
  const auto tokenizer = limited(rows);
  const std::string token(tokenizer->token_bytes(rows));
  const MessageParts parts = {token, std::to_string(rows), "vocab_size"};
  expect_error(
      [&] {
        (void)tokenizer->encode_parts({{"a " + token, true}});
      },
      ExitCode::kBadData,
      parts);
  expect_error([&] { (void)tokenizer->find_token(token); }, ExitCode::kBadData, parts);
  EXPECT_NO_THROW((void)tokenizer->encode_parts({{"a " + token, false}}));  // plain text has rows
  EXPECT_EQ(tokenizer->encode_with_special(token).back(), rows);            // compared, never used
}

TEST(RowLimit, ATokenizerThatFitsIsLeftAsItIs) {
  auto tokenizer = load_tokenizer(fixture("llama3_style"));
  const Tokenizer* before = tokenizer.get();
  const int64_t rows = tokenizer->vocabulary_size();
  EXPECT_EQ(limit_to_rows(std::move(tokenizer), rows).get(), before);
}

// Files that are no tokenizer are told by their first bytes.
TEST(TokenizerFiles, WhatIsNoTokenizerIsNamed) {
  const auto refuse =
      [](const std::string& name, const std::string& bytes, const MessageParts& parts) {
        const TemporaryFolder folder;
        (void)folder.write(name, bytes);
        expect_error([&] { (void)load_tokenizer(folder.path()); }, ExitCode::kBadData, parts);
      };
  const std::string pointer = "version https://git-lfs.github.com/spec/v1\noid sha256:0\nsize 9\n";
  refuse("tokenizer.json", pointer, {"tokenizer.json", "Git LFS"});
  refuse("tokenizer.model", pointer, {"tokenizer.model", "Git LFS"});
  refuse("tokenizer.json", "<!doctype html><html><head>", {"HTML"});
  refuse("tokenizer.model", "IQ== 0\nIg== 1\n", {"tiktoken", "tokenizer.json"});
  refuse("tokenizer.json", std::string("\xFF\xFE{\0", 4), {"UTF-16"});
}

TEST(TokenizerFiles, ALinkWhoseFileIsGoneAndANameOfTheHubAreTold) {
  const TemporaryFolder folder;
  std::filesystem::create_symlink("../blobs/0123", folder / "tokenizer.json");
  expect_error([&] { (void)load_tokenizer(folder.path()); },
               ExitCode::kMissingInput,
               {"tokenizer.json", "../blobs/0123"});
  expect_error([] { (void)load_tokenizer("meta-llama/Llama-3.2-3B"); },
               ExitCode::kMissingInput,
               "hf download meta-llama/Llama-3.2-3B --local-dir models/Llama-3.2-3B");
}

}  // namespace
}  // namespace thoughtrank::test
