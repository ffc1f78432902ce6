/// The guest's end of its xenstore ring: <xen/io/xs_wire.h>, a request at a time, and the octets themselves for who wants to
/// say something else.
#pragma once

#include <cstdint>
#include <string_view>

#include <xen/io/xs_wire.h>

#include "lib/events.hpp"

class Store {
  public:
    struct Message {
        std::uint32_t type = XS_INVALID; ///< as it stays if nothing came
        std::uint32_t id = 0;
        std::string_view body; ///< until the next message is taken
    };

    static Store& get();

    /// Sends a request and waits for what answers it; watch events that come before are kept in mind (next_event).
    Message ask(std::uint32_t type, std::string_view body, std::uint32_t transaction = 0);
    /// The value, until the next message; empty if there is none.
    std::string_view read(std::string_view path);
    bool write(std::string_view path, std::string_view value);
    /// Waits until @p wanted says so of the value at @p path, by a watch.
    template <typename Wanted> bool await(std::string_view path, Wanted const& wanted) {
        watch(path);
        bool is = wanted(read(path));
        while (!is && next_event())
            is = wanted(read(path));
        unwatch(path);
        return is;
    }

    // --- the ring itself ----------------------------------------------------------------------------------------------

    [[nodiscard]] xenstore_domain_interface volatile& ring() const { return *ring_; }
    [[nodiscard]] lib::Port port() const { return port_; }
    void notify() const { lib::send(port_); }
    /// The head of a request, with whatever it says of the length of what follows. Answers its number.
    std::uint32_t put_head(std::uint32_t type, std::uint32_t length, std::uint32_t transaction = 0);
    /// Octets, as there is room for them; each time the store is told. False if it takes none.
    bool put(std::string_view octets);
    /// The next message, whatever it is.
    Message take();
    /// The next that is no watch event.
    Message take_answer();

  private:
    Store();
    void watch(std::string_view path);
    void unwatch(std::string_view path);
    bool next_event();
    bool take_octets(char* to, unsigned count);

    xenstore_domain_interface volatile* ring_;
    lib::Port port_;
    std::uint32_t last_id_ = 0;
    unsigned events_ = 0;
    char body_[XENSTORE_PAYLOAD_MAX] = {};
};
