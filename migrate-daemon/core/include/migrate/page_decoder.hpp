/// The receiver's bookkeeping: batches in, pages out to whoever has the guest's memory; every page verified before it is written,
/// the whole at the end.
///
///     ReceivedPages book{layout, info.seed};
///     PageDecoder decoder{book, info.index, info.streams, memory};   // one for each stream
///     for each PageBatch that the stream's reader hands out:
///         TRY(decoder.batch(batch));
///     …
///     TRY(verify_image(layout, decoder.received() /* + those of the other streams */, digest));
///
/// Make a book only of a layout whose frames() you are ready to take: it has 9 octets for each.
/// Decoders of different streams may run in different threads, if the GuestMemory allows that.
#pragma once

#include <cstdint>
#include <span>
#include <vector>

#include "migrate/batch.hpp"
#include "migrate/hash.hpp"
#include "migrate/layout.hpp"

namespace migrate {

struct PageWrite {
    Gfn gfn;
    std::byte const* page = nullptr; ///< 4096 octets; null: zeros
    bool first =
        false; ///< nothing was written to this frame before: where new frames are zero, zeros are there already
};

/// What a decoder needs of the new domain, and nothing more. Each answers false if it failed; why is remembered by whoever implements it.
class GuestMemory {
  public:
    virtual ~GuestMemory() = default;
    /// Writes all of them; frames of the layout, rising, at most 256.
    virtual bool write(std::span<PageWrite const> pages) = 0;
    /// Reads back what was written to these frames of the layout, rising, at most 256.
    virtual bool read(std::span<Gfn const> gfns, std::span<Page> pages) = 0;
    /// The guest has no such frame, or no longer, though it is in the layout. It may be written later, and is then `first`.
    virtual bool remove(Gfn gfn) = 0;
};

/// What each frame has: 9 octets a frame.
class ReceivedPages {
  public:
    ReceivedPages(MemoryLayout layout, std::uint64_t seed);

    [[nodiscard]] MemoryLayout const& layout() const { return layout_; }

  private:
    friend class PageDecoder;
    enum class State : std::uint8_t { never_sent, present, absent };

    MemoryLayout layout_;
    std::uint64_t seed_;
    std::vector<std::uint64_t> checks_;
    std::vector<State> states_;
};

/// What came by one stream, or by several.
struct Received {
    ImageDigest digest;
    std::uint64_t frames = 0; ///< that were heard of, absent ones too

    Received& operator+=(Received const& other);
};

class PageDecoder {
  public:
    /// @p book and @p memory must outlive it.
    PageDecoder(ReceivedPages& book, unsigned stream, unsigned streams, GuestMemory& memory);

    /// Verifies all pages, then writes them. After an error the memory is worth nothing.
    Streamed<void> batch(PageBatch const& batch);

    [[nodiscard]] Received const& received() const { return received_; }

  private:
    struct Decoded {
        PageEntry entry;
        std::uint64_t index = 0;
        std::uint64_t check = 0;
    };

    bool builds_on_present(PageEntry const& entry) const;
    Streamed<void> read_old(PageBatch const& batch);
    Streamed<void> decode(PageEntry const& entry, Bytes& contents);
    Streamed<PageView> page_of(PageEntry const& entry, Bytes& contents);
    Streamed<void> write_out();
    void note(Decoded const& page);

    ReceivedPages& book_;
    unsigned stream_;
    unsigned streams_;
    GuestMemory& memory_;
    Decompressor decompressor_;
    Received received_;
    PageHash zero_;
    std::vector<std::byte> room_; ///< unpacked contents
    std::vector<Gfn> old_gfns_;   ///< of the batch at hand: pages that what has changed is put into, in their order,
    std::vector<Page> old_;       ///< and what is made of them
    std::size_t next_old_ = 0;
    std::vector<Decoded> decoded_; ///< of the batch at hand
    std::vector<PageWrite> writes_;
};

/// Whether all frames came, and the memory is that of the source.
Streamed<void> verify_image(MemoryLayout const& layout, Received const& received, ImageDigest const& sent);

} // namespace migrate
