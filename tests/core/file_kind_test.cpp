#include "thoughtrank/core/file_kind.h"

#include <gtest/gtest.h>

#include "support/expect_error.h"

namespace thoughtrank {
namespace {

using std::string_view_literals::operator""sv;

TEST(FileKind, IsToldByTheFirstBytes) {
  const std::pair<std::string_view, FileKind> cases[] = {
      {"version https://git-lfs.github.com/spec/v1\noid sha256:0", FileKind::lfs_pointer},
      {"\n<!DOCTYPE html>\n<html><head>", FileKind::html},
      {"<HTML><BODY>login", FileKind::html},
      {"\x1F\x8B\x08", FileKind::gzip},
      {"PK\x03\x04\x14\0\0\0data.json"sv, FileKind::zip},
      {"PK\x03\x04\0\0\x08\x08\0\0pytorch_model/data.pkl"sv, FileKind::pickle},
      {"\x80\x02\x8A\x0Al\xFC\x9C\x46\xF9 j"sv, FileKind::pickle},
      {"\x28\xB5\x2F\xFD"sv, FileKind::zstd},
      {"BZh91AY&SY", FileKind::bzip2},
      {"\xFD\x37zXZ\0"sv, FileKind::xz},
      {"\xFF\xFE{\0"sv, FileKind::utf16},
      {"\xFE\xFF\0{"sv, FileKind::utf16},
      {"\xFF\xFE\0\0{\0\0\0"sv, FileKind::utf32},
      {"{\0\"\0"sv, FileKind::utf16_le},
      {"\0{\0\n"sv, FileKind::utf16_be},
      {"PAR1\x15", FileKind::parquet},
      {"ARROW1\0\0"sv, FileKind::arrow},
      {"\xFF\xFF\xFF\xFF\x58\x02\0\0"sv, FileKind::arrow},
      {"GGUF\x03\0\0\0"sv, FileKind::gguf},
      {"\x89HDF\r\n\x1A\n"sv, FileKind::hdf5},
      {"\x10\x01\0\0\0\0\0\0{\"__metadata__\""sv, FileKind::safetensors},
      {"\x1F\x8B\0\0\0\0\0\0{\"a\""sv, FileKind::safetensors},  // a header of 35,615 bytes
  };
  for (const auto& [bytes, kind] : cases) EXPECT_EQ(kind_of(bytes), kind) << bytes;
}

TEST(FileKind, TextIsNothingForeign) {
  for (const std::string_view text : {""sv,
                                      "{\"prompt\":\"a\"}\n"sv,
                                      "\xEF\xBB\xBF{\"prompt\":\"a\"}"sv,
                                      "version 2 of what?"sv,
                                      "BZh"sv,
                                      "BZh is what?"sv,
                                      "<html> begins a page. Why?"sv,
                                      "GGU"sv,
                                      "GGUF or GPTQ: which is smaller?"sv,
                                      "PAR1 is what?"sv,
                                      "\n\x0E\n\x05<unk>"sv,  // sentencepiece's tokenizer.model
                                      "é"sv}) {
    EXPECT_EQ(kind_of(text), FileKind::unknown) << text;
    EXPECT_NO_THROW(require_text("p.txt", text));
  }
}

TEST(FileKind, IsDescribedWithItsMend) {
  expect_error([] { require_text("data/p.jsonl", "\x1F\x8B\x08"); },
               ExitCode::kBadData,
               {"data/p.jsonl: is compressed with gzip",
                "gzip -dc < data/p.jsonl > data/p.converted.jsonl"});
  EXPECT_NE(describe_foreign("it's/p.jsonl.gz", FileKind::gzip)
                .find("gzip -dc < 'it'\\''s/p.jsonl.gz' > 'it'\\''s/p.jsonl'"),
            std::string::npos);
  EXPECT_NE(
      describe_foreign("m/model.safetensors", FileKind::lfs_pointer).find("git -C m lfs pull"),
      std::string::npos);
}

TEST(FileKind, WordsAreQuotedForAShell) {
  EXPECT_EQ(shell_word("a/b-1.jsonl"), "a/b-1.jsonl");
  EXPECT_EQ(shell_word(""), "''");
  EXPECT_EQ(shell_word("my file"), "'my file'");
  EXPECT_EQ(shell_word("$(x)'`"), "'$(x)'\\''`'");
}

}  // namespace
}  // namespace thoughtrank
