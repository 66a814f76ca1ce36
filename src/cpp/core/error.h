// Errors a caller can cause: one clear sentence, formatted only when it is needed.
// SPDX-License-Identifier: Apache-2.0
#pragma once
#include <sstream>
#include <stdexcept>
#include <string>

namespace lepton {

/// A value out of range or shapes that do not fit; ValueError in Python.
struct ValueError : std::invalid_argument {
  using std::invalid_argument::invalid_argument;
};
/// A dtype or type that the operation does not take; TypeError in Python.
struct TypeError : std::invalid_argument {
  using std::invalid_argument::invalid_argument;
};
/// An index outside its bounds; IndexError in Python.
struct IndexError : std::out_of_range {
  using std::out_of_range::out_of_range;
};
/// A call at the wrong time (a graph already freed, a tensor changed in place); RuntimeError in
/// Python.
struct StateError : std::runtime_error {
  using std::runtime_error::runtime_error;
};

/// Throws E with the parts written one after the other.
template <class E, class... Parts>
[[noreturn, gnu::cold, gnu::noinline]] void raise(const Parts&... parts) {
  std::ostringstream text;
  (text << ... << parts);
  throw E(text.str());
}

/// Throws E with the parts as its message unless ok.
template <class E, class... Parts>
inline void check(bool ok, const Parts&... parts) {
  if (!ok) [[unlikely]]
    raise<E>(parts...);
}

}  // namespace lepton
