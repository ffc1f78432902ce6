/// tern-record: moves a small guest into another domain of the same host, by its record and its memory, without telling it; shows that
/// the record is the same when it is read again, and that the guest goes on. In domain 0 of Tern.
#include <cerrno>
#include <chrono>
#include <cstdint>
#include <cstdio>
#include <cstdlib>
#include <cstring>
#include <string>
#include <thread>
#include <vector>

extern "C" {
#include <xenctrl.h>

#include <xencall.h>
#include <xenevtchn.h>
#include <xenforeignmemory.h>
#include <xenguest.h>

#include <xen/io/console.h>
}
#include <sys/mman.h>

#include "abi/tern.h"
#include "abi/tern_record.h"

namespace {

constexpr char const* kUsage = R"(usage: tern-record KERNEL [--counted]

Makes a domain of KERNEL, which says once a second that it lives, as guests/ticker does. When it has said so twice, moves it into another
domain, and waits until it has said so twice more. Its clock stands meanwhile, or with --counted has gone on. Prints, in JSON, the
seconds that the guest has counted, by how many microseconds it found itself late after the move, for how long it stood, and whether
its record, read again, was the same (if its clock stood: otherwise timers have gone off).
)";

constexpr unsigned kMebibytes = 4;
/// For how long it stands at least: so long that its clock shows whether that was counted.
constexpr std::chrono::seconds kStands{3};

[[noreturn]] void fail(char const* what) {
    std::fprintf(stderr, "tern-record: %s: %s\n", what, std::strerror(errno));
    std::exit(1);
}
void must(bool good, char const* what) {
    if (!good)
        fail(what);
}

using Clock = std::chrono::steady_clock;
using Bytes = std::vector<unsigned char>;

/// Memory that a hypercall may use.
class Buffer {
  public:
    Buffer(xencall_handle* calls, std::size_t size) : calls_{calls}, at_{xencall_alloc_buffer(calls, size)} {
        must(at_ != nullptr, "no memory for a hypercall");
        std::memset(at_, 0, size);
    }
    Buffer(Buffer const&) = delete;
    Buffer& operator=(Buffer const&) = delete;
    ~Buffer() { xencall_free_buffer(calls_, at_); }
    [[nodiscard]] void* at() const { return at_; }
    [[nodiscard]] std::uint64_t address() const { return reinterpret_cast<std::uint64_t>(at_); }

  private:
    xencall_handle* calls_;
    void* at_;
};

struct Guest {
    std::uint32_t id = 0;
    evtchn_port_t port = 0; ///< of its console
    int reader = 0;         ///< ours
};

/// A second that the guest has counted, and by how much its latest tick was late.
struct Second {
    unsigned long number = 0;
    unsigned long late = 0;
};

class Host {
  public:
    Host()
        : xen_{xc_interface_open(nullptr, nullptr, 0)},
          calls_{xencall_open(nullptr, 0)},
          events_{xenevtchn_open(nullptr, 0)},
          memory_{xenforeignmemory_open(nullptr, 0)} {
        must(xen_ != nullptr && calls_ != nullptr && events_ != nullptr && memory_ != nullptr,
             "there is no hypervisor to ask: this is no domain 0, or not as root");
    }

    Guest make_empty() {
        Guest guest;
        xen_domctl_createdomain config{};
        config.max_vcpus = 1;
        config.max_evtchn_port = 1023;
        config.max_grant_frames = 4;
        config.max_maptrack_frames = 4;
        config.grant_opts = 1; // version 1
        must(xc_domain_create(xen_, &guest.id, &config) == 0, "a domain is not made");
        must(xc_domain_max_vcpus(xen_, guest.id, 1) == 0, "it gets no vCPU");
        must(xc_domain_setmaxmem(xen_, guest.id, (kMebibytes + 1) << 10) == 0, "it gets no memory");
        return guest;
    }
    /// A guest that runs, and whose console we read.
    Guest make(char const* kernel) {
        Guest guest = make_empty();
        auto const port = xc_evtchn_alloc_unbound(xen_, guest.id, 0);
        must(port > 0, "it gets no console");
        guest.port = static_cast<evtchn_port_t>(port);
        bind_console(guest);
        xc_dom_image* const image = xc_dom_allocate(xen_, "hz=1", nullptr);
        must(image != nullptr, "no memory for its image");
        image->flags = 0;
        image->max_vcpus = 1;
        image->console_evtchn = guest.port;
        must(xc_dom_kernel_file(image, kernel) == 0 && xc_dom_boot_xen_init(image, xen_, guest.id) == 0 &&
                 xc_dom_parse_image(image) == 0 && xc_dom_mem_init(image, kMebibytes) == 0 &&
                 xc_dom_boot_mem_init(image) == 0 && xc_dom_build_image(image) == 0 && xc_dom_boot_image(image) == 0,
             "it is not built");
        console_ = image->console_pfn;
        xc_dom_release(image);
        return guest;
    }
    void bind_console(Guest& guest) {
        guest.reader = xenevtchn_bind_interdomain(events_, guest.id, guest.port);
        must(guest.reader > 0, "its console cannot be read");
    }
    void release_console(Guest const& guest) {
        must(xenevtchn_unbind(events_, static_cast<evtchn_port_t>(guest.reader)) == 0, "its console cannot be let go");
    }

    std::vector<xen_pfn_t> numbers(Guest const& guest) {
        xc_domaininfo_t info{};
        must(xc_domain_getinfolist(xen_, guest.id, 1, &info) == 1 && info.domain == guest.id, "it is gone");
        std::vector<xen_pfn_t> all(info.tot_pages);
        for (std::size_t i = 0; i < all.size(); ++i)
            all[i] = i;
        return all;
    }
    void fill(Guest const& guest, std::vector<xen_pfn_t> all) {
        must(xc_domain_populate_physmap_exact(xen_, guest.id, all.size(), 0, 0, all.data()) == 0, "it gets no memory");
    }
    void copy_memory(Guest const& from, Guest const& to, std::vector<xen_pfn_t> const& all) {
        auto* const source = map(from, all, PROT_READ);
        auto* const target = map(to, all, PROT_READ | PROT_WRITE);
        std::memcpy(target, source, all.size() * XC_PAGE_SIZE);
        xenforeignmemory_unmap(memory_, source, all.size());
        xenforeignmemory_unmap(memory_, target, all.size());
    }

    void let_run(Guest const& guest) { must(xc_domain_unpause(xen_, guest.id) == 0, "it does not start"); }
    void pause(Guest const& guest) { must(xc_domain_pause(xen_, guest.id) == 0, "it does not stop"); }
    void destroy(Guest const& guest) { must(xc_domain_destroy(xen_, guest.id) == 0, "it is not destroyed"); }

    Bytes take(Guest const& guest) {
        std::uint64_t const length = record_op(TERN_get_record, guest, 0, 0, 0);
        Buffer const buffer{calls_, length};
        must(record_op(TERN_get_record, guest, 0, length, buffer.address()) == length, "its record has another length");
        auto const* const first = static_cast<unsigned char const*>(buffer.at());
        return Bytes(first, first + length);
    }
    void restore(Guest const& guest, Bytes const& bytes, std::uint16_t flags) {
        Buffer const buffer{calls_, bytes.size()};
        std::memcpy(buffer.at(), bytes.data(), bytes.size());
        record_op(TERN_set_record, guest, flags, bytes.size(), buffer.address());
    }

    /// Reads what the guest says until it has counted a second more.
    Second next_second(Guest const& guest) {
        auto* const page = static_cast<xencons_interface*>(map(guest, {console_}, PROT_READ | PROT_WRITE));
        Second second;
        while (second.number == 0) {
            auto const end = __atomic_load_n(&page->out_prod, __ATOMIC_ACQUIRE);
            auto at = page->out_cons;
            for (; at != end; ++at)
                said_ += page->out[MASK_XENCONS_IDX(at, page->out)];
            __atomic_store_n(&page->out_cons, at, __ATOMIC_RELEASE);
            auto const newline = said_.find('\n');
            if (newline == std::string::npos) {
                check_alive(guest);
                continue;
            }
            std::string const line = said_.substr(0, newline);
            said_.erase(0, newline + 1);
            if (auto const words = line.find("# second "); words != std::string::npos)
                if (std::sscanf(line.c_str() + words, "# second %lu: %*u ticks, the latest %lu", &second.number,
                                &second.late) != 2)
                    second = {};
        }
        xenforeignmemory_unmap(memory_, page, 1);
        return second;
    }

  private:
    void check_alive(Guest const& guest) {
        xc_domaininfo_t info{};
        must(xc_domain_getinfolist(xen_, guest.id, 1, &info) == 1 && info.domain == guest.id &&
                 (info.flags & XEN_DOMINF_shutdown) == 0,
             "it has ended");
    }
    void* map(Guest const& guest, std::vector<xen_pfn_t> const& all, int rights) {
        std::vector<int> errors(all.size());
        void* const at = xenforeignmemory_map(memory_, guest.id, rights, all.size(), all.data(), errors.data());
        must(at != nullptr, "its memory is not mapped");
        for (int const error : errors)
            must(error == 0, "a page of its memory is not mapped");
        return at;
    }
    /// Answers the size that the hypervisor told.
    std::uint64_t record_op(unsigned command, Guest const& guest, std::uint16_t flags, std::uint64_t size,
                            std::uint64_t buffer) {
        Buffer const request{calls_, sizeof(tern_record)};
        auto& words = *static_cast<tern_record*>(request.at());
        words.domain = static_cast<std::uint16_t>(guest.id);
        words.flags = flags;
        words.size = size;
        words.buffer = buffer;
        must(xencall2(calls_, __HYPERVISOR_tern_op, command, request.address()) == 0,
             command == TERN_get_record ? "its record is not told" : "its record is not taken");
        return words.size;
    }

    xc_interface* xen_;
    xencall_handle* calls_;
    xenevtchn_handle* events_;
    xenforeignmemory_handle* memory_;
    xen_pfn_t console_ = 0;
    std::string said_;
};

/// What says when a record was taken becomes zeroes.
void forget_times(Bytes& record) {
    auto const clear = [&](std::size_t at, std::size_t size) { std::memset(&record[at], 0, size); };
    for (std::size_t at = sizeof(tern_record_header); at < record.size();) {
        tern_record_section section;
        std::memcpy(&section, &record[at], sizeof section);
        at += sizeof section;
        if (section.type == TERN_RECORD_S_time)
            clear(at, section.length);
        if (section.type == TERN_RECORD_S_timers)
            clear(at + offsetof(tern_record_timers, runstate_since), 40);
        if (section.type == TERN_RECORD_S_shared_info) {
            for (std::size_t vcpu = 0; vcpu < XEN_LEGACY_MAX_VCPUS; ++vcpu)
                clear(at + vcpu * sizeof(vcpu_info_t) + offsetof(vcpu_info_t, time), sizeof(vcpu_time_info_t));
            clear(at + offsetof(shared_info_t, wc_version), 16);
        }
        at += (section.length + 7) / 8 * 8;
    }
}

bool same(Bytes one, Bytes other) {
    forget_times(one);
    forget_times(other);
    for (std::size_t at = 0; at < one.size() && at < other.size(); ++at)
        if (one[at] != other[at]) {
            std::fprintf(stderr, "tern-record: the records differ at %zu: %#x, %#x\n", at, one[at], other[at]);
            return false;
        }
    return one.size() == other.size();
}

} // namespace

int main(int count, char** words) {
    bool const counted = count == 3 && std::strcmp(words[2], "--counted") == 0;
    if (count != 2 && !counted) {
        std::fputs(kUsage, stderr);
        return 2;
    }
    Host host;
    Guest const first = host.make(words[1]);
    host.let_run(first);
    host.next_second(first);
    Second const before = host.next_second(first);

    // All that takes long is done before it stops.
    Guest second = host.make_empty();
    second.port = first.port;
    auto const all = host.numbers(first);
    host.fill(second, all);

    host.pause(first);
    auto const stops = Clock::now();
    Bytes const record = host.take(first);
    host.copy_memory(first, second, all);
    std::this_thread::sleep_until(stops + kStands);
    host.restore(second, record, counted ? 0 : TERN_RECORD_clock_stood);
    host.release_console(first);
    host.bind_console(second); // by the same port of ours: the lowest that is free
    Bytes const again = host.take(second);
    host.destroy(first);
    host.let_run(second);
    auto const stood = std::chrono::duration_cast<std::chrono::microseconds>(Clock::now() - stops).count();

    Second const after = host.next_second(second), last = host.next_second(second);
    host.destroy(second);
    std::printf(R"({"seconds": [%lu, %lu, %lu], "late_us": [%lu, %lu], "stood_us": %lld, "same": %s, "length": %zu})"
                "\n",
                before.number, after.number, last.number, after.late, last.late, static_cast<long long>(stood),
                counted || same(record, again) ? "true" : "false", record.size());
    return 0;
}
