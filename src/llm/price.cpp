#include "thoughtrank/llm/price.h"

#include <algorithm>
#include <chrono>
#include <cmath>
#include <cstdio>
#include <initializer_list>

#include "llm/endpoint.h"

namespace thoughtrank {
namespace {

// The mapping of models in the price file.
struct PriceFile {
  std::string date;
  Json models;
  void visit(FieldVisitor& v) {
    v.text("date", date, "when the prices were looked up");
    v.json("models", models, "model name -> its prices; date, ends: of this row");
  }
};

PriceFile read_price_file(const std::filesystem::path& path) {
  PriceFile prices;
  load_fields({.file = path.string(), .sets = {}}, [&](FieldVisitor& v) { prices.visit(v); });
  return prices;
}

// The model's row; nullptr where there is none.
const Json* row_of(const PriceFile& prices, const std::string& model) {
  if (!prices.models.is_object()) return nullptr;
  const auto found = prices.models.find(model);
  return found == prices.models.end() ? nullptr : &*found;
}

double dollars(const Json& price, const char* key, const std::string& where) {
  const auto found = price.find(key);
  const bool is_good = found != price.end() && found->is_number() &&
                       std::isfinite(found->get<double>()) && found->get<double>() >= 0;
  if (!is_good) fail(ExitCode::kConfig, "{}.{}: expected a number of dollars >= 0", where, key);
  return found->get<double>();
}

std::optional<double> dollars_if_given(const Json& price,
                                       const char* key,
                                       const std::string& where) {
  if (!price.contains(key)) return std::nullopt;
  return dollars(price, key, where);
}

void require_keys(const Json& value,
                  std::initializer_list<const char*> needed,
                  std::initializer_list<const char*> allowed,
                  const std::string& where) {
  const auto is_in = [](std::initializer_list<const char*> keys, const std::string& key) {
    return std::any_of(keys.begin(), keys.end(), [&](const char* each) { return key == each; });
  };
  bool is_good = value.is_object();
  for (const char* key : needed) is_good = is_good && value.contains(key);
  std::string unknown;
  if (is_good) {
    for (const auto& [key, each] : value.items()) {
      if (!is_in(needed, key) && !is_in(allowed, key)) unknown = key;
    }
  }
  if (is_good && unknown.empty()) return;
  fail(ExitCode::kConfig,
       "{}: expected {{{}: …}}{}, found {}",
       where,
       fmt::join(needed, ": …, "),
       allowed.size() == 0 ? "" : fmt::format(" and perhaps {}", fmt::join(allowed, ", ")),
       unknown.empty() ? dump_json(value) : "the key '" + unknown + "'");
}

Price::LongRequest read_long_request(const Json& value, const std::string& where) {
  require_keys(value, {"tokens", "input_per_million", "output_per_million"}, {}, where);
  const Json& tokens = value["tokens"];
  if (!tokens.is_number_integer() || tokens.get<int64_t>() < 1) {
    fail(ExitCode::kConfig, "{}.tokens: expected a number of tokens > 0", where);
  }
  return {.above_tokens = tokens.get<int64_t>(),
          .input_per_million = dollars(value, "input_per_million", where),
          .output_per_million = dollars(value, "output_per_million", where)};
}

void add_usual_caches(Price& price, const Json& extra_body) {
  constexpr double kRead = 0.1, kWrite = 1.25, kLongWrite = 2;
  const bool is_long =
      extra_body.is_object() && dump_json(extra_body).find("\"1h\"") != std::string::npos;
  if (!price.cached_per_million) price.cached_per_million = kRead * price.input_per_million;
  if (!price.cache_write_per_million) {
    price.cache_write_per_million = (is_long ? kLongWrite : kWrite) * price.input_per_million;
  }
}

}  // namespace

double Price::cost(int64_t input_tokens, int64_t output_tokens) const {
  return (static_cast<double>(input_tokens) * input_per_million +
          static_cast<double>(output_tokens) * output_per_million) /
         1e6;
}

double Price::cost(const TokenUsage& usage) const {
  if (usage.usd) return *usage.usd;
  const bool is_long = long_request && usage.input > long_request->above_tokens;
  const double input = is_long ? long_request->input_per_million : input_per_million;
  const double output = is_long ? long_request->output_per_million : output_per_million;
  const double rise = is_long && input_per_million > 0 ? input / input_per_million : 1;
  const double cached = cached_per_million ? rise * *cached_per_million : input;
  const double written = cache_write_per_million ? rise * *cache_write_per_million : input;
  const int64_t plain = std::max<int64_t>(0, usage.input - usage.cached - usage.written);
  return (static_cast<double>(plain) * input + static_cast<double>(usage.cached) * cached +
          static_cast<double>(usage.written) * written +
          static_cast<double>(usage.output) * output) /
         1e6;
}

double Price::most(int64_t bytes, int64_t output_tokens, int64_t longest) const {
  double input = std::max(
      {input_per_million, cached_per_million.value_or(0), cache_write_per_million.value_or(0)});
  double output = output_per_million;
  if (long_request && longest > long_request->above_tokens) {
    const double rise =
        input_per_million > 0 ? long_request->input_per_million / input_per_million : 1;
    input = std::max({input, rise * input, long_request->input_per_million});
    output = std::max(output, long_request->output_per_million);
  }
  return (static_cast<double>(bytes) * input + static_cast<double>(output_tokens) * output) / 1e6;
}

Price read_price(const Json& value, const std::string& where) {
  require_keys(value,
               {"input_per_million", "output_per_million"},
               {"cached_per_million", "cache_write_per_million", "above"},
               where);
  Price price{.input_per_million = dollars(value, "input_per_million", where),
              .output_per_million = dollars(value, "output_per_million", where),
              .cached_per_million = dollars_if_given(value, "cached_per_million", where),
              .cache_write_per_million = dollars_if_given(value, "cache_write_per_million", where)};
  if (value.contains("above"))
    price.long_request = read_long_request(value["above"], where + ".above");
  return price;
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
               const std::optional<std::filesystem::path>& price_file,
               ServerKind kind) {
  const auto with_caches = [&](Price price) {
    if (kind == ServerKind::anthropic) add_usual_caches(price, options.extra_body);
    return price;
  };
  if (!options.price.is_null()) return with_caches(read_price(options.price, "judge.price"));
  if (server_endpoint(options.base_url, "", options.allow_http).is_loopback) return {};
  if (price_file) {
    const PriceFile prices = read_price_file(*price_file);
    if (const Json* row = row_of(prices, options.model)) {
      Json price = *row;
      if (price.is_object()) {
        for (const char* note : {"date", "ends"}) price.erase(note);
      }
      return with_caches(read_price(price, price_file->string() + ": models." + options.model));
    }
  }
  fail(ExitCode::kConfig,
       "judge.price: the price of '{}' is not known. Set judge.price: {{input_per_million: …, "
       "output_per_million: …}} (dollars; zeros for a server of your own){}",
       options.model,
       price_file ? " or add the model to " + price_file->string() : "");
}

std::string date_of_prices(const std::filesystem::path& price_file) {
  return read_price_file(price_file).date;
}

std::string end_of_model(const ServerOptions& options, const std::filesystem::path& price_file) {
  const PriceFile prices = read_price_file(price_file);
  const Json* row = row_of(prices, options.model);
  if (row == nullptr || !row->is_object()) return {};
  const auto ends = row->find("ends");
  return ends != row->end() && ends->is_string() ? ends->get<std::string>() : std::string();
}

std::optional<int64_t> days_until(const std::string& date, double today_s) {
  using namespace std::chrono;
  int year_number = 0;
  unsigned month_number = 0, day_number = 0;
  char rest = 0;
  if (std::sscanf(date.c_str(), "%4d-%2u-%2u%c", &year_number, &month_number, &day_number, &rest) !=
      3) {
    return std::nullopt;
  }
  const year_month_day day{year(year_number), month(month_number), std::chrono::day(day_number)};
  if (!day.ok()) return std::nullopt;
  constexpr double kSecondsOfADay = 86400;
  const auto today = static_cast<int64_t>(std::floor(today_s / kSecondsOfADay));
  return sys_days(day).time_since_epoch().count() - today;
}

}  // namespace thoughtrank
