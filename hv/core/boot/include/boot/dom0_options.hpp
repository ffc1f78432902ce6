/// How much of the machine dom0 gets: dom0_mem= and dom0_max_vcpus=, in Xen's spelling.
#pragma once

#include <cstdint>
#include <optional>
#include <string_view>

namespace boot {

/// An amount of memory: `512M`, `-1G` (all but that), `25%`, `1G+10%` (that, and so much of all).
struct MemoryAmount {
    std::uint64_t bytes = 0;
    std::uint32_t percent = 0;
    bool all_but = false;

    /// In frames, if @p available frames are to be had; never more than those.
    [[nodiscard]] std::uint64_t frames_of(std::uint64_t available) const;
};

/// `dom0_mem=[size][,min:size][,max:size]`
struct Dom0Memory {
    std::optional<MemoryAmount> size;
    std::optional<MemoryAmount> minimum;
    std::optional<MemoryAmount> maximum;

    /// What dom0 starts with (the start_info's nr_pages), and what it may grow to (XENMEM_maximum_reservation).
    struct Frames {
        std::uint64_t initial = 0;
        std::uint64_t maximum = 0;
    };
    /// Applies the option to @p available free frames. Without a size dom0 gets all but a sixteenth of them, or all
    /// but 128 MiB if that is less: the hypervisor needs shadows and domains need descriptors.
    [[nodiscard]] Frames frames_of(std::uint64_t available) const;
};
std::optional<Dom0Memory> parse_dom0_memory(std::string_view text);

/// `dom0_max_vcpus=N` or `min-max`, where either end may be missing.
struct Dom0Vcpus {
    std::uint32_t minimum = 1;
    std::uint32_t maximum = ~std::uint32_t{0};

    /// As many as there are CPUs, within the two ends.
    [[nodiscard]] std::uint32_t count_of(std::uint32_t cpus) const;
};
std::optional<Dom0Vcpus> parse_dom0_vcpus(std::string_view text);

} // namespace boot
