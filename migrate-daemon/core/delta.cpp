#include "migrate/delta.hpp"

#include <cstring>

#include "migrate/batch.hpp"
#include "migrate/octets.hpp"
#include "migrate/stream_format.hpp"

namespace migrate {
namespace {

using Word = std::uint64_t;
constexpr std::size_t kWords = base::kPageSize / sizeof(Word);

Word word_at(std::byte const* page, std::size_t index) {
    Word word = 0;
    std::memcpy(&word, page + index * sizeof word, sizeof word);
    return word;
}

} // namespace

bool encode_delta(PageView before, PageView now, std::size_t most, std::vector<std::byte>& out) {
    ASSERT(most <= kMostDelta);
    auto const start = out.size();
    put_value(out, std::uint16_t{0}); // the length, filled in last
    auto const runs = out.size();
    for (std::size_t at = 0; at < kWords;) {
        if (word_at(before.data(), at) == word_at(now.data(), at)) {
            ++at;
            continue;
        }
        auto const head_at = out.size();
        auto const first = at;
        put_value(out, format::DeltaRun{});
        for (; at < kWords; ++at) {
            auto const change = word_at(before.data(), at) ^ word_at(now.data(), at);
            if (change == 0)
                break;
            put_value(out, change);
        }
        format::DeltaRun const head{static_cast<std::uint16_t>(first), static_cast<std::uint16_t>(at - first)};
        std::memcpy(out.data() + head_at, &head, sizeof head);
        if (out.size() - runs > most) {
            out.resize(start);
            return false;
        }
    }
    auto const length = static_cast<std::uint16_t>(out.size() - runs);
    std::memcpy(out.data() + start, &length, sizeof length);
    return true;
}

bool apply_delta(Bytes& contents, std::span<std::byte, base::kPageSize> page) {
    auto const length = base::load<std::uint16_t>(contents);
    if (!length || *length > kMostDelta)
        return false;
    auto const all = base::slice(contents, sizeof *length, *length);
    if (!all)
        return false;
    contents = contents.subspan(sizeof *length + *length);

    auto runs = *all;
    std::size_t least = 0; // where the next run may begin: behind the last, with a word between
    while (!runs.empty()) {
        auto const head = base::load<format::DeltaRun>(runs);
        if (!head || head->words == 0 || head->first < least || std::size_t{head->first} + head->words > kWords)
            return false;
        auto const changes = base::slice(runs, sizeof *head, head->words * sizeof(Word));
        if (!changes)
            return false;
        for (std::size_t i = 0; i < head->words; ++i) {
            auto const at = head->first + i;
            auto const word = word_at(page.data(), at) ^ word_at(changes->data(), i);
            std::memcpy(page.data() + at * sizeof word, &word, sizeof word);
        }
        least = std::size_t{head->first} + head->words + 1;
        runs = runs.subspan(sizeof *head + changes->size());
    }
    return true;
}

} // namespace migrate
