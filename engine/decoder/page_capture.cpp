#include "engine/decoder/page_capture.hpp"

#include <algorithm>
#include <cstddef>
#include <span>

#include "engine/kernels/page_trace.hpp"

namespace fovea {
namespace {

constexpr std::uint64_t kShareBytes = 64ull << 20;  // measured rows of one batch

template <class T>
std::span<const T> view(const gpu::Buffer& buffer, std::size_t count) {
  return {reinterpret_cast<const T*>(buffer.mapped().data()), count};
}

}  // namespace

std::uint32_t PageCapture::choosing_layers() const {
  std::uint32_t layers = 0;
  for (std::uint32_t layer = 0; layer < layers_; ++layer) layers += selection_ != nullptr && selection_->chooses(layer) ? 1 : 0;
  return layers;
}

std::size_t PageCapture::marks_of_layer(std::uint32_t tokens) const {
  return std::size_t{choice_tiles(tokens, tile_rows())} * kv_heads_ * page_mark_words(pages_);
}

std::size_t PageCapture::shares_of_layer(std::uint32_t tokens) const {
  return std::size_t{measured_rows(tokens, every_)} * query_heads_ * pages_;
}

Result<PageCapture> PageCapture::create(gpu::Device& device, const ModelConfig& config, const PageSelection* selection, std::uint32_t context,
                                        std::uint32_t batch, std::uint32_t decode_slots, std::uint32_t every) {
  PageCapture capture(config, selection);
  capture.pages_ = (context + shader::kPageKeys - 1) / shader::kPageKeys;
  const std::uint64_t of_row = std::uint64_t{config.layers} * config.query_heads * capture.pages_ * sizeof(PageShare);
  const auto most = static_cast<std::uint32_t>(std::max<std::uint64_t>(1, kShareBytes / of_row));
  capture.every_ = std::max({every, 1u, (batch + most - 1) / most});
  for (std::uint32_t slot = 0; slot <= decode_slots; ++slot) {
    FOVEA_ASSIGN(Slot made, capture.make_slot(device, slot < decode_slots ? 1 : batch));
    capture.slots_.push_back(std::move(made));
  }
  return capture;
}

Result<PageCapture::Slot> PageCapture::make_slot(gpu::Device& device, std::uint32_t tokens) const {
  Slot slot;
  FOVEA_ASSIGN(slot.shares, device.create_buffer(layers_ * shares_of_layer(tokens) * sizeof(PageShare), gpu::MemoryUse::readback));
  if (choosing_layers() == 0) return slot;
  FOVEA_ASSIGN(slot.marks, device.create_buffer(choosing_layers() * marks_of_layer(tokens) * sizeof(std::uint32_t), gpu::MemoryUse::readback));
  FOVEA_ASSIGN(slot.facts, device.create_buffer(selection_->facts_buffer().bytes(), gpu::MemoryUse::readback));
  return slot;
}

Result<void> PageCapture::record_layer(KernelRecorder& kernels, const AttentionShape& shape, std::uint32_t layer, std::uint64_t query,
                                       bool ahead, std::uint32_t slot) const {
  const Slot& to = at(shape.tokens == 1, slot);
  if (selection_ != nullptr && selection_->chooses(layer)) {
    kernels.plan().tag("page marks");
    const std::uint64_t before = (layer - (layers_ - choosing_layers())) * marks_of_layer(shape.tokens) * sizeof(std::uint32_t);
    const PageSelection::Lists read = selection_->lists(shape.tokens, layer, ahead);
    FOVEA_TRY(record_page_marks(kernels, {.shape = shape, .buffers = *read.buffers, .first_slot = read.first_slot, .marks = to.marks.address() + before, .pages = pages_, .rows = tile_rows()}));
  }
  kernels.plan().tag("page shares");
  return record_page_shares(kernels, {.shape = shape, .query = query,
                                      .shares = to.shares.address() + layer * shares_of_layer(shape.tokens) * sizeof(PageShare),
                                      .every = every_, .pages = pages_});
}

void PageCapture::record_facts(gpu::CommandRecorder& recorder, bool decode, std::uint32_t slot) const {
  if (choosing_layers() == 0) return;
  const gpu::Buffer& facts = selection_->facts_buffer();
  recorder.copy(facts, 0, at(decode, slot).facts, 0, facts.bytes());
}

PageViews PageCapture::views(bool decode, std::uint32_t slot, std::uint32_t plan_tokens) const {
  const Slot& from = at(decode, slot);
  PageViews views{.tile_rows = choice_rows(plan_tokens, tile_rows()), .decoded = plan_tokens == 1, .rows = measured_rows(plan_tokens, every_), .pages = pages_, .every = every_};
  views.shares = view<PageShare>(from.shares, layers_ * shares_of_layer(plan_tokens));
  if (choosing_layers() == 0) return views;
  views.tiles = choice_tiles(plan_tokens, tile_rows());
  views.choice_words = page_mark_words(pages_);
  views.choices = view<std::uint32_t>(from.marks, choosing_layers() * marks_of_layer(plan_tokens));
  views.facts = selection_->facts_of(view<std::uint32_t>(from.facts, from.facts.bytes() / sizeof(std::uint32_t)));
  return views;
}

}  // namespace fovea
