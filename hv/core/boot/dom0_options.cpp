#include "boot/dom0_options.hpp"

#include <algorithm>

#include "base/frame.hpp"
#include "boot/words.hpp"

namespace boot {

namespace {

/// `[<size>+]<n>%` or `<size>`
std::optional<MemoryAmount> parse_amount(std::string_view text) {
    MemoryAmount amount{.bytes = 0, .percent = 0, .all_but = take_prefix(text, "-")};
    if (text.ends_with('%')) {
        text.remove_suffix(1);
        auto const plus = std::find(text.begin(), text.end(), '+');
        if (plus != text.end()) {
            auto const size = parse_size(take_until(text, '+'));
            if (!size)
                return std::nullopt;
            amount.bytes = *size;
        }
        auto const percent = parse_number(text);
        if (!percent || *percent > 100)
            return std::nullopt;
        amount.percent = static_cast<std::uint32_t>(*percent);
        return amount;
    }
    auto const size = parse_size(text);
    if (!size)
        return std::nullopt;
    amount.bytes = *size;
    return amount;
}

/// A count of CPUs: at least 1.
std::optional<std::uint32_t> parse_count(std::string_view text) {
    auto const number = parse_number(text);
    if (!number || *number == 0 || *number > ~std::uint32_t{0})
        return std::nullopt;
    return static_cast<std::uint32_t>(*number);
}

} // namespace

std::uint64_t MemoryAmount::frames_of(std::uint64_t available) const {
    // Divided before it is multiplied: a frame or two less, and no overflow.
    auto const share = available / 100 * percent + available % 100 * percent / 100;
    auto const whole = std::min(available, (bytes >> base::kPageShift) + share);
    return all_but ? available - whole : whole;
}

Dom0Memory::Frames Dom0Memory::frames_of(std::uint64_t available) const {
    constexpr std::uint64_t most_kept = (std::uint64_t{128} << 20) >> base::kPageShift;

    auto const least = minimum ? minimum->frames_of(available) : 0;
    auto const most = std::max(least, maximum ? maximum->frames_of(available) : available);
    auto const wanted = size ? size->frames_of(available) : available - std::min(available / 16, most_kept);
    auto const initial = std::clamp(wanted, least, most);
    return {.initial = initial, .maximum = maximum ? most : initial};
}

std::optional<Dom0Memory> parse_dom0_memory(std::string_view text) {
    Dom0Memory memory;
    if (text.empty())
        return std::nullopt;
    while (!text.empty()) {
        auto part = take_until(text, ',');
        auto& amount = take_prefix(part, "min:")   ? memory.minimum
                       : take_prefix(part, "max:") ? memory.maximum
                                                   : memory.size;
        amount = parse_amount(part);
        if (!amount)
            return std::nullopt;
    }
    return memory;
}

std::uint32_t Dom0Vcpus::count_of(std::uint32_t cpus) const { return std::clamp(cpus, minimum, maximum); }

std::optional<Dom0Vcpus> parse_dom0_vcpus(std::string_view text) {
    Dom0Vcpus vcpus;
    bool const range = std::find(text.begin(), text.end(), '-') != text.end();
    auto const low = take_until(text, '-');
    if (low.empty() && text.empty())
        return std::nullopt;
    if (!low.empty()) {
        auto const count = parse_count(low);
        if (!count)
            return std::nullopt;
        vcpus.minimum = *count;
        if (!range)
            vcpus.maximum = *count;
    }
    if (!text.empty()) {
        auto const count = parse_count(text);
        if (!count || *count < vcpus.minimum)
            return std::nullopt;
        vcpus.maximum = *count;
    }
    return vcpus;
}

} // namespace boot
