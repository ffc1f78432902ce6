/// The books of the whole hypervisor, done again from the beginning: who holds which frame, and as what, while no
/// operation is under way. What is counted as it happens must be what is found by looking.
#pragma once

#include <array>
#include <cstdint>
#include <sstream>
#include <string>
#include <vector>

#include "domain/descriptors.hpp"
#include "domain/domain.hpp"
#include "unit/hypercall/hypervisor.hpp"

namespace test {

class Audit {
  public:
    explicit Audit(Hypervisor& hypervisor)
        : machine_{hypervisor.machine}, system_{*hypervisor.system}, found_(system_.frames.size()) {}

    /// What is wrong; empty if nothing is.
    std::string operator()() {
        for (auto& slot : system_.domains)
            if (domain::Domain* const one = slot.load())
                look_at(*one);
        for (std::uint64_t frame = 0; frame < found_.size(); ++frame)
            look_at(base::Mfn{frame});
        for (std::uint64_t frame = 0; frame < found_.size(); ++frame)
            compare(base::Mfn{frame});
        compare_totals();
        compare_roots();
        if (!arch::lock_witness().empty())
            complaint() << "a lock is held";
        return complaints_.str();
    }

  private:
    /// Who was found to use a frame.
    struct Holders {
        std::uint64_t references = 0, writers = 0, descriptors = 0, tables = 0;
    };

    Holders& at(base::Mfn frame) { return found_.at(frame.raw()); }
    mm::FrameInfo& info(base::Mfn frame) { return system_.frames.info(frame); }

    void hold(base::Mfn frame, bool write = false) {
        ++at(frame).references;
        at(frame).writers += write ? 1 : 0;
    }
    void look_at(domain::Domain& domain) {
        if (domain.ends_frame.valid())
            hold(domain.ends_frame, true);
        for (domain::Vcpu* const vcpu : domain.vcpus) {
            for (auto const& root : {vcpu->kernel_root.tables, vcpu->user_root.tables, vcpu->leaving_root})
                if (root.valid())
                    ++at(root.table).tables;
            if (vcpu->info_frame.valid())
                hold(vcpu->info_frame, true);
            domain::for_each_descriptor_page(*vcpu, [&](domain::DescriptorPage const& page) {
                hold(page.guest);
                ++at(page.guest).descriptors;
            });
        }
        domain.grants.with([&](grants::Grants& both) {
            both.table.for_each_use([&](base::Mfn frame, bool written) { hold(frame, written); });
        });
    }

    void look_at(base::Mfn frame) {
        auto& its = info(frame);
        if (its.references.load() == 0)
            return;
        auto const word = its.state.word();
        if (its.has(mm::frame_counted))
            ++owned_.at(its.owner_id().raw());
        ++in_use_;
        bool const hypervisors = its.owner_id() == mm::kHypervisor || its.special();
        if (hypervisors)
            hold(frame);
        if (its.has(mm::frame_in_gfn_map))
            hold(frame);
        if (word.use() == shadow_pt::Use::shadow)
            look_at_shadow(frame);
        if (!shadow_pt::is_table(word.use()))
            return;
        hold(frame);
        at(frame).tables += word.pinned() ? 1 : 0;
        system_.find(its.owner_id())->paging.check_invariants(frame);
        if (word.bare())
            look_at_words(*system_.find(its.owner_id()), frame, shadow_pt::table_level(word.use()), word.cursor());
    }

    /// A table without a shadow holds what its words name.
    void look_at_words(domain::Domain& owner, base::Mfn frame, unsigned level, unsigned held) {
        for (unsigned index = 0; index < held; ++index) {
            shadow_pt::GuestEntry const word{arch::frame_as<std::uint64_t>(frame)[index]};
            auto const target = word.present() && !shadow_pt::hypervisor_slot(level, index)
                                    ? owner.host.named(word.frame())
                                    : std::nullopt;
            if (!target || target->kind == shadow_pt::TargetKind::device)
                continue;
            if (level > 1)
                ++at(target->frame).tables;
            else
                hold(target->frame, word.writable() && target->kind == shadow_pt::TargetKind::own);
        }
    }

    void look_at_shadow(base::Mfn frame) {
        shadow_pt::ShadowPage const page{info(frame).state};
        for (unsigned index = 0; index < base::kTableEntries; ++index) {
            shadow_pt::ShadowEntry const entry{arch::frame_as<std::uint64_t>(frame)[index]};
            if (entry.empty())
                continue;
            if (page.level() > 1)
                ++at(entry.is_absent() ? entry.frame() : info(entry.frame()).state.link()).tables;
            else if (entry.kind() != shadow_pt::TargetKind::device)
                hold(entry.frame(), entry.guest_write() && entry.is_ram());
        }
    }

    void compare(base::Mfn frame) {
        auto& its = info(frame);
        auto const& want = at(frame);
        auto const word = its.state.word();
        bool const nobodys = its.references.load() == 0;
        if (its.references.load() != want.references)
            complaint() << frame.raw() << " of " << its.owner_id().raw() << " (use "
                        << static_cast<unsigned>(word.use()) << ") counts " << its.references.load()
                        << " references; there are " << want.references;
        if (word.use() == shadow_pt::Use::shadow)
            return;
        expect_users(frame, shadow_pt::Use::writable, want.writers);
        expect_users(frame, shadow_pt::Use::descriptor, want.descriptors);
        std::uint64_t const tables = shadow_pt::is_table(word.use()) ? word.count() : 0;
        if (tables != want.tables)
            complaint() << frame.raw() << " counts " << tables << " uses as a table; there are " << want.tables;
        bool const in_no_m2p = nobodys || its.owner_id() == mm::kHypervisor;
        if (in_no_m2p && arch::machine_to_phys()[frame.raw()] != ~std::uint64_t{0})
            complaint() << frame.raw() << " is in the machine-to-phys table, and nobody's";
    }
    void expect_users(base::Mfn frame, shadow_pt::Use use, std::uint64_t wanted) {
        auto const word = info(frame).state.word();
        if (wanted != (word.use() == use ? word.count() : 0))
            complaint() << frame.raw() << ": use " << static_cast<unsigned>(word.use()) << " counts " << word.count()
                        << "; of use " << static_cast<unsigned>(use) << " there are " << wanted;
    }

    void compare_totals() {
        auto const memory = system_.allocator.statistics();
        if (memory.total != memory.free + memory.quarantined + in_use_)
            complaint() << memory.total << " frames, but " << memory.free << " free, " << memory.quarantined
                        << " in quarantine, " << in_use_ << " in use";
        for (std::size_t id = 0; id < owned_.size(); ++id)
            if (owned_[id] != system_.quotas[id].total())
                complaint() << "domain " << id << " has " << owned_[id] << " frames, and is charged for "
                            << system_.quotas[id].total();
    }

    /// What the CPUs' root pages say is what their templates say.
    void compare_roots() {
        for (std::uint32_t cpu = 0; cpu < machine_.cpus(); ++cpu)
            for (auto const& page : machine_.cpu(base::CpuId{cpu}).roots)
                for (unsigned slot = 0; page.shadow.valid() && slot < base::kTableEntries; ++slot) {
                    if (shadow_pt::hypervisor_slot(4, slot))
                        continue;
                    shadow_pt::ShadowEntry const entry{arch::frame_as<std::uint64_t>(page.shadow)[slot]};
                    if ((entry.present() ? entry.raw() : 0) != ((page.entries[slot] & 1) != 0 ? page.entries[slot] : 0))
                        complaint() << "CPU " << cpu << " runs on another slot " << slot << " than its root has";
                }
    }

    std::ostream& complaint() {
        if (complaints_.tellp() != 0)
            complaints_ << "\n";
        return complaints_;
    }

    arch_fake::Machine& machine_;
    domain::System& system_;
    std::vector<Holders> found_;
    std::array<std::uint64_t, 8> owned_{}; ///< by domain
    std::uint64_t in_use_ = 0;
    std::ostringstream complaints_;
};

} // namespace test
