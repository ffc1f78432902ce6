/// What must hold of every layout (docs/abi.md §1.3), for tests and fuzzers.
#pragma once

#include <algorithm>
#include <optional>
#include <string_view>
#include <vector>

#include "build/layout.hpp"

namespace test {

/// The first rule that @p layout breaks as the answer to @p request; nothing if it is good.
inline std::optional<std::string_view> broken_rule(build::LayoutRequest const& request, build::Layout const& layout) {
    using base::Pfn;
    using build::PfnRange;

    PfnRange const all{Pfn{0}, Pfn{request.nr_pages}};
    PfnRange const mapped{Pfn{0}, layout.mapped_end};
    PfnRange const tables = layout.table_frames();
    std::vector<PfnRange> parts{layout.kernel, layout.initrd,
                                layout.p2m,    {layout.start_info, layout.start_info + 1},
                                tables,        {layout.stack, layout.stack + 1}};
    if (auto const& own = layout.p2m_tables)
        parts.push_back({own->first(), own->first() + own->frames()});
    auto const within = [](PfnRange const& inner, PfnRange const& outer) {
        return inner.empty() || (outer.first <= inner.first && inner.first < inner.end && inner.end <= outer.end);
    };

    if (!within(mapped, all))
        return "more is mapped than there is";
    for (auto const& part : parts)
        if (!within(part, all))
            return "a part is outside of the domain";
    for (std::size_t i = 0; i < parts.size(); ++i)
        for (std::size_t j = 0; j < i; ++j)
            if (!parts[i].empty() && !parts[j].empty() && parts[i].first < parts[j].end &&
                parts[j].first < parts[i].end)
                return "two parts overlap";
    if (layout.kernel != request.kernel)
        return "the kernel has moved";
    if (layout.initrd.count() != base::frames_for(request.initrd_bytes))
        return "the initrd has another size";
    if (layout.p2m.count() != base::frames_for(request.nr_pages * 8))
        return "the p2m list has another size";
    if (!within(layout.kernel, mapped) || !within(tables, mapped) || !mapped.contains(layout.start_info) ||
        !mapped.contains(layout.stack))
        return "a part is not mapped";
    if (layout.start_info + 1 != tables.first || tables.end != layout.stack)
        return "the parts are not in their order";
    if (request.initrd_outside ? layout.initrd.first < layout.mapped_end : !within(layout.initrd, mapped))
        return "the initrd is on the wrong side";
    if (request.init_p2m ? layout.p2m.first < layout.mapped_end : !within(layout.p2m, mapped))
        return "the p2m list is on the wrong side";
    if (layout.p2m_tables.has_value() != request.init_p2m.has_value())
        return "the p2m list's tables are wrong";
    if (auto const& own = layout.p2m_tables; own && own->first() != layout.p2m.end)
        return "the p2m list and its tables are apart";
    if (layout.p2m_address != request.init_p2m.value_or(layout.address_of(layout.p2m.first)))
        return "the p2m list's address is wrong";
    if (layout.address_of(layout.mapped_end).raw() % (4 << 20) != 0)
        return "the mapping's end is not aligned";
    if (layout.mapped_end - (layout.stack + 1) < 128)
        return "there is too little padding";
    if (layout.tables.start() != request.virt_base ||
        layout.tables.last().raw() != layout.address_of(layout.mapped_end).raw() - 1)
        return "the tables map something else";
    return std::nullopt;
}

} // namespace test
