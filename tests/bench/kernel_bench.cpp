// Times single kernels on a device, from its own timestamps: what a step costs, what memory gives, and what fraction of it
// each product reaches. Weights are read from a region larger than any cache, one matrix after another.
//
//   kernel_bench [--device N] [--megabytes M] [--repeats R] [--warm-up MS] [--only step,stream,matvec,shapes,experts,prefill,tiles,expert-tiles,attention,
//                expert-choice,prompt-attention,attention-tiles,sparse] [--match PART,...]
#include "tests/bench/kernel_bench.hpp"

#include <fmt/format.h>

#include <CLI/CLI.hpp>
#include <chrono>
#include <span>
#include <utility>

#include "shaders/interface/step_state.h"

namespace fovea {
namespace {

struct StreamReadPush {
  std::uint64_t data, out;
  std::uint32_t vectors;
};
struct AffinePush {
  std::uint64_t data, count;
  std::uint32_t factor, addend, step, repeat;
};

}  // namespace

Result<Bench> Bench::create(const BenchOptions& options) {
  Bench bench(options);
  FOVEA_ASSIGN(bench.device_, gpu::Device::create({.index = options.device}));
  if (!bench.device_->facts().timestamps)
    return fail(ErrorCode::unsupported, "the device", "it has no timestamps on its compute queue", "choose another with --device");
  FOVEA_ASSIGN(bench.weights_, bench.filled(bench.region(), 0x2C2C2C2Cu, gpu::MemoryUse::weights));
  FOVEA_ASSIGN(bench.input_, bench.filled(std::uint64_t{64} << 20, 0x3F000000u, gpu::MemoryUse::compute));
  FOVEA_ASSIGN(bench.output_, bench.filled(std::uint64_t{256} << 20, 0, gpu::MemoryUse::compute));
  FOVEA_ASSIGN(bench.scratch_, bench.filled(std::uint64_t{128} << 20, 0, gpu::MemoryUse::compute));
  FOVEA_ASSIGN(bench.state_, bench.device_->create_buffer(sizeof(shader::StepState), gpu::MemoryUse::compute));
  return bench;
}

Result<void> Bench::run() {
  fmt::print("{} ({}), {} MiB of weights\n\n| kernel | us | GB/s | TFLOP/s |\n|---|---|---|---|\n", device_->facts().name,
             device_->facts().driver, options_.megabytes);
  // Twice: first all pipelines are made, so that the GPU is never idle between two kernels that are timed.
  for (const bool dry : {true, false}) {
    if (!dry) (void)device_->save_pipeline_cache();
    dry_ = dry;
    if (wanted("step")) FOVEA_TRY(steps());
    if (wanted("stream")) FOVEA_TRY(streams());
    if (wanted("matvec")) FOVEA_TRY(matvecs());
    if (wanted("experts")) FOVEA_TRY(experts());
    if (wanted("shapes")) FOVEA_TRY(product_shapes());
    if (wanted("prefill")) FOVEA_TRY(prefill());
    if (wanted("tiles")) FOVEA_TRY(tiles());
    if (wanted("expert-tiles")) FOVEA_TRY(expert_tiles());
    if (wanted("expert-choice")) FOVEA_TRY(expert_choice());
    if (wanted("attention")) FOVEA_TRY(attention());
    if (wanted("prompt-attention")) FOVEA_TRY(prompt_attention());
    if (wanted("attention-tiles")) FOVEA_TRY(attention_tiles());
    if (wanted("sparse")) FOVEA_TRY(sparse());
  }
  return {};
}

Result<gpu::Buffer> Bench::filled(std::uint64_t bytes, std::uint32_t word, gpu::MemoryUse use) {
  FOVEA_ASSIGN(gpu::Buffer buffer, device_->create_buffer(bytes, use));
  if (word == 0) return buffer;  // buffers come zero-filled
  FOVEA_ASSIGN(gpu::CommandRecorder recorder, device_->record());
  recorder.fill(buffer, 0, bytes, word);
  FOVEA_ASSIGN(const gpu::CommandPlan plan, recorder.finish());
  FOVEA_ASSIGN(const std::uint64_t ticket, device_->submit(plan));
  FOVEA_TRY(device_->wait(ticket));
  return buffer;
}

Result<void> Bench::set_state(std::uint32_t position, std::uint32_t tokens) {
  shader::StepState state{};
  state.position = position;
  state.tokens = tokens;
  return device_->upload(state_, 0, std::as_bytes(std::span(&state, 1)));
}

Result<void> Bench::time(const std::string& name, std::uint32_t chain, double bytes, double operations, const Record& record) {
  if (!std::ranges::all_of(options_.match, [&](const std::string& part) { return name.find(part) != std::string::npos; })) return {};
  FOVEA_ASSIGN(gpu::CommandRecorder recorder, device_->record());
  recorder.time_tags();
  recorder.tag("timed");
  KernelRecorder kernels(*device_, recorder);
  for (std::uint32_t turn = 0; turn < chain; ++turn) {
    FOVEA_TRY(record(kernels, turn));
    recorder.barrier();
  }
  FOVEA_ASSIGN(const gpu::CommandPlan plan, recorder.finish());
  if (dry_) return {};
  std::vector<double> measured;
  // The first of all wakes the GPU.
  const auto awake = std::chrono::steady_clock::now() + std::chrono::milliseconds(std::exchange(asleep_, false) ? 400 + options_.warm_up : options_.warm_up);
  for (bool first = true; first || measured.size() < options_.repeats; first = false) {
    FOVEA_ASSIGN(const std::uint64_t ticket, device_->submit(plan));
    FOVEA_TRY(device_->wait(ticket));
    FOVEA_ASSIGN(const std::vector<gpu::TagTime> times, plan.times());
    if (!first && std::chrono::steady_clock::now() >= awake) measured.push_back(times.front().microseconds / chain);
  }
  std::ranges::nth_element(measured, measured.begin() + static_cast<std::ptrdiff_t>(measured.size() / 2));
  const double us = measured[measured.size() / 2];
  fmt::print("| {} | {:.2f} | {} | {} |\n", name, us, bytes > 0 ? fmt::format("{:.1f}", bytes / us / 1e3) : "",
             operations > 0 ? fmt::format("{:.2f}", operations / us / 1e6) : "");
  std::fflush(stdout);
  return {};
}

Result<void> Bench::steps() {
  for (const std::uint32_t groups : {1u, 132u, 1056u})
    FOVEA_TRY(time(fmt::format("chained step, {} workgroups", groups), 200, 0, 0, [&](KernelRecorder& kernels, std::uint32_t) {
      return kernels.dispatch(ShaderId::test_affine, {kernels.subgroup()},
                              AffinePush{output_.address(), std::uint64_t{groups} * kernels.subgroup(), 3, 1, 1, 1}, groups);
    }));
  // The same with workgroups counted on the device, as grouped experts are: the barrier then waits for that reader too.
  FOVEA_ASSIGN(const gpu::Buffer counts, device_->create_buffer(256, gpu::MemoryUse::compute));
  constexpr std::array<std::uint32_t, 3> kGroups{132, 1, 1};
  FOVEA_TRY(device_->upload(counts, 0, std::as_bytes(std::span(kGroups))));
  return time("chained step, 132 workgroups, indirect", 200, 0, 0, [&](KernelRecorder& kernels, std::uint32_t) {
    return kernels.dispatch_indirect(ShaderId::test_affine, {kernels.subgroup()},
                                     AffinePush{output_.address(), std::uint64_t{132} * kernels.subgroup(), 3, 1, 1, 1}, counts, 0);
  });
}

Result<void> Bench::streams() {
  for (const std::uint64_t bytes : {std::uint64_t{2} << 20, std::uint64_t{32} << 20, std::uint64_t{128} << 20}) {
    if (bytes > region()) continue;
    const auto pieces = static_cast<std::uint32_t>(region() / bytes);
    for (const std::uint32_t local : {128u, 256u})
      for (const std::uint32_t groups : {1056u, 2112u})
        FOVEA_TRY(time(fmt::format("read {} MiB, {} x {}", bytes >> 20, groups, local), std::max(pieces, 8u),
                       static_cast<double>(bytes), 0, [&](KernelRecorder& kernels, std::uint32_t turn) {
                         return kernels.dispatch(ShaderId::test_stream_read, {local},
                                                 StreamReadPush{weights_.address() + turn % pieces * bytes, output_.address(),
                                                                static_cast<std::uint32_t>(bytes / 16)},
                                                 groups);
                       }));
  }
  return {};
}

}  // namespace fovea

int main(int argc, char** argv) {
  fovea::BenchOptions options;
  CLI::App parser("Times single kernels on a Vulkan device");
  parser.add_option("--device", options.device, "As `fovea-cli devices` counts them (default: choose)");
  parser.add_option("--megabytes", options.megabytes, "Weights that the products walk through")->check(CLI::Range(16, 65536));
  parser.add_option("--repeats", options.repeats, "Measurements of each kernel")->check(CLI::Range(1, 1000));
  parser.add_option("--warm-up", options.warm_up, "Milliseconds that a kernel runs before it is measured")->check(CLI::Range(0, 10000));
  parser.add_option("--only", options.only, "step, stream, matvec, shapes, experts, prefill, tiles, expert-tiles, expert-choice, attention, prompt-attention, attention-tiles, sparse")->delimiter(',');
  parser.add_option("--match", options.match, "Time only kernels whose names have all of these parts")->delimiter(',');
  CLI11_PARSE(parser, argc, argv);
  auto bench = fovea::Bench::create(options);
  const auto done = bench.and_then([](fovea::Bench& made) { return made.run(); });
  if (!done) {
    fmt::print(stderr, "kernel_bench: {}\n", done.error().sentence());
    return 1;
  }
  return 0;
}
