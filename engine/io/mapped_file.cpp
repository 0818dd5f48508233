#include "engine/io/mapped_file.hpp"

#include <fcntl.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cerrno>
#include <cstdint>
#include <limits>
#include <system_error>
#include <utility>

namespace fovea {
namespace {

struct Descriptor {
  int number = -1;
  explicit Descriptor(int descriptor) : number(descriptor) {}
  Descriptor(const Descriptor&) = delete;
  Descriptor& operator=(const Descriptor&) = delete;
  ~Descriptor() {
    if (number >= 0) ::close(number);
  }
};

tl::unexpected<Error> refused(const std::filesystem::path& path, int error) {
  switch (error) {
    case ENOENT:
    case ENOTDIR:
      return fail(ErrorCode::file, path.string(), "no such file", "check the name and the folder");
    case EACCES:
    case EPERM:
      return fail(ErrorCode::file, path.string(), "no permission to read it", "change its permissions or copy it");
    default:
      return fail(ErrorCode::file, path.string(), "cannot be opened (" + std::generic_category().message(error) + ")",
                  "check that the disk is readable");
  }
}

}  // namespace

Result<MappedFile> MappedFile::open(const std::filesystem::path& path) {
  // Non-blocking, so that a pipe without a writer cannot hang us; regular files ignore it.
  const Descriptor file(::open(path.c_str(), O_RDONLY | O_CLOEXEC | O_NONBLOCK));
  if (file.number < 0) return refused(path, errno);
  struct stat status {};
  if (::fstat(file.number, &status) != 0) return refused(path, errno);
  if (S_ISDIR(status.st_mode))
    return fail(ErrorCode::file, path.string(), "this is a folder", "name the .gguf file inside it");
  if (!S_ISREG(status.st_mode))
    return fail(ErrorCode::file, path.string(), "this is a pipe or a device, not a file", "save it to disk first");
  if (status.st_size == 0)
    return fail(ErrorCode::file, path.string(), "the file is empty", "download or copy it again");
  if (static_cast<std::uint64_t>(status.st_size) > std::numeric_limits<std::size_t>::max())
    return fail(ErrorCode::memory, path.string(), "the file is larger than this machine can address",
                "use a smaller model");
  const auto size = static_cast<std::size_t>(status.st_size);
  void* map = ::mmap(nullptr, size, PROT_READ, MAP_PRIVATE, file.number, 0);
  if (map == MAP_FAILED) return refused(path, errno);
  return MappedFile(static_cast<const std::byte*>(map), size);
}

MappedFile::MappedFile(MappedFile&& other) noexcept
    : data_(std::exchange(other.data_, nullptr)), size_(std::exchange(other.size_, 0)) {}

MappedFile& MappedFile::operator=(MappedFile&& other) noexcept {
  std::swap(data_, other.data_);
  std::swap(size_, other.size_);
  return *this;
}

MappedFile::~MappedFile() {
  if (data_) ::munmap(const_cast<std::byte*>(data_), size_);
}

}  // namespace fovea
