#include "lib/console.hpp"

#include <atomic>

#include <xen/io/console.h>

#include "lib/events.hpp"
#include "lib/guest.hpp"
#include "lib/memory.hpp"

namespace lib {
namespace {

/// The output half of a domU's console ring (xen/io/console.h). What is not taken away in time is waited for; in a domain that was
/// made without a reader, nothing is said.
class Ring {
  public:
    /// Finds the ring and who is at its other end; before the guest's first port is closed.
    void open() {
        page_ = reinterpret_cast<xencons_interface*>(page_of(Frame{startup().console.domU.mfn}).va());
        port_ = startup().console.domU.evtchn;
        reader_port_ = reader_of(port_);
        set_masked(port_, true);
    }
    void write(char const* text, unsigned size) {
        if (reader_port_ == 0)
            return;
        while (taken_.test_and_set(std::memory_order_acquire))
            sched_op(SCHEDOP_yield);
        for (unsigned at = 0; at < size; ++at) {
            while (unread() >= sizeof page_->out)
                notify();
            auto const end = std::atomic_ref{page_->out_prod};
            page_->out[MASK_XENCONS_IDX(end.load(std::memory_order_relaxed), page_->out)] = text[at];
            end.store(end.load(std::memory_order_relaxed) + 1, std::memory_order_release);
        }
        notify();
        taken_.clear(std::memory_order_release);
    }
    void drain() {
        while (reader_port_ != 0 && unread() != 0)
            notify();
    }

  private:
    [[nodiscard]] XENCONS_RING_IDX unread() const {
        return page_->out_prod - std::atomic_ref{page_->out_cons}.load(std::memory_order_acquire);
    }
    /// The other end of @p port in dom0; 0: none.
    static Port reader_of(Port port) {
        evtchn_status_t end{.dom = DOMID_SELF, .port = port, .status = 0, .vcpu = 0, .u = {}};
        bool const bound = event_channel_op(EVTCHNOP_status, &end) == 0 && end.status == EVTCHNSTAT_interdomain;
        return bound && end.u.interdomain.dom == 0 ? end.u.interdomain.port : 0;
    }
    /// A test may have closed the port: then the reader's end is offered again, or taken by whatever port was bound to it.
    void connect() {
        if (auto const port = bind_interdomain(reader_port_, 0); port > 0)
            port_ = static_cast<Port>(port);
        else
            for (port_ = 1; port_ + 1 < EVTCHN_2L_NR_CHANNELS && reader_of(port_) != reader_port_;)
                ++port_;
        set_masked(port_, true);
        clear_pending(port_);
    }
    void notify() {
        if (reader_of(port_) != reader_port_)
            connect();
        send(port_);
        sched_op(SCHEDOP_yield);
    }

    xencons_interface* page_ = nullptr;
    Port port_ = 0, reader_port_ = 0;
    std::atomic_flag taken_;
};
constinit Ring ring;

} // namespace

void open_console() {
    if (!is_dom0())
        ring.open();
}

void drain_console() {
    if (!is_dom0())
        ring.drain();
}

Line::~Line() {
    if (is_dom0())
        console_io(CONSOLEIO_write, size_, text_);
    else
        ring.write(text_, size_);
}

void Line::put(std::string_view text) {
    for (char const letter : text)
        if (size_ < sizeof text_)
            text_[size_++] = letter;
}

void Line::put_in_base(std::uint64_t number, unsigned base) {
    char digits[20];
    unsigned first = sizeof digits;
    do {
        digits[--first] = "0123456789abcdef"[number % base];
        number /= base;
    } while (number != 0);
    put(std::string_view{digits + first, sizeof digits - first});
}

} // namespace lib
