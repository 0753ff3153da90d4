// What a server's tokens cost. The price comes from the config, or by the model's name from
// configs/prices.yaml; a server on this machine without a price is free.
#pragma once

#include <cstdint>
#include <filesystem>
#include <optional>

#include "thoughtrank/llm/server_options.h"

namespace thoughtrank {

struct Price {
  double input_per_million = 0;
  double output_per_million = 0;
  [[nodiscard]] bool is_free() const { return input_per_million == 0 && output_per_million == 0; }
  [[nodiscard]] double cost(int64_t input_tokens, int64_t output_tokens) const {
    return (static_cast<double>(input_tokens) * input_per_million +
            static_cast<double>(output_tokens) * output_per_million) /
           1e6;
  }
};

// Reads {input_per_million, output_per_million}. Throws Error(kConfig) naming `where`.
[[nodiscard]] Price read_price(const Json& value, const std::string& where);

// Returns configs/prices.yaml beside the program or one folder up; nullopt where there is none.
[[nodiscard]] std::optional<std::filesystem::path> find_price_file();

// Throws Error(kConfig) for a server whose price is not known.
[[nodiscard]] Price price_of(const ServerOptions& options,
                             const std::optional<std::filesystem::path>& price_file);

}  // namespace thoughtrank
