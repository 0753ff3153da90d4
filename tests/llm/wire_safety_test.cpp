// R25 and R26 of the reliability rows: nothing is sent to whom it was not meant for, and nothing
// that comes back takes more memory or time than it may. (libcurl skips chunk extensions without
// telling anybody: an endless one takes no memory, and ends with judge.timeout_s.)
// Controls (seen red): CURLOPT_FOLLOWLOCATION 1L; CURLOPT_SSL_VERIFYPEER 0L and VERIFYHOST 0L;
// kMostBodyBytes = 1 << 30 in transport.h.
#include <gtest/gtest.h>
#include <sys/resource.h>
#include <sys/socket.h>

#include <chrono>
#include <fstream>

#include "llm/curl_transport.h"
#include "llm/llm_room.h"
#include "llm/loopback_server.h"
#include "llm/messages_protocol.h"
#include "llm/tls_server.h"
#include "support/trials.h"
#include "thoughtrank/llm/connection.h"
#include "thoughtrank/llm/outcome.h"

namespace thoughtrank {
namespace {

constexpr const char* kCanary = "sk-canary-0123456789";

TransportReply post(CurlTransport& transport) {
  transport.start(1, R"({"answers":"CANARY-BODY"})");
  for (;;) {
    auto finished = transport.wait(1);
    if (!finished.empty()) return std::move(finished[0].reply);
  }
}

TransportReply post(const std::string& base_url, CurlOptions options, const std::string& ca = "") {
  const Secret key{std::string(kCanary)};
  options.endpoint = server_endpoint(base_url, "/chat/completions", false);
  options.ca_file = ca;
  CurlTransport transport(std::move(options), key);
  return post(transport);
}

class WireSafetyTest : public LlmTest {};

TEST_F(WireSafetyTest, no_redirect_is_followed_with_either_key_header) {
  LoopbackServer second([](const SeenRequest&) { return http_response(200, "{}"); });
  const std::string other = second.base_url();
  std::string by_name = other;
  by_name.replace(by_name.find("127.0.0.1"), 9, "localhost");
  int cases = 0;
  for (const int status : {301, 302, 303, 307, 308}) {
    for (const std::string& target : {other + "/chat/completions",
                                      by_name + "/chat/completions",
                                      std::string("//") + other.substr(7),
                                      std::string("file:///etc/passwd")}) {
      for (const char* header : {"Authorization: Bearer ", MessagesProtocol::kKeyHeader}) {
        LoopbackServer first([&](const SeenRequest&) {
          return http_response(status, "", "Location: " + target + "\r\n");
        });
        for (int trial = trials_of(5); trial > 0; --trial) {
          const TransportReply reply = post(first.base_url(), {.key_header = header});
          EXPECT_EQ(reply.status, status);
          EXPECT_EQ(classify(reply).outcome, Outcome::failed);
        }
        EXPECT_NE(first.seen().at(0).head.find(header + std::string(kCanary)), std::string::npos);
        ++cases;
      }
    }
  }
  EXPECT_EQ(cases, 40);
  record_trials(cases * trials_of(5));
  EXPECT_EQ(second.count(), 0u);
}

TEST_F(WireSafetyTest, a_bad_certificate_receives_nothing) {
  const fs::path ca = folder_ / "ca.pem";
  const auto expect_refused = [&](const TlsFlaws& flaws, Outcome outcome) {
    for (int trial = trials_of(5); trial > 0; --trial) {
      TlsServer server(flaws, ca);
      const TransportReply reply = post(server.base_url(), {.timeout_s = 20}, ca.string());
      EXPECT_EQ(classify(reply).outcome, outcome) << reply.detail;
      EXPECT_FALSE(classify(reply).may_be_billed);
      EXPECT_EQ(server.received(), 0u);
    }
  };
  expect_refused({.is_self_signed = true}, Outcome::untrusted);
  expect_refused({.from_days = -9, .until_days = -1}, Outcome::untrusted);
  expect_refused({.from_days = 2}, Outcome::untrusted);
  expect_refused({.host = "judge.example"}, Outcome::untrusted);
  expect_refused({.host = "localhost.example"}, Outcome::untrusted);
  expect_refused({.is_old_protocol = true}, Outcome::retry);

  record_trials(6 * trials_of(5));
  TlsServer good({}, ca);
  EXPECT_EQ(post(good.base_url(), {.timeout_s = 20}, ca.string()).status, 200);
  EXPECT_GT(good.received(), 0u);
  EXPECT_EQ(classify(post(good.base_url(), {.timeout_s = 20})).outcome, Outcome::untrusted)
      << "its authority is not the system's";
}

TEST_F(WireSafetyTest, keys_with_line_breaks_are_refused) {
  ::setenv("THOUGHTRANK_CRLF_KEY", "sk-1\r\nX-Evil: 1", 1);
  LoopbackServer server([](const SeenRequest&) { return http_response(200, "{}"); });
  ServerOptions options = server_at(server.base_url());
  options.api_key_env = "THOUGHTRANK_CRLF_KEY";
  Ledger accounts(ledger());
  EXPECT_THROW((void)open_connection(options, {.kind = ServerKind::openai}, accounts), Error);
  EXPECT_EQ(server.count(), 0u);
}

#ifdef __SANITIZE_ADDRESS__
constexpr int64_t kSetAside_kib = 256 << 10;  // what was freed, which the sanitizer keeps to itself
#else
constexpr int64_t kSetAside_kib = 0;
#endif

int64_t peak_memory_kib() {
  rusage usage{};
  ::getrusage(RUSAGE_SELF, &usage);
  return usage.ru_maxrss;
}

void send_until_gone(int fd, const std::string& first, const std::string& again, size_t most) {
  send_all(fd, first);
  for (size_t sent = 0; sent < most; sent += again.size()) {
    if (::send(fd, again.data(), again.size(), MSG_NOSIGNAL) <= 0) return;
  }
}

struct Bomb {
  const char* name;
  std::string first;
  std::string again;
  size_t most;
};

TEST_F(WireSafetyTest, bombs_are_cut_off_at_the_cap) {
  const std::string head = "HTTP/1.1 200 OK\r\nContent-Type: application/json\r\n";
  const std::string block(1 << 16, ' ');
  const std::vector<Bomb> bombs = {
      {"chunked",
       head + "Transfer-Encoding: chunked\r\n\r\n",
       "10000\r\n" + block + "\r\n",
       52u << 20},
      {"gzip", head + "Content-Encoding: gzip\r\n\r\n", block, 52u << 20},
      {"long", head + "Content-Length: 54525952\r\n\r\n", block, 52u << 20},
      {"endless", head + "\r\n", block, size_t{1} << 40},
      {"headers", head, "X-Header: 0123456789\r\n", 100000 * 22},
      {"one header", head + "X: ", block, 52u << 20},
      {"endless 100", "", "HTTP/1.1 100 Continue\r\n\r\n", size_t{1} << 40},
      {"endless 103", "", "HTTP/1.1 103 Early Hints\r\nLink: </a>\r\n\r\n", size_t{1} << 40},
      {"trailers",
       head + "Transfer-Encoding: chunked\r\n\r\n0\r\n",
       "X-Trailer: 01234567\r\n",
       52u << 20}};
  record_trials(bombs.size() * static_cast<size_t>(trials_of(10)));
  for (const Bomb& bomb : bombs) {
    SCOPED_TRACE(bomb.name);
    LoopbackServer server(LoopbackServer::Wire([&](int fd, const SeenRequest&) {
      send_until_gone(fd, bomb.first, bomb.again, bomb.most);
    }));
    // One for all trials, as a judge has it: a thread of its own for each would leave an arena of
    // the allocator behind.
    const Secret key{std::string(kCanary)};
    CurlTransport transport(
        {.endpoint = server_endpoint(server.base_url(), "/chat/completions", false),
         .timeout_s = 20},
        key);
    (void)post(transport);
    const int64_t before = peak_memory_kib();
    for (int trial = trials_of(10); trial > 0; --trial) {
      const auto start = std::chrono::steady_clock::now();
      const TransportReply reply = post(transport);
      const std::chrono::duration<double> seconds = std::chrono::steady_clock::now() - start;
      EXPECT_NE(classify(reply).outcome, Outcome::answered) << reply.status;
      EXPECT_LT(seconds.count(), 5) << "cut off, not timed out";
    }
    EXPECT_LT(peak_memory_kib() - before, (16 << 10) + kSetAside_kib);
  }
}

}  // namespace
}  // namespace thoughtrank
