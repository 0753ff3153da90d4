// Where requests may go, and what they cost there.
#include "llm/endpoint.h"

#include <gtest/gtest.h>

#include "llm/llm_room.h"
#include "thoughtrank/llm/price.h"

namespace thoughtrank {
namespace {

TEST(Endpoint, only_https_or_loopback_and_nothing_hidden) {
  EXPECT_EQ(server_endpoint("https://api.example.com/v1/", "/chat/completions", false).url,
            "https://api.example.com/v1/chat/completions");
  EXPECT_FALSE(
      server_endpoint("https://api.example.com/v1", "/chat/completions", false).is_loopback);
  for (const char* local :
       {"http://127.0.0.1:8000/v1", "http://localhost/v1", "http://[::1]:1/v1"}) {
    EXPECT_TRUE(server_endpoint(local, "/chat/completions", false).is_loopback) << local;
  }
  EXPECT_FALSE(server_endpoint("http://10.0.0.5/v1", "/chat/completions", true).is_loopback);
  for (const char* bad : {"http://api.example.com/v1",
                          "http://127.0.0.1.evil.com/v1",
                          "ftp://x/v1",
                          "https://user:pw@x/v1",
                          "https://x/v1?a=b",
                          "https://x/v1#a",
                          "",
                          "x",
                          "file:///etc/passwd",
                          "http://localhost.evil.com/",
                          "https://a b/"}) {
    expect_error([&] { (void)server_endpoint(bad, "/chat/completions", false); },
                 ExitCode::kConfig,
                 {"judge.base_url"});
  }
}

class PriceTest : public LlmTest {};

TEST_F(PriceTest, comes_from_the_config_the_file_or_not_at_all) {
  ServerOptions options = server_at("https://api.example.com/v1");
  options.model = "known";
  const fs::path file = folder_ / "prices.yaml";
  publish_file(
      file, "date: 2025-01-01\nmodels:\n  known: {input_per_million: 2, output_per_million: 8}\n");
  EXPECT_EQ(price_of(options, file).cost(1'000'000, 500'000), 6);
  options.model = "unknown";
  expect_error([&] { (void)price_of(options, file); }, ExitCode::kConfig, {"unknown"});
  options.price = {{"input_per_million", 1}, {"output_per_million", 0.5}};
  EXPECT_EQ(price_of(options, file).cost(0, 2'000'000), 1);
  options.price["output_per_million"] = -1;
  expect_error([&] { (void)price_of(options, file); }, ExitCode::kConfig, {"output_per_million"});
  EXPECT_TRUE(price_of(server_at("http://127.0.0.1:1/v1"), std::nullopt).is_free());
}

// A command that is left over from another kind of judge makes no server free.
TEST_F(PriceTest, a_command_pays_no_bill_of_a_server) {
  ServerOptions options = server_at("https://api.openai.com/v1");
  options.model = "gpt-4o-mini";
  options.command = {"./rank.py"};
  EXPECT_FALSE(price_of(options, fs::path(SOURCE_DIR) / "configs" / "prices.yaml").is_free());
}

TEST_F(PriceTest, the_file_in_configs_is_readable) {
  ServerOptions options = server_at("https://api.openai.com/v1");
  options.model = "gpt-4o-mini";
  EXPECT_FALSE(price_of(options, fs::path(SOURCE_DIR) / "configs" / "prices.yaml").is_free());
}

}  // namespace
}  // namespace thoughtrank
