#include <gtest/gtest.h>

#include "support/expect_error.h"
#include "support/temporary_folder.h"
#include "thoughtrank/core/files.h"

namespace thoughtrank {
namespace {

ManifestEntry write_entry(const fs::path& folder,
                          const std::string& name,
                          const std::string& bytes) {
  fs::create_directories((folder / name).parent_path());
  FileWriter writer(folder / name);
  writer.write(bytes);
  writer.close();
  return {name, writer.bytes(), writer.sha256()};
}

// A published folder with two files, one in a sub-folder.
class PublishedFolder : public testing::Test {
 protected:
  void SetUp() override {
    fs::create_directories(temporary());
    entries_ = {write_entry(temporary(), "weights.safetensors", "12345"),
                write_entry(temporary(), "original/params.json", "{}")};
    digest_ = publish_folder(temporary(), final_path(), entries_, {{"round", 1}});
  }
  [[nodiscard]] fs::path temporary() const { return folder_ / ".tmp-checkpoint-1"; }
  [[nodiscard]] fs::path final_path() const { return folder_ / "checkpoint"; }
  void expect_reason(std::string_view part) const {
    const std::string reason = verify_folder(final_path());
    EXPECT_NE(reason.find(part), std::string::npos) << "reason: " << reason;
  }

  TemporaryFolder folder_;
  std::vector<ManifestEntry> entries_;
  std::string digest_;
};

TEST_F(PublishedFolder, HoldsItsManifestAndVerifies) {
  EXPECT_FALSE(fs::exists(temporary()));
  EXPECT_EQ(verify_folder(final_path()), "");
  EXPECT_EQ(digest_, sha256_file(final_path() / "MANIFEST.json"));
  const Json manifest = parse_json(read_file(final_path() / "MANIFEST.json"), "MANIFEST.json");
  EXPECT_EQ(manifest["round"], 1);
  ASSERT_EQ(manifest["files"].size(), 2u);
  EXPECT_EQ(manifest["files"][0]["path"], "original/params.json");  // sorted
  EXPECT_EQ(manifest["files"][1]["bytes"], 5);
  EXPECT_EQ(manifest["files"][1]["sha256"], sha256("12345"));
}

TEST_F(PublishedFolder, CatchesEveryFlippedBit) {
  for (size_t byte = 0; byte < 5; ++byte) {
    for (int bit = 0; bit < 8; ++bit) {
      std::string bytes = "12345";
      bytes[byte] = static_cast<char>(bytes[byte] ^ (1 << bit));
      write_plainly(final_path() / "weights.safetensors", bytes);
      expect_reason("weights.safetensors has SHA-256");
    }
  }
}

TEST_F(PublishedFolder, CatchesOtherDamage) {
  write_plainly(final_path() / "weights.safetensors", "1234");
  expect_reason("weights.safetensors has 4 bytes, the manifest says 5");
  fs::remove(final_path() / "weights.safetensors");
  expect_reason("weights.safetensors is missing");
  fs::create_symlink("/dev/null", final_path() / "weights.safetensors");
  expect_reason("weights.safetensors is not a regular file");
  fs::remove(final_path() / "weights.safetensors");
  write_plainly(final_path() / "weights.safetensors", "12345");
  EXPECT_EQ(verify_folder(final_path()), "");
}

TEST_F(PublishedFolder, LeavesFilesOfOthersToThem) {
  EXPECT_TRUE(foreign_files(final_path()).empty());
  write_plainly(final_path() / "original/extra", "");
  write_plainly(final_path() / "model.gguf", "");
  EXPECT_EQ(verify_folder(final_path()), "");
  EXPECT_EQ(foreign_files(final_path()),
            (std::vector<std::string>{"model.gguf", "original/extra"}));
}

TEST_F(PublishedFolder, TakesALinkToTheSameBytesForTheFile) {
  fs::rename(final_path() / "weights.safetensors", folder_ / "elsewhere");
  fs::create_symlink(folder_ / "elsewhere", final_path() / "weights.safetensors");
  EXPECT_EQ(verify_folder(final_path()), "");
  write_plainly(folder_ / "elsewhere", "12346");
  expect_reason("weights.safetensors has SHA-256");
  fs::remove(folder_ / "elsewhere");
  expect_reason("weights.safetensors is missing");
}

TEST_F(PublishedFolder, NamesEveryChangedFile) {
  write_plainly(final_path() / "weights.safetensors", "54321");
  fs::remove(final_path() / "original/params.json");
  const std::vector<ChangedFile> changed = changed_files(final_path());
  ASSERT_EQ(changed.size(), 2u);
  EXPECT_EQ(changed[0].path, "original/params.json");
  EXPECT_EQ(changed[1].path, "weights.safetensors");
}

TEST_F(PublishedFolder, CatchesADamagedManifest) {
  const fs::path manifest = final_path() / "MANIFEST.json";
  for (const char* text : {"", "{}", R"({"format":2,"files":[]})", R"({"format":1,"files":{}})"}) {
    write_plainly(manifest, text);
    expect_reason("MANIFEST.json");
  }
  for (const char* path : {"../x", "/etc/passwd", "a/../b", "./a", "", "MANIFEST.json", "a/"}) {
    const Json row = {{"path", path}, {"bytes", 0}, {"sha256", ""}};
    write_plainly(manifest, dump_json({{"format", 1}, {"files", Json::array({row})}}));
    expect_reason("is not a plain relative path");
  }
  fs::remove(manifest);
  expect_reason("MANIFEST.json: there is no such file");
  EXPECT_NE(verify_folder(folder_ / "none"), "");
}

TEST_F(PublishedFolder, IsNeverReplaced) {
  fs::create_directories(temporary());
  const ManifestEntry entry = write_entry(temporary(), "new", "new");
  expect_error([&] { publish_folder(temporary(), final_path(), {entry}, Json::object()); },
               ExitCode::kIo,
               "checkpoint: cannot rename");
  EXPECT_EQ(verify_folder(final_path()), "");
  EXPECT_TRUE(fs::exists(final_path() / "weights.safetensors"));
}

TEST_F(PublishedFolder, AlsoNoEmptyFolderIsReplaced) {
  fs::create_directories(temporary());
  fs::create_directories(folder_ / "empty");
  expect_error([&] { publish_folder(temporary(), folder_ / "empty", {}, Json::object()); },
               ExitCode::kIo,
               "File exists");
}

TEST_F(PublishedFolder, RefusesWhatTheFilesDoNotSay) {
  const auto refuses = [&](const std::vector<ManifestEntry>& files, std::string_view part) {
    fs::remove_all(temporary());
    fs::create_directories(temporary());
    write_entry(temporary(), "a", "a");
    expect_error([&] { publish_folder(temporary(), folder_ / "b", files, Json::object()); },
                 part.find("plain") != std::string_view::npos ? ExitCode::kBadData : ExitCode::kIo,
                 part);
    EXPECT_FALSE(fs::exists(folder_ / "b"));
  };
  refuses({}, "a is not in the manifest");
  refuses({{"a", 1, ""}, {"b", 1, ""}}, "b is missing");
  refuses({{"a", 2, ""}}, "a has 1 bytes");
  refuses({{"a", 1, ""}, {"a", 1, ""}}, "plain relative path");
  refuses({{"../a", 1, ""}}, "plain relative path");
}

TEST(FileSystem, OfThisMachineCanAllAndKeepsNothing) {
  const TemporaryFolder folder;
  const FileSystemTraits traits = try_file_system(folder.path());
  EXPECT_TRUE(traits.renames_at_once);
  EXPECT_TRUE(traits.syncs_folders);
  EXPECT_TRUE(traits.locks);
  EXPECT_TRUE(fs::is_empty(folder.path()));
  expect_error([&] { (void)try_file_system(folder / "none"); }, ExitCode::kIo, "cannot create");
}

TEST(FileSystem, ARenameWithoutReplacingReplacesNothing) {
  const TemporaryFolder folder;
  write_plainly(folder / "a", "a");
  write_plainly(folder / "b", "b");
  expect_error([&] { (void)rename_without_replacing(folder / "a", folder / "b"); },
               ExitCode::kIo,
               "File exists");
  EXPECT_TRUE(rename_without_replacing(folder / "a", folder / "c"));
  EXPECT_EQ(read_file(folder / "b"), "b");
  EXPECT_EQ(read_file(folder / "c"), "a");
}

}  // namespace
}  // namespace thoughtrank
