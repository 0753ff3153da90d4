#include "llm/endpoint.h"

#include <curl/curl.h>

#include <memory>

#include "thoughtrank/core/error.h"

namespace thoughtrank {
namespace {

using UrlHandle = std::unique_ptr<CURLU, decltype(&curl_url_cleanup)>;

std::string part(const UrlHandle& url, CURLUPart which) {
  char* text = nullptr;
  if (curl_url_get(url.get(), which, &text, 0) != CURLUE_OK) return {};
  std::string value = text;
  curl_free(text);
  return value;
}

bool is_loopback_host(const std::string& host) {
  return host == "localhost" || host == "[::1]" ||
         (host.starts_with("127.") && host.find_first_not_of("0123456789.") == std::string::npos);
}

}  // namespace

Endpoint server_endpoint(const std::string& base_url, const std::string& path, bool allow_http) {
  const UrlHandle url(curl_url(), &curl_url_cleanup);
  if (curl_url_set(url.get(), CURLUPART_URL, base_url.c_str(), 0) != CURLUE_OK) {
    fail(ExitCode::kConfig,
         "judge.base_url: expected an address like https://api.example.com/v1, found '{}'",
         base_url);
  }
  const std::string scheme = part(url, CURLUPART_SCHEME);
  if (!part(url, CURLUPART_USER).empty() || !part(url, CURLUPART_PASSWORD).empty()) {
    fail(ExitCode::kConfig, "judge.base_url holds a user name. Put the key in judge.api_key_env");
  }
  if (!part(url, CURLUPART_QUERY).empty() || !part(url, CURLUPART_FRAGMENT).empty()) {
    fail(ExitCode::kConfig, "judge.base_url: expected no '?' and no '#', found '{}'", base_url);
  }
  const bool is_loopback = is_loopback_host(part(url, CURLUPART_HOST));
  if (scheme != "https" && !(scheme == "http" && (is_loopback || allow_http))) {
    fail(ExitCode::kConfig,
         "judge.base_url: expected https://, found '{}'. Plain HTTP goes to this machine only, or "
         "anywhere with judge.allow_http: true",
         base_url);
  }
  const size_t end = base_url.find_last_not_of('/');
  return {.url = base_url.substr(0, end + 1) + path, .is_loopback = is_loopback};
}

}  // namespace thoughtrank
