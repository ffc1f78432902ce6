/// The sender's bookkeeping: pages in, batches out. Decides for each page what of it has to be said.
///
///     SentPages book{layout, seed};
///     PageEncoder encoder{book, options};                         // one for each stream
///     encoder.begin_round(n);
///     for (gfn : what this round sends by this stream) {
///         if (!encoder.fits(gfn))
///             out.batch(encoder.finish_batch());                  // StreamWriter
///         encoder.add(gfn, page);                                 // or add_absent(gfn)
///     }
///     if (!encoder.empty()) out.batch(encoder.finish_batch());
///     out.round_end(stopped, encoder.unchanged());
///     …
///     out.image_digest(encoder.digest());                         // + those of the other streams
///
/// Gfns may come in any order (hot ones last), but a batch ends where they fall: sort within what makes a batch. In round 0 every frame
/// of the layout has to be added, once.
///
/// Encoders of different streams may run in different threads: each touches its own pages of the book only. An encoder itself is not for
/// several threads.
#pragma once

#include <cstdint>
#include <vector>

#include "migrate/batch.hpp"
#include "migrate/hash.hpp"
#include "migrate/hot_pages.hpp"
#include "migrate/layout.hpp"
#include "migrate/pieces.hpp"

namespace migrate {

/// What was last sent of each frame, and what was last seen: 145 octets a frame.
class SentPages {
  public:
    SentPages(MemoryLayout layout, std::uint64_t seed);

    [[nodiscard]] MemoryLayout const& layout() const { return layout_; }
    [[nodiscard]] std::uint64_t seed() const { return seed_; }

  private:
    friend class PageEncoder;
    enum class State : std::uint8_t { never_sent, present, absent };

    MemoryLayout layout_;
    std::uint64_t seed_;
    std::vector<PageHash> hashes_;
    std::vector<State> states_;
    std::vector<PieceHashes> pieces_; ///< of those that are present
};

struct EncoderOptions {
    unsigned stream = 0;
    unsigned streams = 1;
    std::size_t batch_pages = kMostBatchPages;
    /// In the last round, which the guest waits for: few enough that both ends work at the same time, enough that a batch's own cost does
    /// not show.
    std::size_t last_batch_pages = 64;
    std::size_t hot_pages = 4096; ///< kept for deltas, 4 KiB each; 0: no deltas
    /// A longer delta, or more pieces, are not worth it: most of the page has changed.
    std::size_t most_delta = 2048;
};

class PageEncoder {
  public:
    /// @p book must outlive it.
    explicit PageEncoder(SentPages& book, EncoderOptions const& options = {});

    /// The last has small batches, and keeps no contents: nothing is compared with what it sent.
    enum class Round : bool { more_follow, last };
    /// REQUIRES: empty(); rounds rise from 0.
    void begin_round(std::uint32_t number, Round round = Round::more_follow);

    /// How hard batches are packed: zstd's levels (negative ones are faster), 0 not at all. From the next finish_batch() on.
    void set_level(int level) { level_ = level; }
    /// Whether pages that have not changed are stated, so that the receiver verifies them too. From the next add() on.
    void state_unchanged(bool state) { state_unchanged_ = state; }

    /// Whether @p gfn can join the batch that is being made.
    [[nodiscard]] bool fits(Gfn gfn) const;
    /// The page as it is now. It may be changing: it is copied before anything is decided, and is in the next round if it changed meanwhile.
    /// REQUIRES: fits(gfn); gfn is in the layout and of this stream.
    void add(Gfn gfn, PageView page);
    /// The guest does not have this frame now. REQUIRES: as above.
    void add_absent(Gfn gfn);

    [[nodiscard]] bool empty() const { return batch_.count() == 0; }
    /// What was added since the last batch. REQUIRES: !empty().
    [[nodiscard]] EncodedBatch finish_batch();

    /// Pages of this round that were added, had not changed, and were left out.
    [[nodiscard]] std::uint64_t unchanged() const { return unchanged_; }
    /// Of this stream's pages as they were last added: what the receiver has to have.
    [[nodiscard]] ImageDigest const& digest() const { return digest_; }

  private:
    void say(Gfn gfn, PageClass kind, std::uint64_t fingerprint, Bytes contents);
    void say_contents(Gfn gfn, std::uint64_t index, bool again);
    std::uint64_t index_of(Gfn gfn) const;

    SentPages& book_;
    EncoderOptions options_;
    HotPages hot_;
    Compressor compressor_;
    BatchBuilder batch_;
    Gfn last_;
    std::uint32_t round_ = 0;
    bool last_round_ = false;
    int level_ = 1;
    bool state_unchanged_ = false;
    std::uint64_t unchanged_ = 0;
    ImageDigest digest_;
    PageHash zero_;
    PieceHashes zero_pieces_;
    Page copy_{};
    std::vector<std::byte> delta_;
};

} // namespace migrate
