#include "hypervisor/shell.hpp"

#include <cerrno>
#include <utility>

#include "abi/tern.h"
#include "hypervisor/record.hpp"

namespace hypervisor {
namespace {

constexpr std::uint64_t kKibibytesAPage = kPageSize / 1024;
/// How many frames are asked for, or given back, at once.
constexpr std::size_t kExtents = 1024;

/// Calls @p visit with spans of at most kExtents of the numbers that are in @p layout (@p inside), or not, from @p begin to @p end.
template <typename Visit>
Result<void> for_each_piece(std::span<Run const> layout, std::uint64_t begin, std::uint64_t end, bool inside,
                            Visit&& visit) {
    std::vector<xen_pfn_t> piece;
    std::size_t run = 0;
    for (std::uint64_t gfn = begin; gfn < end; ++gfn) {
        while (run < layout.size() && layout[run].first + layout[run].count <= gfn)
            ++run;
        bool const there = run < layout.size() && layout[run].first <= gfn;
        if (there == inside)
            piece.push_back(gfn);
        if (piece.size() == kExtents || (gfn + 1 == end && !piece.empty())) {
            TRY(visit(std::span{piece}));
            piece.clear();
        }
    }
    return {};
}

std::uint64_t end_of(std::span<Run const> layout) {
    return layout.empty() ? 0 : layout.back().first + layout.back().count;
}

} // namespace

Result<Shell> Shell::make(Toolstack const& tools, ShellRequest request) {
    Shell shell{tools, std::move(request)};
    TRY(shell.create());
    TRY(shell.fill_above());
    TRY(shell.place_rings());
    shell.rings_.emplace(TRY(Frames::of(tools, shell.domain_, 2)));
    TRY(shell.empty_holes());
    return shell;
}

Shell::Shell(Shell&& other) noexcept
    : tools_{other.tools_},
      request_{std::move(other.request_)},
      domain_{std::exchange(other.domain_, 0)},
      started_{other.started_},
      rings_{std::move(other.rings_)},
      store_page_{std::move(other.store_page_)},
      console_page_{std::move(other.console_page_)} {}

Shell::~Shell() {
    if (domain_ != 0 && !started_)
        libxl_domain_destroy(tools_->light(), domain_, nullptr);
}

Result<void> Shell::create() {
    auto config = TRY(Configuration::from(*tools_, request_.configuration));
    config.set_name(request_.name);
    config.set_kernel(request_.husk);
    config.set_memory(frames_in(request_.layout) * kKibibytesAPage);
    std::uint32_t made = 0;
    if (libxl_domain_create_new(tools_->light(), &config.raw(), &made, nullptr, nullptr) != 0)
        return fail(Kind::precondition, "this host cannot make a domain for the guest",
                    "what libxl said above is why: memory, a bridge, a disk?");
    domain_ = made;
    tern_hollow hollow{};
    hollow.domain = static_cast<std::uint16_t>(domain_);
    if (int const answer = tools_->tern_call(TERN_hollow_out, hollow); answer < 0) {
        errno = -answer;
        return fail_errno("the new domain cannot be emptied", Kind::precondition, "is this host's hypervisor Tern?");
    }
    return {};
}

/// The frames that the daemons have mapped get the guest's numbers.
Result<void> Shell::place_rings() {
    auto const swap = [&](std::uint64_t one, std::uint64_t other) {
        tern_swap request{};
        request.domain = static_cast<std::uint16_t>(domain_);
        request.one = one;
        request.other = other;
        return tools_->tern_call(TERN_swap_frames, request);
    };
    SharedRing rings[] = {TRY(ring_of(*tools_, domain_, "store")), TRY(ring_of(*tools_, domain_, "console"))};
    SharedRing const wanted[] = {request_.store, request_.console};
    for (std::size_t i = 0; i < 2; ++i) {
        if (rings[i].port != wanted[i].port)
            return fail(Kind::precondition,
                        "the guest's event channels for store and console are not those that this libxl gives",
                        "was it made by xl, and are both hosts' tools of one version?");
        if (int const answer = swap(rings[i].gfn, wanted[i].gfn); answer < 0) {
            errno = -answer;
            return fail_errno("the guest's rings cannot be put where it has them");
        }
        // The second ring may have lain where the first went.
        if (i == 0 && rings[1].gfn == wanted[0].gfn)
            rings[1].gfn = rings[0].gfn;
    }
    TRY(write_node(*tools_, domain_, "store/ring-ref", std::to_string(request_.store.gfn)));
    TRY(write_node(*tools_, domain_, "console/ring-ref", std::to_string(request_.console.gfn)));
    if (xc_dom_gnttab_seed(tools_->control(), domain_, false, request_.console.gfn, request_.store.gfn, 0, 0) != 0)
        return fail_errno("the guest's rings cannot be granted");
    return {};
}

/// The builder has filled the lowest numbers, as many as the guest has frames.
Result<void> Shell::fill_above() {
    std::span<Run const> const layout{request_.layout};
    return for_each_piece(
        layout, frames_in(layout), end_of(layout), true, [&](std::span<xen_pfn_t> gfns) -> Result<void> {
            if (xc_domain_populate_physmap_exact(tools_->control(), domain_, gfns.size(), 0, 0, gfns.data()) != 0)
                return fail_errno("this host has not enough memory for the guest", Kind::precondition,
                                  "xl info shows free_memory");
            return {};
        });
}

/// After the rings have left them.
Result<void> Shell::empty_holes() {
    std::span<Run const> const layout{request_.layout};
    return for_each_piece(layout, 0, frames_in(layout), false, [&](std::span<xen_pfn_t> gfns) -> Result<void> {
        if (xc_domain_decrease_reservation_exact(tools_->control(), domain_, gfns.size(), 0, gfns.data()) != 0)
            return fail_errno("the new domain does not give up memory that the guest has not");
        return {};
    });
}

std::vector<std::byte>* Shell::ring_page(std::uint64_t gfn) {
    if (gfn == request_.store.gfn)
        return &store_page_;
    return gfn == request_.console.gfn ? &console_page_ : nullptr;
}

Result<void> Shell::give_up(std::uint64_t gfn) {
    xen_pfn_t extent = gfn;
    if (xc_domain_decrease_reservation_exact(tools_->control(), domain_, 1, 0, &extent) != 0)
        return fail_errno("page " + std::to_string(gfn) + " cannot be given up");
    return {};
}

Result<void> Shell::write_rings() {
    for (auto const gfn : {request_.store.gfn, request_.console.gfn})
        if (auto const& page = *ring_page(gfn); !page.empty())
            rings_->put(gfn, page.data());
    return rings_->write();
}

Result<void> Shell::adopt(std::span<std::byte const> record, Way way) {
    TRY(write_rings());
    return set_record(*tools_, domain_, record, way);
}

Result<void> Shell::write_nodes(std::map<std::string, std::string> const& nodes) {
    for (auto const& [path, value] : nodes)
        TRY(write_node(*tools_, domain_, path, value));
    return {};
}

Result<void> Shell::start() {
    started_ = true;
    if (xc_domain_unpause(tools_->control(), domain_) != 0)
        return fail_errno("the guest cannot go on here", Kind::attention, "xl unpause it; xl destroy ends it");
    return {};
}

Result<void> Shell::settle() { return give_identity(*tools_, domain_, request_.name, request_.configuration); }

Result<void> give_identity(Toolstack const& tools, std::uint32_t domain, std::string const& temporary,
                           std::string const& configuration) {
    auto const config = TRY(Configuration::from(tools, configuration));
    auto const name = config.name();
    if (libxl_domain_rename(tools.light(), domain, temporary.c_str(), name.c_str()) != 0)
        return fail(Kind::attention, "the guest is still called " + temporary,
                    "is another called " + name + "? xl rename");
    // libxl's own note of how the domain was made says the husk's kernel: the next start would be from that.
    if (libxl_userdata_store(tools.light(), domain, "libxl-json",
                             reinterpret_cast<std::uint8_t const*>(configuration.c_str()),
                             static_cast<int>(configuration.size() + 1)) != 0)
        return fail(Kind::attention, "libxl does not note how the guest was made", "xl list -l shows another kernel");
    return {};
}

} // namespace hypervisor
