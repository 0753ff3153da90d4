#include "thoughtrank/core/files.h"

#include <gtest/gtest.h>
#include <sys/resource.h>
#include <sys/stat.h>

#include "support/expect_error.h"
#include "support/temporary_folder.h"

namespace thoughtrank {
namespace {

size_t count_children(const fs::path& folder) {
  return static_cast<size_t>(
      std::distance(fs::directory_iterator(folder), fs::directory_iterator()));
}

TEST(Files, ReadsWholeFiles) {
  const TemporaryFolder folder;
  const std::string bytes("a\0b\n", 4);
  write_plainly(folder / "a", bytes);
  write_plainly(folder / "empty", "");
  EXPECT_EQ(read_file(folder / "a"), bytes);
  EXPECT_EQ(read_file(folder / "empty"), "");
  EXPECT_FALSE(read_file("/proc/self/status").empty());  // its size is given as 0
}

TEST(Files, ReadingTellsWhatIsWrong) {
  const TemporaryFolder folder;
  write_plainly(folder / "a", "12345");
  expect_error([&] { (void)read_file(folder / "none"); }, ExitCode::kMissingInput, "none: there");
  expect_error([&] { (void)read_file(folder / "a/b"); }, ExitCode::kMissingInput, "a/b");
  expect_error([&] { (void)read_file(folder.path()); }, ExitCode::kIo, "Is a directory");
  expect_error([&] { (void)read_file(folder / "a", 4); }, ExitCode::kBadData, "longer than the 4");
  EXPECT_EQ(read_file(folder / "a", 5), "12345");
  expect_error([] { (void)read_file("/proc/self/status", 10); }, ExitCode::kBadData, "longer");
}

TEST(Files, WriterHashesAndKeepsClosedFilesOnly) {
  const TemporaryFolder folder;
  const std::string bytes(70'000'000, 'x');  // more than two windows of what goes to disk early
  {
    FileWriter writer(folder / "kept");
    writer.write(std::string_view(bytes).substr(0, 10));
    writer.write(std::string_view(bytes).substr(10));
    writer.close();
    EXPECT_EQ(writer.bytes(), bytes.size());
    EXPECT_EQ(writer.sha256(), sha256(bytes));
    FileWriter abandoned(folder / "abandoned");
    abandoned.write(bytes);
  }
  EXPECT_EQ(read_file(folder / "kept"), bytes);
  EXPECT_FALSE(fs::exists(folder / "abandoned"));
}

TEST(Files, WriterNeverOpensAnExistingFile) {
  const TemporaryFolder folder;
  write_plainly(folder / "a", "old");
  expect_error(
      [&] { FileWriter writer(folder / "a"); }, ExitCode::kIo, "a: cannot create: File ex");
  EXPECT_EQ(read_file(folder / "a"), "old");
}

TEST(Files, WriterRefusesUseAfterClose) {
  const TemporaryFolder folder;
  FileWriter writer(folder / "a");
  writer.close();
  expect_error([&] { writer.write("x"); }, ExitCode::kInternal, "after close");
  expect_error([&] { writer.close(); }, ExitCode::kInternal, "closed twice");
  EXPECT_EQ(read_file(folder / "a"), "");
}

// A file size limit makes the kernel refuse the write, as a full disk would.
TEST(Files, AFailedWriteAbandonsTheFile) {
  const TemporaryFolder folder;
  ::signal(SIGXFSZ, SIG_IGN);
  rlimit before{};
  ASSERT_EQ(::getrlimit(RLIMIT_FSIZE, &before), 0);
  const rlimit tight{4096, before.rlim_max};
  ASSERT_EQ(::setrlimit(RLIMIT_FSIZE, &tight), 0);
  const Error error = error_of([&] { publish_file(folder / "a", std::string(10000, 'x')); });
  ASSERT_EQ(::setrlimit(RLIMIT_FSIZE, &before), 0);
  EXPECT_EQ(error.code(), ExitCode::kIo);
  EXPECT_NE(std::string(error.what()).find("File too large"), std::string::npos) << error.what();
  EXPECT_EQ(count_children(folder.path()), 0u);
}

TEST(Files, PublishReplacesAndLeavesNothingElse) {
  const TemporaryFolder folder;
  publish_file(folder / "a", "one", 0600);
  publish_file(folder / "a", "two", 0600);
  EXPECT_EQ(read_file(folder / "a"), "two");
  EXPECT_EQ(count_children(folder.path()), 1u);
  struct stat status {};
  ASSERT_EQ(::stat((folder / "a").c_str(), &status), 0);
  EXPECT_EQ(status.st_mode & 0777, 0600u);
}

TEST(Files, AFailedPublishLeavesNothing) {
  const TemporaryFolder folder;
  fs::create_directories(folder / "a/b");
  expect_error([&] { publish_file(folder / "a", "x"); }, ExitCode::kIo, "a: cannot rename");
  EXPECT_EQ(count_children(folder.path()), 1u);
  expect_error([&] { publish_file(folder / "no/a", "x"); }, ExitCode::kIo, "cannot create");
}

TEST(Files, FreeSpaceIsAskedForWithReserve) {
  const TemporaryFolder folder;
  EXPECT_NO_THROW(require_free_space(folder.path(), 1));
  expect_error([&] { require_free_space(folder.path(), 1ull << 62); },
               ExitCode::kIo,
               "4611686018427387904 bytes");
  expect_error([&] { require_free_space(folder / "none", 1); }, ExitCode::kIo, "none: cannot");
}

TEST(Files, RemovesLeftoversOnly) {
  const TemporaryFolder folder;
  fs::create_directories(folder / ".tmp-checkpoint-1/sub");
  fs::create_directories(folder / ".trash-2");
  fs::create_directories(folder / ".work");
  write_plainly(folder / ".tmp-1", "x");
  write_plainly(folder / "tmp-kept", "x");
  remove_leftovers(folder.path());
  EXPECT_EQ(count_children(folder.path()), 2u);
  EXPECT_TRUE(fs::exists(folder / ".work"));
  EXPECT_NO_THROW(remove_leftovers(folder / "none"));
}

TEST(Files, RemovesDurably) {
  const TemporaryFolder folder;
  fs::create_directories(folder / "a/b");
  write_plainly(folder / "a/b/c", "x");
  write_plainly(folder / "file", "x");
  remove_durably(folder / "a");
  remove_durably(folder / "file");
  remove_durably(folder / "none");
  EXPECT_EQ(count_children(folder.path()), 0u);
}

}  // namespace
}  // namespace thoughtrank
