#include "thoughtrank/llm/credentials.h"

#include <map>
#include <mutex>

namespace thoughtrank {
namespace {

// The environment belongs to the process and gives a key away only once; a run connects once per
// round. So what was taken stays with the process, in the one type that does not leak it.
std::shared_ptr<const Secret> taken_from_environment(const std::string& variable) {
  static std::mutex mutex;
  static std::map<std::string, std::shared_ptr<const Secret>> taken;
  const std::lock_guard lock(mutex);
  auto fresh = std::make_shared<const Secret>(take_secret_from_environment(variable));
  if (!fresh->is_empty()) taken[variable] = std::move(fresh);
  return taken[variable];
}

}  // namespace

void hide_server_key(const ServerOptions& options) {
  if (!options.api_key_env.empty()) taken_from_environment(options.api_key_env);
}

std::shared_ptr<const Secret> server_key(const ServerOptions& options) {
  if (!options.api_key_file.empty() && !options.api_key_env.empty()) {
    fail(ExitCode::kConfig, "judge.api_key_env and judge.api_key_file are both set. Keep one");
  }
  if (!options.api_key_file.empty()) {
    return std::make_shared<const Secret>(read_secret_file(options.api_key_file));
  }
  if (options.api_key_env.empty()) return std::make_shared<const Secret>();
  auto key = taken_from_environment(options.api_key_env);
  if (!key) {
    fail(ExitCode::kCredentials,
         "judge.api_key_env: the environment variable {} is not set. Export the judge's key there",
         options.api_key_env);
  }
  return key;
}

}  // namespace thoughtrank
