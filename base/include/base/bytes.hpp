/// Reading structures out of foreign bytes (firmware tables, files, records) without ever reading past their end.
///
///     if (auto const header = load<Header>(bytes, offset))
///         use(header->length);
///
/// Offsets and lengths may come from those same bytes: no sum here overflows. Little-endian, as x86 is.
#pragma once

#include <cstddef>
#include <cstring>
#include <optional>
#include <span>
#include <type_traits>

namespace base {

using Bytes = std::span<std::byte const>;

/// The @p count bytes from @p offset on, or nothing if they are not all there.
constexpr std::optional<Bytes> slice(Bytes bytes, std::size_t offset, std::size_t count) {
    if (offset > bytes.size() || count > bytes.size() - offset)
        return std::nullopt;
    return bytes.subspan(offset, count);
}

/// The T at @p offset, whatever its alignment, or nothing if it is not all there.
template <typename T> std::optional<T> load(Bytes bytes, std::size_t offset = 0) {
    static_assert(std::is_trivially_copyable_v<T>);
    auto const source = slice(bytes, offset, sizeof(T));
    if (!source)
        return std::nullopt;
    T value;
    std::memcpy(&value, source->data(), sizeof value);
    return value;
}

} // namespace base
