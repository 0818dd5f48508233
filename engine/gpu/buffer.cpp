#include "engine/gpu/buffer.hpp"

#include "engine/gpu/arena.hpp"

namespace fovea::gpu {

Buffer::Buffer() = default;
Buffer::Buffer(std::unique_ptr<State> state) : state_(std::move(state)) {}
Buffer::Buffer(Buffer&&) noexcept = default;
Buffer& Buffer::operator=(Buffer&&) noexcept = default;
Buffer::~Buffer() = default;

std::uint64_t Buffer::address() const { return state_ ? state_->address : 0; }

std::uint64_t Buffer::bytes() const { return state_ ? state_->bytes : 0; }

std::span<std::byte> Buffer::mapped() const {
  if (!state_ || state_->mapped == nullptr) return {};
  return {state_->mapped, state_->bytes};
}

}  // namespace fovea::gpu
