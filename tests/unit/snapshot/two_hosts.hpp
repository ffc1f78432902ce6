/// A domain at work, its record, and an empty domain with its memory: both on one machine, as if they were on two.
#pragma once

#include <cstring>
#include <vector>

#include <gtest/gtest.h>

#include "abi/tern.h"
#include "domain/guest_memory.hpp"
#include "record/reader.hpp"
#include "unit/hypercall/domain_life.hpp"
#include "unit/hypercall/second_domain.hpp"

namespace test {

inline constexpr std::int64_t kErange = -34, kEnobufs = -105;

using Bytes = std::vector<std::byte>;

class BytesSource {
  public:
    explicit BytesSource(Bytes const& bytes) : bytes_{bytes} {}
    [[nodiscard]] std::uint64_t size() const { return bytes_.size(); }
    [[nodiscard]] base::Status read(std::uint64_t at, std::span<std::byte> into) {
        if (at > bytes_.size() || into.size() > bytes_.size() - at)
            return base::Err{base::Error::invalid};
        std::memcpy(into.data(), bytes_.data() + at, into.size());
        return {};
    }

  private:
    Bytes const& bytes_;
};

class TwoHosts : public DomainLife {
  protected:
    static constexpr std::uint64_t kBuffer = Hypervisor::kVirtBase + 0x30000;
    static constexpr std::uint64_t kBufferSize = 0xc0000;

    void SetUp() override {
        auto& vcpu = other.vcpu();
        vcpu.saved.registers = {};
        other.stop();
        auto& saved = vcpu.saved;
        saved.registers.rax = 0x1234;
        saved.registers.rdx = 0x77;
        saved.registers.rip = 0x4444;
        saved.registers.rsp = 0x5550;
        saved.registers.cs = FLAT_RING3_CS64;
        saved.registers.ss = FLAT_RING3_DS32;
        saved.registers.rflags = 0x202;
        saved.segments.fs_base = 0x7000'1234;
        saved.segments.gs_base = 0xffff'8880'0000'0000;
        for (std::size_t i = 0; i < arch::extended_state_size(); ++i)
            saved.extended_state[i] = static_cast<std::byte>(i * 7);
        std::memset(saved.extended_state + 512, 0, 64); // the header
        saved.extended_state[512] = std::byte{7};
        vcpu.xcr0 = arch::supported_xcr0();
        vcpu.event_callback = {0x6660, true};
        vcpu.syscall32_callback = {0x8888, true};
        vcpu.sysenter_callback = {0x9990, false};
        vcpu.traps[14] = {0x7770, FLAT_RING3_CS64, 0, true};
        vcpu.kernel_sp = 0x5000;
        vcpu.kernel_ss = FLAT_RING3_DS32;
        vcpu.tsc_aux = 5;
        vcpu.iopl = 1;
        other.domain->vm_assist = 1U << VMASST_TYPE_runstate_update_flag;
        other.domain->handle[3] = 0x33;
    }
    void TearDown() override {
        for (auto const id : made)
            EXPECT_EQ(domctl(XEN_DOMCTL_destroydomain, id), 0);
        DomainLife::TearDown();
    }

    std::int64_t record_op(std::uint32_t command, tern_record& request) {
        auto const answer = call(__HYPERVISOR_tern_op, command, put(request));
        request = get<tern_record>();
        return answer;
    }
    std::int64_t take_into(domid_t id, std::uint64_t buffer, std::uint64_t& size) {
        tern_record request{.domain = id, .flags = 0, .unused = 0, .size = size, .buffer = buffer};
        auto const answer = record_op(TERN_get_record, request);
        size = request.size;
        return answer;
    }
    Bytes take(domid_t id) {
        std::uint64_t size = kBufferSize;
        EXPECT_EQ(take_into(id, kBuffer, size), 0);
        return read_buffer(size);
    }
    Bytes read_buffer(std::uint64_t size) {
        Bytes bytes(size);
        EXPECT_TRUE(domain::copy_from_guest(hypervisor.vcpu(), domain::Mode::kernel, bytes, base::Vaddr{kBuffer}).ok());
        return bytes;
    }
    std::int64_t restore(domid_t id, Bytes const& bytes, std::uint16_t flags) {
        EXPECT_TRUE(domain::copy_to_guest(hypervisor.vcpu(), domain::Mode::kernel, base::Vaddr{kBuffer}, bytes).ok());
        tern_record request{.domain = id, .flags = flags, .unused = 0, .size = bytes.size(), .buffer = kBuffer};
        return record_op(TERN_set_record, request);
    }

    /// An empty domain with the limits of the other's, and its memory. @p pages of it.
    domid_t twin(std::uint64_t pages = SecondDomain::kFrames, std::uint32_t vcpus = 1, std::uint32_t ports = 4095) {
        auto op = request(vcpus);
        op.u.createdomain.grant_opts = 2;
        op.u.createdomain.max_evtchn_port = ports;
        EXPECT_EQ(domctl(XEN_DOMCTL_createdomain, op, 0), 0);
        auto const id = op.domain;
        made.push_back(id);
        auto& domain = domain_of(id);
        domain::quota(domain).set_limit(pages + 4);
        for (std::uint64_t pfn = 0; pfn < pages; ++pfn) {
            EXPECT_TRUE(domain::add_extent(domain, base::Pfn{pfn}, 0, 0).ok());
            std::memcpy(words(id, pfn), other.words(pfn), base::kPageSize);
        }
        return id;
    }
    domain::Domain& domain_of(domid_t id) { return *hypervisor.system->find(base::DomId{id}); }
    domain::Vcpu& vcpu_of(domid_t id) { return *domain_of(id).vcpus[0]; }
    /// Nothing of a record is in it.
    void expect_empty(domid_t id) {
        auto& domain = domain_of(id);
        for (domain::Vcpu const* const vcpu : domain.vcpus) {
            EXPECT_FALSE(vcpu->initialised.load());
            EXPECT_TRUE(vcpu->down.load());
            EXPECT_FALSE(vcpu->kernel_root.valid());
            EXPECT_FALSE(vcpu->info_frame.valid());
        }
        for (std::uint64_t pfn = 0; pfn < domain.gfns.limit().raw(); ++pfn)
            EXPECT_EQ(domain.gfns.get(base::Gfn{pfn}).value().info().state.word().use(), shadow_pt::Use::none) << pfn;
    }

    /// @p bytes with what says when they were taken left out.
    static Bytes timeless(Bytes bytes) {
        BytesSource source{bytes};
        auto const contents = std::make_unique<record::Contents>();
        record::Reader reader{source, *contents};
        EXPECT_TRUE(reader.open().ok());
        auto const clear = [&](std::uint64_t at, std::uint64_t size) { std::memset(bytes.data() + at, 0, size); };
        auto const& time = contents->of_domain[TERN_RECORD_S_time];
        clear(time.at, time.length);
        auto const shared = contents->of_domain[TERN_RECORD_S_shared_info].at;
        for (std::size_t i = 0; i < XEN_LEGACY_MAX_VCPUS; ++i)
            clear(shared + i * sizeof(vcpu_info_t) + offsetof(vcpu_info_t, time), sizeof(vcpu_time_info_t));
        clear(shared + offsetof(shared_info_t, wc_version), 16);
        for (std::uint32_t i = 0; i < reader.vcpus(); ++i)
            clear(contents->place(TERN_RECORD_S_timers, i).at + offsetof(tern_record_timers, runstate_since), 40);
        return bytes;
    }
    /// The first difference, or nothing.
    static void expect_same(Bytes const& one, Bytes const& other) {
        ASSERT_EQ(one.size(), other.size());
        for (std::size_t i = 0; i < one.size(); ++i)
            ASSERT_EQ(one[i], other[i]) << "at " << i;
    }

    SecondDomain other{hypervisor};
    std::vector<domid_t> made;
};

} // namespace test
