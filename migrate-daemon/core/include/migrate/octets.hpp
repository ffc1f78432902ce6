/// Structures of stream_format.hpp made octets.
#pragma once

#include <cstddef>
#include <span>
#include <string_view>
#include <type_traits>
#include <vector>

#include "base/bytes.hpp"

namespace migrate {

inline void put(std::vector<std::byte>& out, base::Bytes bytes) { out.insert(out.end(), bytes.begin(), bytes.end()); }

template <typename T> void put_value(std::vector<std::byte>& out, T const& value) {
    static_assert(std::is_trivially_copyable_v<T> && std::has_unique_object_representations_v<T>);
    put(out, std::as_bytes(std::span{&value, 1}));
}

inline base::Bytes bytes_of(std::string_view text) { return std::as_bytes(std::span{text}); }

} // namespace migrate
