/// The guest's end of a disk: <xen/io/blkif.h> with one ring of one page, which can be connected again and again.
#pragma once

#include <cstdint>

// First: it says which of the interface's versions the others are to speak.
#include "abi/xen.hpp"

#include <xen/io/blkif.h>

#include "device.hpp"
#include "lib/events.hpp"
#include "lib/memory.hpp"

class Disk {
  public:
    static constexpr unsigned kRequests = __CONST_RING_SIZE(blkif, lib::kPageSize);
    static constexpr std::int16_t kNoAnswer = 77; ///< no status
    // Grants, above those that are the toolstack's.
    static constexpr grant_ref_t kRing = 16, kData = 17, kReadOnly = 18, kOthers = 19, kNone = 20;

    static Disk& get();
    /// xvda, if the domain was given one.
    [[nodiscard]] bool exists() const { return device_.exists(); }

    /// Offers a ring, and waits for the back end to take it.
    bool connect();
    /// Offers a ring with @p value at @p key; true if the back end reports an error.
    bool connects_wrongly(std::string_view key, std::string_view value);
    /// Closed at both ends, and ready to be connected again; false if the back end still has something of the guest's.
    bool close();

    /// A good request: reads a page at the beginning.
    [[nodiscard]] blkif_request good(std::uint8_t operation = BLKIF_OP_READ) const;
    /// Puts a request into the ring; it is seen with the next tell().
    void put(blkif_request const& request);
    void tell();
    /// Waits until all that was put is answered; the status of the last. kNoAnswer: it never was.
    std::int16_t answer();
    std::int16_t ask(blkif_request const& request) { return put(request), tell(), answer(); }

    [[nodiscard]] blkif_sring volatile& ring() const { return *reinterpret_cast<blkif_sring volatile*>(ring_.va()); }
    [[nodiscard]] blkif_request volatile& slot(unsigned index) const {
        return const_cast<blkif_request volatile*>(&ring().ring[0].req)[index % kRequests];
    }
    /// The slot of the next request that is put.
    [[nodiscard]] unsigned next() const { return end_; }
    [[nodiscard]] lib::Page data() const { return data_; }
    void notify() const { lib::send(port_); }

  private:
    Disk();
    void offer();

    Device device_;
    lib::Page ring_ = lib::fresh_page(), data_ = lib::fresh_page();
    lib::Port port_ = 0;
    RING_IDX end_ = 0;
};
