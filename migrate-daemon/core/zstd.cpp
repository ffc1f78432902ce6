#include "migrate/zstd.hpp"

#include <new>

#include <zstd.h>

namespace migrate {

struct Compressor::State {
    ZSTD_CCtx* context = ZSTD_createCCtx();

    State() {
        if (context == nullptr)
            throw std::bad_alloc{};
    }
    State(State const&) = delete;
    State& operator=(State const&) = delete;
    ~State() { ZSTD_freeCCtx(context); }
};

Compressor::Compressor() : state_{std::make_unique<State>()} {}
Compressor::~Compressor() = default;
Compressor::Compressor(Compressor&&) noexcept = default;
Compressor& Compressor::operator=(Compressor&&) noexcept = default;

bool Compressor::pack(base::Bytes bytes, int level, std::vector<std::byte>& out) {
    auto const before = out.size();
    out.resize(before + bytes.size()); // no room for a frame that is not smaller: zstd gives up early
    auto const size =
        ZSTD_compressCCtx(state_->context, out.data() + before, bytes.size(), bytes.data(), bytes.size(), level);
    bool const smaller = ZSTD_isError(size) == 0 && size < bytes.size();
    out.resize(smaller ? before + size : before);
    return smaller;
}

struct Decompressor::State {
    ZSTD_DCtx* context = ZSTD_createDCtx();

    State() {
        if (context == nullptr)
            throw std::bad_alloc{};
    }
    State(State const&) = delete;
    State& operator=(State const&) = delete;
    ~State() { ZSTD_freeDCtx(context); }
};

Decompressor::Decompressor() : state_{std::make_unique<State>()} {}
Decompressor::~Decompressor() = default;
Decompressor::Decompressor(Decompressor&&) noexcept = default;
Decompressor& Decompressor::operator=(Decompressor&&) noexcept = default;

bool Decompressor::unpack(base::Bytes frame, std::span<std::byte> out) {
    if (ZSTD_getFrameContentSize(frame.data(), frame.size()) != out.size())
        return false;
    auto const end = ZSTD_findFrameCompressedSize(frame.data(), frame.size());
    if (ZSTD_isError(end) != 0 || end != frame.size())
        return false;
    return ZSTD_decompressDCtx(state_->context, out.data(), out.size(), frame.data(), frame.size()) == out.size();
}

} // namespace migrate
