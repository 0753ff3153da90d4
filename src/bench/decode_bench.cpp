#include "thoughtrank/bench/decode_bench.h"

#include "bench/decode_timing.h"
#include "bench/machine.h"
#include "thoughtrank/bench/peak_rates.h"
#include "thoughtrank/bench/roofline.h"
#include "thoughtrank/core/memory.h"
#include "thoughtrank/kernels/instruction_set.h"
#include "thoughtrank/model/sizes.h"

namespace thoughtrank {
namespace {

// Weights and KV as they must be held, the decoder's own overheads not counted.
Json sizes(const LlamaConfig& model, const DecodeWorkload& work, Dtype dtype) {
  const int64_t prompts = work.copies_prefix ? work.branches : 1;
  const int64_t kv_tokens = prompts * work.prompt_tokens + work.branches * (1 + work.new_tokens);
  return {{"weights_bytes", parameter_count(model) * bytes_of(dtype)},
          {"kv_bytes", kv_tokens * kv_bytes_per_token(model, dtype)}};
}

double tokens_per_s(const DecodeTiming& timing, const DecodeWorkload& work) {
  return static_cast<double>(work.branches * work.new_tokens) /
         (timing.prefill_s + timing.decode_s);
}

// What the device could do at most, beside what it did.
Json roofline_of(const LlamaConfig& model,
                 const ComputeSetup& compute,
                 const DecodeWorkload& work,
                 double rate) {
  const PeakRates peak_rates = measure_peak_rates(compute);
  const DecodeRoofline roofline = decode_roofline(model,
                                                  {.prompt_tokens = work.prompt_tokens,
                                                   .new_tokens = work.new_tokens,
                                                   .branches = work.branches,
                                                   .dtype = compute.dtype},
                                                  peak_rates);
  return {{"roofline_tokens_per_s", roofline.tokens_per_s},
          {"roofline_share", rate / roofline.tokens_per_s},
          {"peak_rates", in_billions(peak_rates)}};
}

}  // namespace

Json bench_decode(const DecodeBenchOptions& options, const Clock& clock, const StopFlag& stop) {
  const int64_t empty_bytes = resident_bytes();
  const ComputeSetup compute = resolve_compute(options.compute);
  use_compute(compute);
  const double started_s = clock.now_s();
  auto decoder = std::make_unique<Decoder>(load_decoder(
      options.model,
      compute,
      {.slots = options.slots, .records_steps = !options.is_eager, .without = options.without}));
  wait_for_device(at::Device(compute.device));
  const double load_s = clock.now_s() - started_s;
  const LlamaConfig model = decoder->config();
  const int64_t slots = decoder->slots();
  const DecodeTiming timing = time_decoding(*decoder, options.work, clock, stop);
  const int64_t peak_bytes = peak_resident_bytes();  // before the buffers of the peak rates
  const std::optional<int64_t> peak_device = peak_device_bytes(at::Device(compute.device));
  decoder.reset();  // the peak rates are measured with its memory free

  const double rate = tokens_per_s(timing, options.work);
  Json report = {{"tokens_per_s", rate},
                 {"prefill_s", timing.prefill_s},
                 {"decode_s", timing.decode_s},
                 {"load_s", load_s}};
  report.update(roofline_of(model, compute, options.work, rate));
  report.update({{"peak_rss_bytes", peak_bytes},
                 {"empty_rss_bytes", empty_bytes},
                 {"peak_device_bytes", peak_device ? Json(*peak_device) : Json()}});
  report.update(sizes(model, options.work, compute.dtype));
  report.update({{"prompt_tokens", options.work.prompt_tokens},
                 {"new_tokens", options.work.new_tokens},
                 {"branches", options.work.branches},
                 {"slots", slots},
                 {"prefix", options.work.copies_prefix ? "copied" : "shared"},
                 {"without", options.without},
                 {"dtype", word_of(compute.dtype)},
                 {"threads", compute.threads},
                 {"device", compute.device},
                 {"cpu", cpu_name()},
                 {"instruction_set", name_of(instruction_set())}});
  return report;
}

}  // namespace thoughtrank
