// How failure is said: a value with a sentence (what failed, why, what to do), never an exception.
#pragma once

#include <string>
#include <tl/expected.hpp>
#include <utility>

namespace fovea {

enum class ErrorCode {
  usage,        // the caller asked for something that makes no sense
  file,         // cannot be read or written
  format,       // read, but not what it says it is
  unsupported,  // well-formed, but of a family, type or version we do not run
  device,       // no Vulkan device, or the device failed or was lost
  memory,       // does not fit
  cancelled,    // the person stopped it
  internal,     // our own mistake, said instead of crashing
};

// A failure as a person reads it. `what` names the thing that failed, `why` the cause, `advice` what to do.
struct Error {
  ErrorCode code = ErrorCode::internal;
  std::string what;
  std::string why;
  std::string advice;

  // "WHAT: WHY; WHAT TO DO", one line (the contract of stderr and of the window).
  [[nodiscard]] std::string sentence() const;
};

template <class T>
using Result = tl::expected<T, Error>;

[[nodiscard]] inline tl::unexpected<Error> fail(ErrorCode code, std::string what, std::string why, std::string advice) {
  return tl::unexpected<Error>(Error{code, std::move(what), std::move(why), std::move(advice)});
}

}  // namespace fovea

// Returns the error of an expression that yields Result<...> to the caller; otherwise goes on.
#define FOVEA_TRY(expression)                                             \
  do {                                                                    \
    if (auto fovea_try_result = (expression); !fovea_try_result)          \
      return tl::unexpected<::fovea::Error>(std::move(fovea_try_result).error()); \
  } while (false)

#define FOVEA_CONCAT_INNER(a, b) a##b
#define FOVEA_CONCAT(a, b) FOVEA_CONCAT_INNER(a, b)
// FOVEA_ASSIGN(auto file, MappedFile::open(path)): declares `file` from the value or returns the error.
#define FOVEA_ASSIGN(declaration, expression) FOVEA_ASSIGN_INNER(FOVEA_CONCAT(fovea_value_, __LINE__), declaration, expression)
#define FOVEA_ASSIGN_INNER(temporary, declaration, expression)                          \
  auto temporary = (expression);                                                        \
  if (!temporary) return tl::unexpected<::fovea::Error>(std::move(temporary).error());  \
  declaration = std::move(*temporary)
