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

TEST_F(PriceTest, has_four_numbers_and_a_tier_for_long_requests) {
  const Json value = parse_json(R"({"input_per_million": 2, "output_per_million": 10,
      "cached_per_million": 0.2, "cache_write_per_million": 2.5,
      "above": {"tokens": 1000, "input_per_million": 4, "output_per_million": 15}})",
                                "price");
  const Price price = read_price(value, "judge.price");
  EXPECT_NEAR(price.cost({.input = 1000, .output = 100, .cached = 400, .written = 100}),
              (500 * 2 + 400 * 0.2 + 100 * 2.5 + 100 * 10) / 1e6,
              1e-12);
  EXPECT_NEAR(price.cost({.input = 1001, .output = 100, .cached = 401, .written = 100}),
              (500 * 4 + 401 * 0.4 + 100 * 5.0 + 100 * 15) / 1e6,
              1e-12);
  EXPECT_NEAR(price.cost({.input = 1001, .output = 100, .usd = 0.5}), 0.5, 0);
  EXPECT_NEAR(price.most(3000, 100, 900), (3000 * 2.5 + 100 * 10) / 1e6, 1e-12);
  EXPECT_NEAR(price.most(3000, 100, 1200), (3000 * 5.0 + 100 * 15) / 1e6, 1e-12);
  for (
      const char* wrong :
      {R"({"input_per_million": 1})",
       R"({"input_per_million": 1, "output_per_million": 1, "cache": 1})",
       R"({"input_per_million": 1, "output_per_million": 1, "cached_per_million": -1})",
       R"({"input_per_million": 1, "output_per_million": 1, "above": {"tokens": 0, "input_per_million": 1, "output_per_million": 1}})",
       R"({"input_per_million": 1, "output_per_million": 1, "above": {"tokens": 5}})",
       R"([1, 2])"}) {
    expect_error([&] { (void)read_price(parse_json(wrong, "price"), "judge.price"); },
                 ExitCode::kConfig,
                 {"judge.price"});
  }
}

TEST_F(PriceTest, of_anthropics_caches_is_the_usual_one) {
  ServerOptions options = server_at("https://api.anthropic.com/v1");
  options.price = {{"input_per_million", 10}, {"output_per_million", 50}};
  const Price plain = price_of(options, std::nullopt, ServerKind::anthropic);
  EXPECT_NEAR(*plain.cached_per_million, 1, 1e-12);
  EXPECT_NEAR(*plain.cache_write_per_million, 12.5, 1e-12);
  options.extra_body = {{"cache_control", {{"type", "ephemeral"}, {"ttl", "1h"}}}};
  EXPECT_NEAR(
      *price_of(options, std::nullopt, ServerKind::anthropic).cache_write_per_million, 20, 1e-12);
  EXPECT_FALSE(price_of(options, std::nullopt).cached_per_million);
}

TEST_F(PriceTest, the_file_says_when_a_model_ends) {
  const fs::path file = folder_ / "prices.yaml";
  publish_file(file,
               "date: 2026-01-31\nmodels:\n  old: {input_per_million: 2, output_per_million: 8, "
               "date: 2025-05-01, ends: 2026-03-01}\n  new: {input_per_million: 1, "
               "output_per_million: 2}\n");
  ServerOptions options = server_at("https://api.example.com/v1");
  options.model = "old";
  EXPECT_EQ(price_of(options, file).cost(1'000'000, 0), 2);
  EXPECT_EQ(date_of_prices(file), "2026-01-31");
  EXPECT_EQ(end_of_model(options, file), "2026-03-01");
  options.model = "new";
  EXPECT_EQ(end_of_model(options, file), "");
  constexpr double kSecondOfFebruary = 1769990400;  // 2026-02-02
  EXPECT_EQ(days_until("2026-03-01", kSecondOfFebruary), 27);
  EXPECT_EQ(days_until("2026-02-01", kSecondOfFebruary + 86399), -1);
  for (const char* wrong : {"", "soon", "2026-13-01", "2026-02-30", "2026-03-01x"}) {
    EXPECT_FALSE(days_until(wrong, 0)) << wrong;
  }
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
  const fs::path file = fs::path(SOURCE_DIR) / "configs" / "prices.yaml";
  options.model = "gpt-4o-mini";
  EXPECT_FALSE(price_of(options, file).is_free());
  EXPECT_TRUE(days_until(end_of_model(options, file), 0));
  EXPECT_TRUE(days_until(date_of_prices(file), 0));
  options.model = "gpt-6-luna";
  EXPECT_NEAR(price_of(options, file).cost({.input = 1'000'000, .output = 0, .cached = 1'000'000}),
              0.01,
              1e-12);
  EXPECT_EQ(end_of_model(options, file), "");
}

}  // namespace
}  // namespace thoughtrank
