#include "thoughtrank/llm/price.h"

#include <cmath>

#include "llm/endpoint.h"

namespace thoughtrank {
namespace {

// The mapping of models in the price file.
struct PriceFile {
  std::string date;
  Json models;
  void visit(FieldVisitor& v) {
    v.text("date", date, "when the prices were looked up");
    v.json("models", models, "model name -> {input_per_million, output_per_million}");
  }
};

double dollars(const Json& price, const char* key, const std::string& where) {
  const auto found = price.find(key);
  const bool is_good = found != price.end() && found->is_number() &&
                       std::isfinite(found->get<double>()) && found->get<double>() >= 0;
  if (!is_good) fail(ExitCode::kConfig, "{}.{}: expected a number of dollars >= 0", where, key);
  return found->get<double>();
}

}  // namespace

Price read_price(const Json& value, const std::string& where) {
  if (!value.is_object() || value.size() != 2) {
    fail(ExitCode::kConfig,
         "{}: expected {{input_per_million: …, output_per_million: …}}, found {}",
         where,
         dump_json(value));
  }
  return {.input_per_million = dollars(value, "input_per_million", where),
          .output_per_million = dollars(value, "output_per_million", where)};
}

std::optional<std::filesystem::path> find_price_file() {
  std::error_code error;
  const auto program = std::filesystem::read_symlink("/proc/self/exe", error);
  if (error) return std::nullopt;
  const auto folder = program.parent_path();
  for (const auto& base : {folder.parent_path(), folder}) {
    const auto path = base / "configs" / "prices.yaml";
    if (std::filesystem::exists(path, error)) return path;
  }
  return std::nullopt;
}

Price price_of(const ServerOptions& options,
               const std::optional<std::filesystem::path>& price_file) {
  if (!options.price.is_null()) return read_price(options.price, "judge.price");
  if (server_endpoint(options.base_url, "", options.allow_http).is_loopback) return {};
  if (price_file) {
    PriceFile prices;
    load_fields({.file = price_file->string(), .sets = {}},
                [&](FieldVisitor& v) { prices.visit(v); });
    if (prices.models.is_object() && prices.models.contains(options.model)) {
      return read_price(prices.models[options.model],
                        price_file->string() + ": models." + options.model);
    }
  }
  fail(ExitCode::kConfig,
       "judge.price: the price of '{}' is not known. Set judge.price: {{input_per_million: …, "
       "output_per_million: …}} (dollars; zeros for a server of your own){}",
       options.model,
       price_file ? " or add the model to " + price_file->string() : "");
}

}  // namespace thoughtrank
