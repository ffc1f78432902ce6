#include "fuzz/record/feed.hpp"

extern "C" int LLVMFuzzerTestOneInput(std::uint8_t const* data, std::size_t size) {
    fuzz::feed_record(std::as_bytes(std::span{data, size}));
    return 0;
}
