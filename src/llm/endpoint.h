// The address that a base_url names, and whether a key may travel there.
#pragma once

#include <string>

namespace thoughtrank {

struct Endpoint {
  std::string url;  // "https://host/v1/chat/completions"
  bool is_loopback = false;
};

// `path` ("/chat/completions") goes after the base. Error(kConfig) unless the address is HTTPS, or
// HTTP to this machine, or HTTP with `allow_http`; and for user names, queries and fragments in it.
[[nodiscard]] Endpoint server_endpoint(const std::string& base_url,
                                       const std::string& path,
                                       bool allow_http);

}  // namespace thoughtrank
