#include "domain/domain.hpp"

#include "arch/cpu.hpp"

namespace domain {

Domain::Domain(System& whole, base::DomId number, bool privileged_one, mm::Translation translation,
               std::span<Vcpu*> vcpu_slots, std::span<events::Channel> channel_slots,
               std::span<events::Target> target_slots, base::Mfn shared_info_frame,
               ::grants::Grants::Limits grant_limits)
    : system{whole},
      id{number},
      privileged{privileged_one},
      vcpus{vcpu_slots},
      channels{channel_slots},
      targets{target_slots},
      gfns{whole.allocator, number, translation},
      shared_frame{shared_info_frame},
      shared{*arch::frame_as<shared_info_t>(shared_info_frame)},
      events{*this, number, whole.event_links, shared, channels, targets},
      grants{whole.allocator, number, grant_limits},
      host{whole, *this},
      paging{host} {}

std::uint64_t Domain::host_time(std::uint64_t guests) const {
    if (guests == timing::kNever)
        return timing::kNever;
    auto const offset = static_cast<std::int64_t>(clock_offset.load());
    auto const hosts = guests - static_cast<std::uint64_t>(offset);
    if (offset > 0 && hosts > guests)
        return 0;
    if (offset < 0 && hosts < guests)
        return timing::kNever - 1;
    return hosts;
}

} // namespace domain
