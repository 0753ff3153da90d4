#include "thoughtrank/core/journal.h"

#include <gtest/gtest.h>
#include <sys/resource.h>

#include <csignal>
#include <thread>

#include "support/expect_error.h"
#include "support/stderr_of.h"
#include "support/temporary_folder.h"
#include "thoughtrank/core/files.h"

namespace thoughtrank {
namespace {

struct Replayed {
  std::vector<Json> bodies;
  std::string warnings;  // what opening wrote to stderr
};

Replayed open_journal(const fs::path& path) {
  Replayed result;
  result.warnings = stderr_of([&] {
    const Journal journal(path, [&](const Json& body) { result.bodies.push_back(body); });
  });
  return result;
}

size_t count(const std::string& text, std::string_view part) {
  size_t found = 0;
  for (size_t at = text.find(part); at != std::string::npos; at = text.find(part, at + 1)) ++found;
  return found;
}

// A journal of three records, its bytes, and where each record ends.
class ThreeRecords : public testing::Test {
 protected:
  void SetUp() override {
    Journal journal(path(), [](const Json&) {});
    for (int i = 0; i < 3; ++i) {
      journal.append({{"n", i}, {"text", "é\n\t\"\\"}});
      ends_.push_back(fs::file_size(path()));
    }
    bytes_ = read_file(path());
  }
  [[nodiscard]] fs::path path() const { return folder_ / "journal.jsonl"; }
  [[nodiscard]] std::string record(size_t i) const {
    const uint64_t begin = i == 0 ? 0 : ends_[i - 1];
    return bytes_.substr(begin, ends_[i] - begin);
  }
  // `bytes` lose everything after `kept` good records, with one warning; the next append goes on
  // from there.
  void expect_cut(const std::string& bytes, size_t kept, bool has_tail) {
    write_plainly(path(), bytes);
    const Replayed found = open_journal(path());
    ASSERT_EQ(found.bodies.size(), kept);
    ASSERT_EQ(count(found.warnings, "warning"), has_tail ? 1u : 0u) << found.warnings;
    ASSERT_EQ(fs::file_size(path()), kept == 0 ? 0 : ends_[kept - 1]);
    Journal(path(), [](const Json&) {}).append({{"n", "next"}});
    ASSERT_EQ(open_journal(path()).bodies.size(), kept + 1);
  }
  void expect_refused(const std::string& bytes, std::string_view place) {
    write_plainly(path(), bytes);
    expect_error([&] { (void)open_journal(path()); }, ExitCode::kBadData, place);
    EXPECT_EQ(read_file(path()), bytes) << "a refused journal must stay as it was";
  }

  TemporaryFolder folder_;
  std::string bytes_;
  std::vector<uint64_t> ends_;
};

TEST_F(ThreeRecords, ReplayInOrder) {
  const Replayed found = open_journal(path());
  ASSERT_EQ(found.bodies.size(), 3u);
  for (int i = 0; i < 3; ++i) EXPECT_EQ(found.bodies[static_cast<size_t>(i)]["n"], i);
  EXPECT_EQ(found.bodies[0]["text"], "é\n\t\"\\");
  EXPECT_EQ(found.warnings, "");
  EXPECT_TRUE(record(1).starts_with("{\"seq\":1,\"crc32c\":\"")) << record(1);
  EXPECT_TRUE(parse_json(record(1), "line").contains("body"));
}

TEST_F(ThreeRecords, IsTheOwnersOnly) {
  EXPECT_EQ(fs::status(path()).permissions(), fs::perms::owner_read | fs::perms::owner_write);
}

TEST_F(ThreeRecords, TornAtEveryByteKeepsTheRecordsBefore) {
  for (size_t length = 0; length <= bytes_.size(); ++length) {
    size_t kept = 0;
    while (kept < 3 && ends_[kept] <= length) ++kept;
    const bool has_tail = length != (kept == 0 ? 0 : ends_[kept - 1]);
    expect_cut(bytes_.substr(0, length), kept, has_tail);
  }
}

TEST_F(ThreeRecords, ATailOfNulsIsCut) {
  expect_cut(bytes_ + std::string(4096, '\0'), 3, true);
  expect_cut(bytes_.substr(0, ends_[1] + 5) + std::string(100, '\0'), 2, true);
  expect_cut(bytes_.substr(0, ends_[1]) + std::string(20, '\0') + record(2).substr(20), 2, true);
}

TEST_F(ThreeRecords, AnyFlippedBitOfTheLastRecordIsCutOrRefused) {
  for (uint64_t byte = ends_[1]; byte < ends_[2]; ++byte) {
    for (int bit = 0; bit < 8; ++bit) {
      std::string damaged = bytes_;
      damaged[byte] = static_cast<char>(damaged[byte] ^ (1 << bit));
      write_plainly(path(), damaged);
      std::vector<Json> bodies;
      const Error error = error_of([&] { bodies = open_journal(path()).bodies; });
      if (error.code() == ExitCode::kBadData) continue;  // split into two bad lines
      ASSERT_EQ(error.code(), ExitCode::kDone) << error.what();
      ASSERT_EQ(bodies.size(), 2u) << "byte " << byte << " bit " << bit;
    }
  }
}

TEST_F(ThreeRecords, AnyFlippedBitBeforeAGoodRecordIsRefused) {
  for (uint64_t byte = ends_[0]; byte < ends_[1]; ++byte) {
    for (int bit = 0; bit < 8; ++bit) {
      std::string damaged = bytes_;
      damaged[byte] = static_cast<char>(damaged[byte] ^ (1 << bit));
      // The newline gone, records 1 and 2 are one bad last line: nothing tells it from a torn one.
      if (byte == ends_[1] - 1) continue;
      expect_refused(damaged, "journal.jsonl:2:");
    }
  }
}

TEST_F(ThreeRecords, GapsRepeatsAndSwapsAreRefused) {
  expect_refused(record(0) + record(2), "journal.jsonl:2: expected record 1, found record 2");
  expect_refused(record(1) + record(2), "journal.jsonl:1: expected record 0, found record 1");
  expect_refused(record(0) + record(0), "journal.jsonl:2: expected record 1, found record 0");
  expect_refused(record(0) + record(2) + record(1), "journal.jsonl:2: expected record 1");
  expect_refused(record(0) + "\n" + record(1), "journal.jsonl:2: damaged");
  expect_refused(record(0) + "x\nx\n", "journal.jsonl:2: damaged");
}

TEST_F(ThreeRecords, GroupedRecordsAreCutFromTheFirstDamagedOneOn) {
  const std::string damaged = record(0) + "x" + record(1).substr(1) + record(2);
  write_plainly(path(), damaged);
  std::vector<Json> bodies;
  const std::string warnings = stderr_of([&] {
    Journal journal(
        path(), [&](const Json& b) { bodies.push_back(b); }, Durability::grouped);
    journal.append({{"n", "next"}});
  });
  EXPECT_EQ(bodies.size(), 1u);
  EXPECT_EQ(count(warnings, "warning"), 1u) << warnings;
  EXPECT_EQ(open_journal(path()).bodies.size(), 2u);
}

TEST(Journal, GroupedRecordsAreWrittenAtOnce) {
  const TemporaryFolder folder;
  const fs::path path = folder / "journal.jsonl";
  Journal journal(
      path, [](const Json&) {}, Durability::grouped);
  for (int n = 0; n < 100; ++n) {
    journal.append({{"n", n}});
    ASSERT_EQ(open_journal(path).bodies.size(), static_cast<size_t>(n) + 1);
  }
}

TEST_F(ThreeRecords, ReadingLeavesATornTailAlone) {
  const std::string torn = bytes_ + record(0).substr(0, 20);
  write_plainly(path(), torn);
  std::vector<Json> bodies;
  read_journal(path(), [&](const Json& body) { bodies.push_back(body); });
  EXPECT_EQ(bodies.size(), 3u);
  EXPECT_EQ(read_file(path()), torn);
  expect_error(
      [&] { read_journal(folder_ / "none", [](const Json&) {}); }, ExitCode::kMissingInput, "none");
}

TEST(Journal, BeginsEmptyAndKeepsLongRecords) {
  const TemporaryFolder folder;
  EXPECT_TRUE(open_journal(folder / "j").bodies.empty());
  const std::string text(3'000'000, 'x');  // longer than one read
  Journal(folder / "j", [](const Json&) {}).append({{"text", text}});
  const Replayed found = open_journal(folder / "j");
  ASSERT_EQ(found.bodies.size(), 1u);
  EXPECT_EQ(found.bodies[0]["text"], text);
}

TEST(Journal, ThreadsAppendWholeRecords) {
  const TemporaryFolder folder;
  {
    Journal journal(folder / "j", [](const Json&) {});
    std::vector<std::thread> threads;
    for (int t = 0; t < 4; ++t) {
      threads.emplace_back([&journal, t] {
        for (int i = 0; i < 25; ++i) journal.append({{"thread", t}, {"i", i}});
      });
    }
    for (std::thread& thread : threads) thread.join();
  }
  EXPECT_EQ(open_journal(folder / "j").bodies.size(), 100u);
}

TEST(Journal, AFailedAppendEndsTheJournalAndIsCutLater) {
  const TemporaryFolder folder;
  ::signal(SIGXFSZ, SIG_IGN);
  Journal journal(folder / "j", [](const Json&) {});
  journal.append({{"n", 0}});
  rlimit before{};
  ASSERT_EQ(::getrlimit(RLIMIT_FSIZE, &before), 0);
  const rlimit tight{200, before.rlim_max};
  ASSERT_EQ(::setrlimit(RLIMIT_FSIZE, &tight), 0);
  const Error error = error_of([&] { journal.append({{"text", std::string(500, 'x')}}); });
  ASSERT_EQ(::setrlimit(RLIMIT_FSIZE, &before), 0);
  EXPECT_EQ(error.code(), ExitCode::kIo) << error.what();
  expect_error([&] { journal.append({{"n", 1}}); }, ExitCode::kIo, "earlier write error");
  EXPECT_EQ(fs::file_size(folder / "j"), 200u);
  EXPECT_EQ(open_journal(folder / "j").bodies.size(), 1u);
}

TEST(Journal, RefusesWhatItCouldNotReadAgain) {
  const TemporaryFolder folder;
  Json deep = Json::object();
  for (int i = 0; i < 62; ++i) deep = {{"a", deep}};
  Journal(folder / "j", [](const Json&) {}).append(deep);
  EXPECT_EQ(open_journal(folder / "j").bodies.size(), 1u);
  Journal journal(folder / "j", [](const Json&) {});
  expect_error([&] { journal.append({{"a", deep}}); }, ExitCode::kInternal, "too deep");
  EXPECT_NO_THROW(journal.append({{"n", 1}}));
}

}  // namespace
}  // namespace thoughtrank
