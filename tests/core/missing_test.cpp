#include "thoughtrank/core/missing.h"

#include <gtest/gtest.h>

#include <cstdlib>

#include "support/expect_error.h"
#include "support/temporary_folder.h"
#include "thoughtrank/core/files.h"

namespace thoughtrank {
namespace {

namespace fs = std::filesystem;

TEST(Missing, ADanglingLinkIsTold) {
  const TemporaryFolder folder;
  fs::create_symlink("../../blobs/0123", folder / "config.json");
  expect_error([&] { (void)read_file(folder / "config.json"); },
               ExitCode::kMissingInput,
               {"config.json", "symbolic link", "../../blobs/0123", "nothing is"});
  expect_error([&] { (void)is_there(folder / "config.json"); }, ExitCode::kMissingInput, "0123");
  EXPECT_FALSE(is_there(folder / "none"));
  EXPECT_TRUE(is_there(folder.write("some", "")));
}

TEST(Missing, ALinkOnTheWayIsTold) {
  const TemporaryFolder folder;
  fs::create_symlink("gone", folder / "model");
  expect_error([&] { (void)read_file(folder / "model" / "config.json"); },
               ExitCode::kMissingInput,
               {"config.json", (folder / "model").string() + " is a symbolic link to gone"});
}

TEST(Missing, AMissingFolderIsTold) {
  const TemporaryFolder folder;
  EXPECT_NE(missing_file_text(folder / "a" / "b" / "c.txt")
                .find((folder / "a").string() + " is not there"),
            std::string::npos);
  EXPECT_NE(missing_file_text(folder / "c.txt").find("no such file"), std::string::npos);
}

TEST(ModelFolder, ANameOfTheHubGetsItsDownload) {
  const TemporaryFolder folder;
  expect_error([&] { require_model_folder(folder / "meta-llama" / "Llama-3.2-3B"); },
               ExitCode::kMissingInput,
               {"hf download meta-llama/Llama-3.2-3B --local-dir ",
                "models/Llama-3.2-3B",
                "gated",
                "https://huggingface.co/meta-llama/Llama-3.2-3B",
                "hf auth login"});
  expect_error([&] { require_model_folder("https://huggingface.co/meta-llama/Llama-3.2-3B"); },
               ExitCode::kMissingInput,
               {"hf download meta-llama/Llama-3.2-3B --local-dir models/Llama-3.2-3B,"});
  expect_error([] { require_model_folder("org/name-1"); },
               ExitCode::kMissingInput,
               {"hf download org/name-1 --local-dir models/name-1,"});
}

TEST(DataSet, ANameOrAddressOfTheHubGetsItsDownload) {
  const std::string line = "hf download openai/gsm8k --repo-type dataset --local-dir data/gsm8k,";
  for (const char* path :
       {"openai/gsm8k", "https://huggingface.co/datasets/openai/gsm8k", "openai/gsm8k/"}) {
    expect_error([&] { refuse_hub_data_set(path); }, ExitCode::kMissingInput, line);
  }
  for (const char* path : {"data/gsm8k", "gsm8k", "/gone/gsm8k", "openai/gsm8k.jsonl"}) {
    EXPECT_NO_THROW(refuse_hub_data_set(path)) << path;
  }
}

TEST(ModelFolder, APlainPathIsNoNameOfTheHub) {
  const TemporaryFolder folder;
  fs::create_directory(folder / "there");
  for (const fs::path& path :
       {folder / "models" / "Llama-3.2-3B", folder / "there" / "Llama-3.2-3B"}) {
    expect_error([&] { require_model_folder(path); },
                 ExitCode::kMissingInput,
                 {"no such folder", "hf download OWNER/NAME"});
  }
  const fs::path file = folder.write("model.gguf", "GGUF");
  expect_error(
      [&] { require_model_folder(file); }, ExitCode::kMissingInput, {"is a file", "folder"});
  EXPECT_NO_THROW(require_model_folder(folder.path()));
}

TEST(ScratchFolder, ServesWithoutTmpdir) {
  const char* before = std::getenv("TMPDIR");
  const std::string kept = before == nullptr ? "" : before;
  const TemporaryFolder folder;
  ::setenv("TMPDIR", (folder / "gone").c_str(), 1);
  EXPECT_EQ(scratch_folder(), "/tmp");
  ::setenv("TMPDIR", folder.path().c_str(), 1);
  EXPECT_EQ(scratch_folder(), folder.path());
  before == nullptr ? ::unsetenv("TMPDIR") : ::setenv("TMPDIR", kept.c_str(), 1);
}

}  // namespace
}  // namespace thoughtrank
