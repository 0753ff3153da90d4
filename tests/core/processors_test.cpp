#include "thoughtrank/core/processors.h"

#include <gtest/gtest.h>
#include <sched.h>

#include "support/temporary_folder.h"

namespace thoughtrank {
namespace {

namespace fs = std::filesystem;

class UsableProcessors : public testing::Test {
 protected:
  void SetUp() override { ASSERT_EQ(::sched_getaffinity(0, sizeof before_, &before_), 0); }
  void TearDown() override { ::sched_setaffinity(0, sizeof before_, &before_); }

  // Allows the first `count` of the processors that the test has.
  void allow(int count) {
    cpu_set_t fewer;
    CPU_ZERO(&fewer);
    for (int cpu = 0; cpu < CPU_SETSIZE && CPU_COUNT(&fewer) < count; ++cpu) {
      if (CPU_ISSET(cpu, &before_)) CPU_SET(cpu, &fewer);
    }
    ASSERT_EQ(::sched_setaffinity(0, sizeof fewer, &fewer), 0);
  }
  void write(const std::string& path, const std::string& text) {
    fs::create_directories((folder_ / path).parent_path());
    write_plainly(folder_ / path, text);
  }
  [[nodiscard]] int64_t found() const { return usable_processors(folder_.path()); }
  [[nodiscard]] int all() const { return CPU_COUNT(&before_); }

 private:
  cpu_set_t before_{};
  TemporaryFolder folder_;
};

TEST_F(UsableProcessors, AreThoseOfTheAffinityMask) {
  EXPECT_EQ(found(), all());
  allow(1);
  EXPECT_EQ(found(), 1);
}

TEST_F(UsableProcessors, AreLimitedByQuotasOfTheGroupAndThoseAbove) {
  if (all() < 2) GTEST_SKIP() << "one processor: a quota cannot make it fewer";
  write("proc/self/cgroup", "0::/jobs/mine\n");
  write("sys/fs/cgroup/jobs/mine/cpu.max", "max 100000\n");
  EXPECT_EQ(found(), all());
  write("sys/fs/cgroup/jobs/cpu.max", "199999 100000\n");
  EXPECT_EQ(found(), 1);
  write("sys/fs/cgroup/jobs/cpu.max", "6400000 100000\n");
  EXPECT_EQ(found(), std::min(all(), 64));
  write("sys/fs/cgroup/jobs/mine/cpu.max", "50000 100000\n");
  EXPECT_EQ(found(), 1) << "less than one processor is one";
}

TEST_F(UsableProcessors, AreLimitedByTheOlderGroups) {
  if (all() < 2) GTEST_SKIP() << "one processor: a quota cannot make it fewer";
  write("proc/self/cgroup", "5:cpuset:/a\n4:cpu,cpuacct:/slurm/job_1\n3:memory:/b\n");
  write("sys/fs/cgroup/cpu/slurm/job_1/cpu.cfs_quota_us", "-1\n");
  write("sys/fs/cgroup/cpu/slurm/job_1/cpu.cfs_period_us", "100000\n");
  EXPECT_EQ(found(), all());
  write("sys/fs/cgroup/cpu/slurm/cpu.cfs_quota_us", "100000\n");
  write("sys/fs/cgroup/cpu/slurm/cpu.cfs_period_us", "100000\n");
  EXPECT_EQ(found(), 1);
}

}  // namespace
}  // namespace thoughtrank
