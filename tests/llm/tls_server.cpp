#include "llm/tls_server.h"

#include <arpa/inet.h>
#include <netinet/in.h>
#include <openssl/pem.h>
#include <openssl/ssl.h>
#include <openssl/x509v3.h>
#include <sys/socket.h>
#include <unistd.h>

#include <atomic>
#include <csignal>
#include <cstdio>
#include <stdexcept>
#include <thread>

namespace thoughtrank {
namespace {

using Key = std::unique_ptr<EVP_PKEY, decltype(&EVP_PKEY_free)>;
using Certificate = std::unique_ptr<X509, decltype(&X509_free)>;
using Context = std::unique_ptr<SSL_CTX, decltype(&SSL_CTX_free)>;

void check(bool is_good, const char* what) {
  if (!is_good) throw std::runtime_error(std::string("TLS server: ") + what);
}

void add_extension(X509* certificate, X509* issuer, int nid, const std::string& value) {
  X509V3_CTX context;
  X509V3_set_ctx(&context, issuer, certificate, nullptr, nullptr, 0);
  X509_EXTENSION* extension = X509V3_EXT_conf_nid(nullptr, &context, nid, value.c_str());
  check(extension != nullptr, value.c_str());
  X509_add_ext(certificate, extension, -1);
  X509_EXTENSION_free(extension);
}

struct Subject {
  std::string name;
  long serial = 1;
  int from_days = -1;
  int until_days = 30;
};

// Signed by `issuer` with `issuer_key`; by itself where there is none.
Certificate make_certificate(const Subject& subject,
                             EVP_PKEY* key,
                             X509* issuer,
                             EVP_PKEY* signer) {
  Certificate made(X509_new(), &X509_free);
  X509_set_version(made.get(), X509_VERSION_3);
  ASN1_INTEGER_set(X509_get_serialNumber(made.get()), subject.serial);
  X509_gmtime_adj(X509_getm_notBefore(made.get()), 86400L * subject.from_days);
  X509_gmtime_adj(X509_getm_notAfter(made.get()), 86400L * subject.until_days);
  X509_set_pubkey(made.get(), key);
  X509_NAME* name = X509_get_subject_name(made.get());
  X509_NAME_add_entry_by_txt(name,
                             "CN",
                             MBSTRING_ASC,
                             reinterpret_cast<const unsigned char*>(subject.name.c_str()),
                             -1,
                             -1,
                             0);
  X509* by = issuer == nullptr ? made.get() : issuer;
  X509_set_issuer_name(made.get(), X509_get_subject_name(by));
  const bool is_authority = subject.name == "authority";
  add_extension(
      made.get(), by, NID_basic_constraints, is_authority ? "critical,CA:TRUE" : "CA:FALSE");
  if (!is_authority) add_extension(made.get(), by, NID_subject_alt_name, "DNS:" + subject.name);
  check(X509_sign(made.get(), signer == nullptr ? key : signer, EVP_sha256()) != 0, "X509_sign");
  return made;
}

}  // namespace

struct TlsServer::Impl {
  Context context{SSL_CTX_new(TLS_server_method()), &SSL_CTX_free};
  int listener = -1;
  int port = 0;
  std::atomic<size_t> received{0};
  std::thread thread;

  void listen_on_loopback() {
    listener = ::socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
    sockaddr_in address{};
    address.sin_family = AF_INET;
    address.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
    socklen_t length = sizeof address;
    auto* generic = reinterpret_cast<sockaddr*>(&address);
    check(::bind(listener, generic, length) == 0 && ::listen(listener, 16) == 0 &&
              ::getsockname(listener, generic, &length) == 0,
          "cannot listen");
    port = ntohs(address.sin_port);
  }

  void serve_all() {
    for (int fd = ::accept4(listener, nullptr, nullptr, SOCK_CLOEXEC); fd >= 0;
         fd = ::accept4(listener, nullptr, nullptr, SOCK_CLOEXEC)) {
      const std::unique_ptr<SSL, decltype(&SSL_free)> tls(SSL_new(context.get()), &SSL_free);
      SSL_set_fd(tls.get(), fd);
      char bytes[1 << 14];
      if (SSL_accept(tls.get()) == 1) {
        const int n = SSL_read(tls.get(), bytes, sizeof bytes);
        if (n > 0) {
          received += static_cast<size_t>(n);
          const std::string reply =
              "HTTP/1.1 200 OK\r\nContent-Type: application/json\r\nContent-Length: 2\r\n"
              "Connection: close\r\n\r\n{}";
          SSL_write(tls.get(), reply.data(), static_cast<int>(reply.size()));
          SSL_shutdown(tls.get());
        }
      }
      ::close(fd);
    }
  }
};

TlsServer::TlsServer(const TlsFlaws& flaws, const std::filesystem::path& ca_file)
    : impl_(std::make_unique<Impl>()) {
  std::signal(SIGPIPE, SIG_IGN);  // OpenSSL writes to peers that are gone
  const Key authority_key(EVP_EC_gen("P-256"), &EVP_PKEY_free);
  const Key key(EVP_EC_gen("P-256"), &EVP_PKEY_free);
  const Certificate authority =
      make_certificate({.name = "authority"}, authority_key.get(), nullptr, nullptr);
  const Subject subject{.name = flaws.host,
                        .serial = 2,
                        .from_days = flaws.from_days,
                        .until_days = flaws.until_days};
  const Certificate own =
      flaws.is_self_signed
          ? make_certificate(subject, key.get(), nullptr, nullptr)
          : make_certificate(subject, key.get(), authority.get(), authority_key.get());
  SSL_CTX* context = impl_->context.get();
  if (flaws.is_old_protocol) {
    SSL_CTX_set_cipher_list(context, "ALL:@SECLEVEL=0");
    SSL_CTX_set_min_proto_version(context, TLS1_VERSION);
    SSL_CTX_set_max_proto_version(context, TLS1_1_VERSION);
  }
  check(SSL_CTX_use_certificate(context, own.get()) == 1, "certificate");
  check(SSL_CTX_use_PrivateKey(context, key.get()) == 1, "key");
  const std::unique_ptr<FILE, decltype(&std::fclose)> file(std::fopen(ca_file.c_str(), "w"),
                                                           &std::fclose);
  check(file != nullptr && PEM_write_X509(file.get(), authority.get()) == 1, "ca_file");
  impl_->listen_on_loopback();
  impl_->thread = std::thread([impl = impl_.get()] { impl->serve_all(); });
}

TlsServer::~TlsServer() {
  ::shutdown(impl_->listener, SHUT_RDWR);
  impl_->thread.join();
  ::close(impl_->listener);
}

std::string TlsServer::base_url() const {
  return "https://localhost:" + std::to_string(impl_->port) + "/v1";
}

size_t TlsServer::received() const { return impl_->received; }

}  // namespace thoughtrank
