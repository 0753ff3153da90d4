#include "thoughtrank/core/memory.h"

#include <gtest/gtest.h>

#include "support/temporary_folder.h"

namespace thoughtrank {
namespace {

namespace fs = std::filesystem;

class AvailableMemory : public testing::Test {
 protected:
  void write(const std::string& path, const std::string& text) {
    fs::create_directories((folder_ / path).parent_path());
    write_plainly(folder_ / path, text);
  }
  std::optional<int64_t> found() { return available_memory(folder_.path()); }

 private:
  TemporaryFolder folder_;
};

TEST_F(AvailableMemory, IsUnknownWithoutFiles) { EXPECT_EQ(found(), std::nullopt); }

TEST_F(AvailableMemory, IsWhatTheKernelSays) {
  write("proc/meminfo", "MemTotal:       9000 kB\nMemFree: 10 kB\nMemAvailable:   3000 kB\n");
  EXPECT_EQ(found(), 3000 * 1024);
}

TEST_F(AvailableMemory, IsLimitedByGroupsOfTheProcessAndThoseAbove) {
  write("proc/meminfo", "MemAvailable:   3000 kB\n");
  write("proc/self/cgroup", "0::/jobs/mine\n");
  write("sys/fs/cgroup/jobs/mine/memory.max", "max\n");
  write("sys/fs/cgroup/jobs/mine/memory.current", "400000\n");
  EXPECT_EQ(found(), 3000 * 1024);
  write("sys/fs/cgroup/jobs/memory.max", "1000000\n");
  write("sys/fs/cgroup/jobs/memory.current", "900000\n");
  EXPECT_EQ(found(), 100000);
  write("sys/fs/cgroup/jobs/memory.stat", "anon 7\ninactive_file 50000\n");
  EXPECT_EQ(found(), 150000);
  write("sys/fs/cgroup/jobs/memory.current", "1900000\n");
  EXPECT_EQ(found(), 0);
}

TEST_F(AvailableMemory, KnowsTheOlderGroups) {
  write("proc/meminfo", "MemAvailable:   3000 kB\n");
  write("sys/fs/cgroup/memory/memory.limit_in_bytes", "2000000\n");
  write("sys/fs/cgroup/memory/memory.usage_in_bytes", "1500000\n");
  write("sys/fs/cgroup/memory/memory.stat", "total_inactive_file 1000\n");
  EXPECT_EQ(found(), 501000);
}

TEST_F(AvailableMemory, IsLimitedByOlderGroupsOfTheProcessAndThoseAbove) {
  write("proc/meminfo", "MemAvailable:   3000 kB\n");
  write("proc/self/cgroup", "7:cpu,cpuacct:/x\n3:memory:/slurm/job_1/step_0\n0::/\n");
  write("sys/fs/cgroup/memory/slurm/job_1/memory.limit_in_bytes", "700000\n");
  write("sys/fs/cgroup/memory/slurm/job_1/memory.usage_in_bytes", "300000\n");
  EXPECT_EQ(found(), 400000);
}

TEST(AvailableMemoryHere, IsReadable) { EXPECT_GT(available_memory().value_or(0), 0); }

TEST(ResidentMemory, GrowsWithWhatIsWrittenAndKeepsItsPeak) {
  constexpr int64_t kBytes = int64_t{64} << 20;
  const int64_t before = resident_bytes();
  {
    const std::vector<char> written(kBytes, 'x');
    EXPECT_GE(resident_bytes(), before + kBytes / 2) << written.back();
  }
  EXPECT_GE(peak_resident_bytes(), before + kBytes / 2);
}

}  // namespace
}  // namespace thoughtrank
