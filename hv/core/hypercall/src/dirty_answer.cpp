#include "hypercall/dirty_answer.hpp"

#include <algorithm>
#include <array>

#include "domain/preemption.hpp"

namespace hypercall {
namespace {

using base::Err;
using base::Error;
using base::Status;
using base::Vaddr;
using domain::Domain;
using logdirty::kGroupWords;
using logdirty::kWordBits;

std::uint64_t count(std::span<std::uint64_t const> words) {
    std::uint64_t bits = 0;
    for (auto word : words)
        for (; word != 0; word &= word - 1)
            ++bits;
    return bits;
}

/// Some words of an answer: those from `at` on that lie in one group.
struct Piece {
    Piece(DirtyAnswer const& whole, std::uint64_t done)
        : answer{whole},
          at{done},
          first{whole.first / kWordBits + done},
          size{std::min<std::uint64_t>(kGroupWords - first % kGroupWords, whole.words() - done)} {}

    /// Of the last word: those bits that are asked for.
    [[nodiscard]] std::uint64_t last_mask() const {
        auto const left = answer.pages - (at + size - 1) * kWordBits;
        return left >= kWordBits ? ~std::uint64_t{0} : (std::uint64_t{1} << left) - 1;
    }
    Status deliver(Call& call, Vaddr to, std::span<std::uint64_t const> words, bool any) const {
        if (to.raw() == 0 || (!any && answer.sparse))
            return {};
        constexpr auto kBytes = sizeof(std::uint64_t);
        auto const bytes = std::min(size * kBytes, (answer.pages + 7) / 8 - at * kBytes);
        return domain::copy_to_guest(call.vcpu, call.vcpu.mode, to + at * kBytes, std::as_bytes(words).first(bytes));
    }

    DirtyAnswer const& answer;
    std::uint64_t at, first, size;
};

Status copy_foreign(Call& call, Domain& subject, Piece const& piece) {
    std::array<std::uint64_t, kGroupWords> buffer;
    auto const words = std::span{buffer}.first(piece.size);
    bool const any = subject.log.foreign(piece.first, words);
    words.back() &= piece.last_mask();
    TRY(piece.deliver(call, piece.answer.foreign, words, any));
    subject.log_dirty.told_foreign += any ? count(words) : 0;
    return {};
}

Status copy_piece(Call& call, Domain& subject, Piece const& piece) {
    auto& log = subject.log;
    std::array<std::uint64_t, kGroupWords> buffer;
    auto const words = std::span{buffer}.first(piece.size);
    bool const any = piece.answer.clean ? log.take(piece.first, words) : log.peek(piece.first, words);
    if (auto const others = words.back() & ~piece.last_mask(); others != 0) {
        words.back() &= piece.last_mask();
        if (piece.answer.clean)
            log.put_back(piece.first + piece.size - 1, {&others, 1});
    }
    auto const delivered = piece.deliver(call, piece.answer.dirty, words, any);
    if (!delivered.ok() && piece.answer.clean)
        log.put_back(piece.first, words);
    TRY(delivered);
    subject.log_dirty.told_dirty += any ? count(words) : 0;
    return {};
}

} // namespace

Status copy_dirty(Call& call, Domain& subject, DirtyAnswer const& answer) {
    for (auto& done = subject.log_dirty.next; done < answer.words();) {
        Piece const piece{answer, done};
        if (answer.foreign.raw() != 0)
            TRY(copy_foreign(call, subject, piece));
        TRY(copy_piece(call, subject, piece));
        done += piece.size;
        if (done < answer.words() && domain::slice_is_over(subject.system))
            return Err{Error::preempted};
    }
    return {};
}

Status copy_heat(Call& call, Domain& subject, DirtyAnswer const& answer, Vaddr to) {
    constexpr std::uint64_t kRegion = logdirty::Heat::kFrames;
    auto const first = answer.first / kRegion;
    auto const regions = answer.pages == 0 ? 0 : (answer.first + answer.pages - 1) / kRegion + 1 - first;
    std::array<std::uint8_t, 256> piece;
    for (auto& done = subject.log_dirty.next; done < regions;) {
        auto const size = std::min<std::uint64_t>(piece.size(), regions - done);
        for (std::uint64_t i = 0; i < size; ++i)
            piece[i] = subject.log.heat(base::Gfn{(first + done + i) * kRegion});
        TRY(domain::copy_to_guest(call.vcpu, call.vcpu.mode, to + done, std::as_bytes(std::span{piece}).first(size)));
        done += size;
        if (done < regions && domain::slice_is_over(subject.system))
            return Err{Error::preempted};
    }
    return {};
}

} // namespace hypercall
