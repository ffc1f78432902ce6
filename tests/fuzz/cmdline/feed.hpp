/// Foreign text for the command line parser.
#pragma once

#include "base/assert.hpp"
#include "boot/command_line.hpp"
#include "boot/words.hpp"

namespace fuzz {

/// True: any text is a command line.
inline bool feed_command_line(base::Bytes input) {
    std::string_view const text{reinterpret_cast<char const*>(input.data()), input.size()};
    auto const line = boot::parse_command_line(text);
    auto const& options = line.options;
    ASSERT(options.max_cpus != 0);
    ASSERT(options.com1.port != 0 && options.com1.baud <= 115200);
    ASSERT(options.dom0_vcpus.minimum <= options.dom0_vcpus.maximum);
    for (std::uint64_t const available :
         {std::uint64_t{0}, std::uint64_t{1}, std::uint64_t{1} << 20, std::uint64_t{1} << 40}) {
        auto const frames = options.dom0_memory.frames_of(available);
        ASSERT(frames.initial <= frames.maximum && frames.maximum <= available);
    }
    for (auto const& complaint : line.complaints)
        ASSERT(!complaint.word.empty());
    return true;
}

} // namespace fuzz
