// HTTP POST over libcurl multi on a thread of its own. Never follows a redirect, never reads
// .netrc, always verifies certificates, counts the bytes itself.
#pragma once

#include <memory>
#include <string>
#include <vector>

#include "llm/endpoint.h"
#include "thoughtrank/core/secret.h"
#include "thoughtrank/llm/transport.h"

namespace thoughtrank {

struct CurlOptions {
  Endpoint endpoint = {};
  std::string key_header = "Authorization: Bearer ";  // what stands before the key
  std::vector<std::string> headers = {};              // further lines
  double timeout_s = 600;
  std::string ca_file = {};  // empty: SSL_CERT_FILE or CURL_CA_BUNDLE, else the system's
  std::string proxy = {};  // empty: https_proxy and NO_PROXY of the environment; never to loopback
};

class CurlTransport : public Transport {
 public:
  // `key` may be empty; it must outlive the transport.
  CurlTransport(CurlOptions options, const Secret& key);
  ~CurlTransport() override;
  void start(uint64_t ticket, std::string body) override;
  [[nodiscard]] std::vector<FinishedTransfer> wait(double timeout_s) override;

 private:
  struct Impl;
  std::unique_ptr<Impl> impl_;
};

}  // namespace thoughtrank
