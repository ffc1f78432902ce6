/// The guest's end of a network card: <xen/io/netif.h> with one ring of one page for each direction, and one port for both.
#pragma once

#include <cstdint>

// First: it says which of the interface's versions the others are to speak.
#include "abi/xen.hpp"

#include <xen/io/netif.h>

#include "device.hpp"
#include "lib/events.hpp"

class Card {
  public:
    static constexpr unsigned kRequests = __CONST_RING_SIZE(netif_tx, lib::kPageSize);
    static constexpr std::int16_t kNoAnswer = 77; ///< no status
    static constexpr unsigned kFrameSize = 60;
    static constexpr std::uint16_t kOurType = 0xb588; ///< 88b5 on the wire: for experiments

    explicit Card(unsigned number);
    [[nodiscard]] bool exists() const { return device_.exists(); }

    /// Offers the rings, with a place for one frame, and waits for the back end to take them.
    bool connect();
    /// Closed at both ends; false if the back end still has something of the guest's.
    bool close();

    /// Sends a frame to all on the bridge.
    [[nodiscard]] netif_tx_request good() const;
    /// Puts a request, or what goes with it, into the ring; it is seen with the next tell().
    template <typename T> void put(T const& what) {
        static_assert(sizeof what <= sizeof(netif_tx_sring_entry));
        __builtin_memcpy(const_cast<netif_tx_sring_entry*>(&sent()[end_++ % kRequests]), &what, sizeof what);
    }
    void tell();
    /// Waits until all that was put is answered; the status of the last. kNoAnswer: it never was.
    std::int16_t answer();
    std::int16_t ask(netif_tx_request const& request) { return put(request), tell(), answer(); }

    /// A frame has come, and it is one that a card of ours has sent; the place is given again if it is not.
    bool received();

    [[nodiscard]] netif_tx_sring volatile& out() const {
        return *reinterpret_cast<netif_tx_sring volatile*>(out_.va());
    }
    [[nodiscard]] netif_rx_sring volatile& in() const { return *reinterpret_cast<netif_rx_sring volatile*>(in_.va()); }
    [[nodiscard]] netif_rx_sring_entry volatile* places() const {
        return const_cast<netif_rx_sring_entry volatile*>(&in().ring[0]);
    }
    void notify() const { lib::send(port_); }

    // Grants, of which each card has some of its own.
    [[nodiscard]] grant_ref_t none() const { return first_ + 5; }
    [[nodiscard]] grant_ref_t others() const { return first_ + 4; }

  private:
    [[nodiscard]] netif_tx_sring_entry volatile* sent() const {
        return const_cast<netif_tx_sring_entry volatile*>(&out().ring[0]);
    }
    void give_place();

    Device device_;
    grant_ref_t first_;
    lib::Page out_ = lib::fresh_page(), in_ = lib::fresh_page(), frame_ = lib::fresh_page(), place_ = lib::fresh_page();
    lib::Port port_ = 0;
    RING_IDX end_ = 0, in_end_ = 0;
};
