// A TLS server on 127.0.0.1 for tests, with a certificate made for the occasion: right, expired,
// for another host, of an unknown authority, or over a protocol of old.
#pragma once

#include <filesystem>
#include <memory>
#include <string>

namespace thoughtrank {

struct TlsFlaws {
  std::string host = "localhost";  // that the certificate is for
  int from_days = -1;
  int until_days = 30;
  bool is_self_signed = false;   // instead of by the authority
  bool is_old_protocol = false;  // TLS 1.1 at most
};

class TlsServer {
 public:
  // Writes the authority's certificate to `ca_file`. Answers each request with 200 and `{}`.
  TlsServer(const TlsFlaws& flaws, const std::filesystem::path& ca_file);
  ~TlsServer();
  [[nodiscard]] std::string base_url() const;  // "https://localhost:port/v1"
  // Bytes of requests that were read after a handshake.
  [[nodiscard]] size_t received() const;

 private:
  struct Impl;
  std::unique_ptr<Impl> impl_;
};

}  // namespace thoughtrank
