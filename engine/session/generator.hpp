// One request from prompt to stop. Engine thread only.
#pragma once

#include <chrono>
#include <memory>
#include <optional>
#include <span>
#include <stop_token>
#include <vector>

#include "engine/decoder/decoder.hpp"
#include "engine/session/engine.hpp"
#include "engine/text/utf8_stream.hpp"
#include "engine/trace/trace_builder.hpp"

namespace fovea {

class Generator {
 public:
  Generator(Decoder& decoder, gpu::Device& device, const Tokenizer& tokenizer, const Generate& request,
            const RunObserver& observer, std::stop_token stop);
  // `always_read`: positions that no policy of attention leaves out.
  [[nodiscard]] Result<RunResult> run(std::vector<TokenId> prompt, std::span<const PositionRange> always_read = {});

 private:
  using Clock = std::chrono::steady_clock;
  [[nodiscard]] Result<void> prefill();
  [[nodiscard]] Result<void> tell_tiers(bool pages);
  [[nodiscard]] Result<void> decode();
  // Takes a finished step's tokens, as far as the run goes on, and the step into the trace; why the run ends there.
  [[nodiscard]] std::optional<StopReason> take(const StepRecord& record, bool prefill, double milliseconds);
  [[nodiscard]] bool take_token(TokenId token);  // false: it ends the text
  void publish(bool now);
  void choose_timing();  // of the next submission
  [[nodiscard]] DecoderTrace decoder_trace(std::size_t prompt_tokens) const;
  [[nodiscard]] TokenText text_of(TokenId token, bool prompt);

  Decoder& decoder_;
  gpu::Device& device_;
  const Tokenizer& tokenizer_;
  const Generate& request_;
  const RunObserver& observer_;
  std::stop_token stop_;

  RunResult result_;
  Utf8Stream stream_;
  bool text_begun_ = false;
  std::unique_ptr<TraceBuilder> trace_;
  Clock::time_point published_{};
};

}  // namespace fovea
