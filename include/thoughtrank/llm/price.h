// What a server's tokens cost. The price comes from the config, or by the model's name from
// configs/prices.yaml; a server on this machine without a price is free. A server that states its
// own bill is believed.
#pragma once

#include <cstdint>
#include <filesystem>
#include <optional>

#include "thoughtrank/llm/server_options.h"

namespace thoughtrank {

// What a server says that a call took.
struct TokenUsage {
  int64_t input = 0;    // the whole prompt
  int64_t output = 0;   // all that is billed as output: the judge's own thinking belongs to it
  int64_t cached = 0;   // part of the input that was read from a prompt cache
  int64_t written = 0;  // part of the input that was written to one
  std::optional<double> usd = {};  // the server's own bill
};

// Dollars. Without a price of their own, tokens read from a cache or written to it cost as much as
// other input.
struct Price {
  double input_per_million = 0;
  double output_per_million = 0;
  std::optional<double> cached_per_million = {};
  std::optional<double> cache_write_per_million = {};
  // Of a request with more than so many input tokens; what caches cost rises like other input.
  struct LongRequest {
    int64_t above_tokens = 0;
    double input_per_million = 0;
    double output_per_million = 0;
  };
  std::optional<LongRequest> long_request = {};

  [[nodiscard]] bool is_free() const { return input_per_million == 0 && output_per_million == 0; }
  // Of tokens of short requests without a cache.
  [[nodiscard]] double cost(int64_t input_tokens, int64_t output_tokens) const;
  // Of one call.
  [[nodiscard]] double cost(const TokenUsage& usage) const;
  // The most that requests of so many bytes together can cost, whose longest has `longest` bytes: a
  // token has at least one byte, and each may be written to a cache.
  [[nodiscard]] double most(int64_t bytes, int64_t output_tokens, int64_t longest) const;
};

// Reads {input_per_million, output_per_million}, with cached_per_million, cache_write_per_million
// and above: {tokens, input_per_million, output_per_million} where they are given. Throws
// Error(kConfig) naming `where`.
[[nodiscard]] Price read_price(const Json& value, const std::string& where);

// Returns configs/prices.yaml beside the program or one folder up; nullopt where there is none.
[[nodiscard]] std::optional<std::filesystem::path> find_price_file();

// Throws Error(kConfig) for a server whose price is not known. Anthropic's caches have their usual
// prices, a tenth of input to read and five quarters of it (twice with a life of "1h") to write,
// unless the price names others.
[[nodiscard]] Price price_of(const ServerOptions& options,
                             const std::optional<std::filesystem::path>& price_file,
                             ServerKind kind = ServerKind::openai);

// What the price file says beside prices, as "2026-12-11"; "" where it says nothing.
[[nodiscard]] std::string date_of_prices(const std::filesystem::path& price_file);
[[nodiscard]] std::string end_of_model(const ServerOptions& options,
                                       const std::filesystem::path& price_file);
// Days from `today`, the same in seconds since 1970, to the date; nullopt where it is none.
[[nodiscard]] std::optional<int64_t> days_until(const std::string& date, double today_s);

}  // namespace thoughtrank
