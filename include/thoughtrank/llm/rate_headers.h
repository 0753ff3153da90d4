// The headers in which servers say how much they will still take: x-ratelimit-remaining-requests
// (OpenAI, Groq, Together…) and anthropic-ratelimit-requests-remaining, for requests and tokens.
#pragma once

#include <string_view>

namespace thoughtrank {

// All zero where the server did not say.
struct RateWindow {
  double limit = 0;
  double remaining = 0;
  double reset_s = 0;  // until the window is full again
};

struct RateHeaders {
  RateWindow requests;
  RateWindow tokens;
};

// Takes one header line into `rates`; other headers and values that make no sense change nothing.
// `utc_s`: the time of day, for resets that are given as a date.
void read_rate_header(std::string_view line, double utc_s, RateHeaders& rates);

// "6m0s" -> 360, "20ms" -> 0.02, "1.5" -> 1.5; -1 for what is none of these.
[[nodiscard]] double duration_s(std::string_view text);

}  // namespace thoughtrank
