#include "llm/curl_transport.h"

#include <curl/curl.h>

#include <algorithm>
#include <chrono>
#include <cmath>
#include <condition_variable>
#include <cstdlib>
#include <ctime>
#include <iterator>
#include <map>
#include <mutex>
#include <thread>
#include <utility>

#include "thoughtrank/core/error.h"

namespace thoughtrank {
namespace {

struct EasyCleanup {
  void operator()(CURL* easy) const { curl_easy_cleanup(easy); }
};
struct MultiCleanup {
  void operator()(CURLM* multi) const { curl_multi_cleanup(multi); }
};
struct ListCleanup {
  void operator()(curl_slist* list) const { curl_slist_free_all(list); }
};

// One request on its way. Callbacks write into it, so it stays where it is.
struct Transfer {
  uint64_t ticket = 0;
  std::string request;
  TransportReply reply;
  size_t header_bytes = 0;
  std::unique_ptr<CURL, EasyCleanup> easy;
};

double utc_s() { return static_cast<double>(std::time(nullptr)); }

// Returning less than was given makes curl end the transfer.
size_t take_body(char* data, size_t size, size_t count, void* user) {
  Transfer& transfer = *static_cast<Transfer*>(user);
  const size_t bytes = size * count;
  if (transfer.reply.body.size() + bytes > kMostBodyBytes) {
    transfer.reply.failure = TransportFailure::too_large;
    return 0;
  }
  transfer.reply.body.append(data, bytes);
  return bytes;
}

size_t take_header(char* data, size_t size, size_t count, void* user) {
  Transfer& transfer = *static_cast<Transfer*>(user);
  transfer.header_bytes += size * count;
  if (transfer.header_bytes > kMostHeaderBytes) {
    transfer.reply.failure = TransportFailure::too_large;
    return 0;
  }
  read_rate_header({data, size * count}, utc_s(), transfer.reply.rates);
  return size * count;
}

TransportFailure failure_of(CURLcode code, bool was_sent) {
  switch (code) {
    case CURLE_OK:
      return TransportFailure::none;
    case CURLE_COULDNT_RESOLVE_HOST:
    case CURLE_COULDNT_RESOLVE_PROXY:
    case CURLE_COULDNT_CONNECT:
    case CURLE_SSL_CONNECT_ERROR:  // also a connection that was reset during the handshake
      return TransportFailure::unreachable;
    case CURLE_PEER_FAILED_VERIFICATION:
    case CURLE_SSL_CACERT_BADFILE:
    case CURLE_SSL_ISSUER_ERROR:
      return TransportFailure::untrusted;
    default:
      break;
  }
  // Nothing left this machine, so nobody works on it: a connection that never came about.
  if (!was_sent) return TransportFailure::unreachable;
  return code == CURLE_OPERATION_TIMEDOUT ? TransportFailure::timeout : TransportFailure::broken;
}

// libcurl does not read these variables itself.
std::string ca_file_of(const std::string& configured) {
  if (!configured.empty()) return configured;
  for (const char* name : {"SSL_CERT_FILE", "CURL_CA_BUNDLE"}) {
    const char* value = std::getenv(name);
    if (value != nullptr && *value != '\0') return value;
  }
  return {};
}

void complete_reply(CURL* easy, CURLcode code, TransportReply& reply) {
  if (code != CURLE_OK) {
    long sent = 0;  // bytes of the request
    curl_easy_getinfo(easy, CURLINFO_REQUEST_SIZE, &sent);
    if (reply.failure == TransportFailure::none) reply.failure = failure_of(code, sent > 0);
    reply.detail = reply.failure == TransportFailure::too_large ? "the reply is too large"
                                                                : curl_easy_strerror(code);
  }
  long status = 0;
  curl_off_t retry_after = 0;
  char* type = nullptr;
  curl_easy_getinfo(easy, CURLINFO_RESPONSE_CODE, &status);
  curl_easy_getinfo(easy, CURLINFO_RETRY_AFTER, &retry_after);
  curl_easy_getinfo(easy, CURLINFO_CONTENT_TYPE, &type);
  reply.status = static_cast<int>(status);
  reply.retry_after_s = static_cast<double>(retry_after);
  if (type != nullptr) reply.content_type = type;
}

}  // namespace

struct CurlTransport::Impl {
  CurlOptions options;
  std::string ca_file;
  std::unique_ptr<curl_slist, ListCleanup> headers;
  std::unique_ptr<CURLM, MultiCleanup> multi{curl_multi_init()};
  std::map<CURL*, std::unique_ptr<Transfer>> transfers;  // of the thread alone
  std::mutex mutex;                                      // guards the two queues
  std::condition_variable has_finished;
  std::vector<std::unique_ptr<Transfer>> submitted;
  std::vector<FinishedTransfer> finished;
  std::jthread thread;

  void add_header(const std::string& line) {
    curl_slist* longer = curl_slist_append(headers.get(), line.c_str());
    if (longer == nullptr) throw std::bad_alloc();
    (void)headers.release();
    headers.reset(longer);
  }

  void configure(CURL* easy, Transfer& transfer) const {
    curl_easy_setopt(easy, CURLOPT_URL, options.endpoint.url.c_str());
    curl_easy_setopt(easy, CURLOPT_HTTPHEADER, headers.get());
    curl_easy_setopt(easy, CURLOPT_POSTFIELDSIZE_LARGE, curl_off_t(transfer.request.size()));
    curl_easy_setopt(easy, CURLOPT_POSTFIELDS, transfer.request.data());
    curl_easy_setopt(easy, CURLOPT_WRITEFUNCTION, take_body);
    curl_easy_setopt(easy, CURLOPT_WRITEDATA, &transfer);
    curl_easy_setopt(easy, CURLOPT_HEADERFUNCTION, take_header);
    curl_easy_setopt(easy, CURLOPT_HEADERDATA, &transfer);
    curl_easy_setopt(easy, CURLOPT_NOSIGNAL, 1L);
    curl_easy_setopt(easy, CURLOPT_FOLLOWLOCATION, 0L);
    curl_easy_setopt(easy, CURLOPT_NETRC, long(CURL_NETRC_IGNORED));
    curl_easy_setopt(easy, CURLOPT_PROTOCOLS_STR, "http,https");
    curl_easy_setopt(easy, CURLOPT_SSL_VERIFYPEER, 1L);
    curl_easy_setopt(easy, CURLOPT_SSL_VERIFYHOST, 2L);
    curl_easy_setopt(easy, CURLOPT_SSLVERSION, long(CURL_SSLVERSION_TLSv1_2));
    curl_easy_setopt(easy, CURLOPT_CONNECTTIMEOUT_MS, 30000L);
    curl_easy_setopt(easy, CURLOPT_TIMEOUT_MS, std::lround(options.timeout_s * 1000));
    if (!ca_file.empty()) curl_easy_setopt(easy, CURLOPT_CAINFO, ca_file.c_str());
    if (options.endpoint.is_loopback) {
      curl_easy_setopt(easy, CURLOPT_PROXY, "");
    } else if (!options.proxy.empty()) {
      curl_easy_setopt(easy, CURLOPT_PROXY, options.proxy.c_str());
    }
  }

  // The thread: takes what was submitted, lets curl work, hands over what has finished.
  void work(const std::stop_token& is_ending) {
    constexpr int kLongestSleep_ms = 1000;
    while (!is_ending.stop_requested()) {
      adopt();
      int running = 0;
      curl_multi_perform(multi.get(), &running);
      hand_over();
      curl_multi_poll(multi.get(), nullptr, 0, kLongestSleep_ms, nullptr);
    }
    for (auto& [easy, transfer] : transfers) curl_multi_remove_handle(multi.get(), easy);
    transfers.clear();
  }

  void adopt() {
    std::vector<std::unique_ptr<Transfer>> fresh;
    {
      const std::lock_guard lock(mutex);
      fresh.swap(submitted);
    }
    for (auto& transfer : fresh) {
      CURL* easy = transfer->easy.get();
      transfers.emplace(easy, std::move(transfer));
      curl_multi_add_handle(multi.get(), easy);
    }
  }

  void hand_over() {
    std::vector<FinishedTransfer> done;
    int left = 0;
    while (const CURLMsg* message = curl_multi_info_read(multi.get(), &left)) {
      if (message->msg != CURLMSG_DONE) continue;
      CURL* easy = message->easy_handle;
      const CURLcode code = message->data.result;  // the message goes with the handle
      auto node = transfers.extract(easy);
      complete_reply(easy, code, node.mapped()->reply);
      curl_multi_remove_handle(multi.get(), easy);
      done.push_back({node.mapped()->ticket, std::move(node.mapped()->reply)});
    }
    if (done.empty()) return;
    const std::lock_guard lock(mutex);
    std::move(done.begin(), done.end(), std::back_inserter(finished));
    has_finished.notify_one();
  }
};

CurlTransport::CurlTransport(CurlOptions options, const Secret& key)
    : impl_(std::make_unique<Impl>()) {
  impl_->ca_file = ca_file_of(options.ca_file);
  impl_->options = std::move(options);
  impl_->add_header("Content-Type: application/json");
  impl_->add_header("Accept: application/json");
  impl_->add_header("User-Agent: thoughtrank");
  impl_->add_header("Expect:");  // no waiting for 100 Continue
  for (const std::string& line : impl_->options.headers) impl_->add_header(line);
  if (!key.is_empty()) impl_->add_header(impl_->options.key_header + key.reveal());
  impl_->thread = std::jthread([impl = impl_.get()](const std::stop_token& t) { impl->work(t); });
}

CurlTransport::~CurlTransport() {
  impl_->thread.request_stop();
  curl_multi_wakeup(impl_->multi.get());
  impl_->thread.join();
}

void CurlTransport::start(uint64_t ticket, std::string body) {
  auto transfer = std::make_unique<Transfer>();
  transfer->ticket = ticket;
  transfer->request = std::move(body);
  transfer->easy.reset(curl_easy_init());
  if (transfer->easy == nullptr) throw std::bad_alloc();
  impl_->configure(transfer->easy.get(), *transfer);
  {
    const std::lock_guard lock(impl_->mutex);
    impl_->submitted.push_back(std::move(transfer));
  }
  curl_multi_wakeup(impl_->multi.get());
}

std::vector<FinishedTransfer> CurlTransport::wait(double timeout_s) {
  std::unique_lock lock(impl_->mutex);
  impl_->has_finished.wait_for(
      lock, std::chrono::duration<double>(timeout_s), [this] { return !impl_->finished.empty(); });
  return std::exchange(impl_->finished, {});
}

}  // namespace thoughtrank
