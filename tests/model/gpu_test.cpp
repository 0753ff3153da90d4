#include "model/gpu.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <cstdlib>

namespace thoughtrank {
namespace {

using ::testing::HasSubstr;

const GpuNeeds kNeeds = {.architectures = {80, 86, 89, 90, 100, 120}, .memory_bytes = 8ull << 30};

// The made-up driver's settings, gone after each test.
class Gpu : public ::testing::Test {
 protected:
  void TearDown() override {
    for (const char* name : {"DRIVER", "INIT", "CARDS", "CAPABILITY", "FREE", "PID"}) {
      ::unsetenv((std::string("FAKE_NVML_") + name).c_str());
    }
  }
  static void set(const std::string& name, const std::string& value) {
    ::setenv(("FAKE_NVML_" + name).c_str(), value.c_str(), /*overwrite=*/1);
  }
  static GpuFacts ask(const std::optional<std::string>& visible = std::nullopt) {
    return ask_driver(visible, FAKE_NVML);
  }
  static std::string problem(size_t index = 0) { return gpu_problem(ask(), index, kNeeds); }
};

TEST_F(Gpu, AGoodCardIsDescribed) {
  EXPECT_EQ(problem(), "");
  EXPECT_EQ(describe_gpu(ask(), 0),
            "Made-up card 0, capability 9.0, 79.0 of 80.0 GiB free, driver 580.65.06");
}

TEST_F(Gpu, NoDriver) {
  const GpuFacts facts = ask_driver(std::nullopt, "libno-such-library.so.1");
  if (!facts.driver.empty()) GTEST_SKIP() << "this machine has a driver's module";
  EXPECT_THAT(gpu_problem(facts, 0, kNeeds), HasSubstr("found no NVIDIA driver: install one, 580"));
}

TEST_F(Gpu, ADriverThatIsNotLoadedIsNone) {
  set("INIT", "9");
  if (!ask_driver(std::nullopt, "libno-such-library.so.1").driver.empty()) GTEST_SKIP();
  EXPECT_THAT(problem(), HasSubstr("found no NVIDIA driver"));
}

TEST_F(Gpu, ADriverThatDoesNotAnswerSaysWhy) {
  set("INIT", "18");
  EXPECT_THAT(problem(), HasSubstr("does not answer: Driver/library version mismatch. Reboot"));
}

TEST_F(Gpu, AnOldDriver) {
  set("DRIVER", "535.183.01");
  EXPECT_THAT(problem(), HasSubstr("driver 535.183.01 is too old for CUDA 13: install 580"));
}

TEST_F(Gpu, NoSuchCard) {
  EXPECT_THAT(problem(1), HasSubstr("no cuda:1: the driver shows this process 1"));
}

TEST_F(Gpu, TheWrongArchitecture) {
  set("CAPABILITY", "75");
  EXPECT_THAT(problem(), HasSubstr("has compute capability 7.5"));
  EXPECT_THAT(problem(), HasSubstr("THOUGHTRANK_CUDA_ARCHITECTURES=75"));
}

TEST_F(Gpu, CodeRunsOnLaterMinorVersionsAndOnCardsToCome) {
  for (const char* capability : {"80", "87", "90", "103", "121", "130"}) {
    set("CAPABILITY", capability);
    EXPECT_EQ(problem(), "") << capability;
  }
  set("CAPABILITY", "110");  // a major version of its own, before the last
  EXPECT_NE(problem(), "");
}

TEST_F(Gpu, TooLittleMemoryNamesWhoHasIt) {
  set("FREE", "2");
  set("PID", "4242");
  EXPECT_THAT(problem(),
              HasSubstr("has 2.0 of 80.0 GiB free, 8.0 are needed; process 4242 with 78.0"));
  EXPECT_THAT(problem(), HasSubstr("end what else runs there"));
}

TEST_F(Gpu, ACardTooSmallForTheModel) {
  const GpuNeeds needs = {.architectures = {90}, .memory_bytes = 100ull << 30};
  EXPECT_THAT(gpu_problem(ask(), 0, needs), HasSubstr("take a larger card"));
}

TEST_F(Gpu, AnotherProcessIsNamedEvenWhereThereIsRoom) {
  set("FREE", "60");
  set("PID", "4242");
  EXPECT_EQ(problem(), "");
  EXPECT_THAT(describe_gpu(ask(), 0), HasSubstr("process 4242 with 20.0 GiB on the card"));
}

TEST_F(Gpu, OnlyVisibleCardsCount) {
  set("CARDS", "3");
  EXPECT_EQ(ask().cards.size(), 3u);
  EXPECT_EQ(ask("").cards.size(), 0u);
  EXPECT_EQ(ask("2,0").cards.at(0).name, "Made-up card 2");
  EXPECT_EQ(ask("GPU-1").cards.at(0).name, "Made-up card 1");
  EXPECT_EQ(ask("0,7,1").cards.size(), 1u);  // as CUDA reads it: up to the first that is none
}

TEST_F(Gpu, ABuildWithoutKernelsSaysSo) {
  EXPECT_THAT(gpu_problem(ask(), 0, {}), HasSubstr("built without CUDA kernels"));
}

}  // namespace
}  // namespace thoughtrank
