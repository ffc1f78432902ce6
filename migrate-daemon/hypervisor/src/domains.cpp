#include "hypervisor/domains.hpp"

#include <algorithm>
#include <array>
#include <charconv>
#include <cstring>

#include "malloced.hpp"

namespace hypervisor {
namespace {

template <typename Number> bool parse(std::string_view text, Number& number) {
    auto const [end, error] = std::from_chars(text.data(), text.data() + text.size(), number);
    return !text.empty() && error == std::errc{} && end == text.data() + text.size();
}

std::string uuid_text(libxl_uuid const& uuid) {
    std::array<char, LIBXL_UUID_FMTLEN + 1> text{};
    std::snprintf(text.data(), text.size(), LIBXL_UUID_FMT, LIBXL_UUID_BYTES(uuid));
    return text.data();
}

Result<DomainName> named(Toolstack const& tools, std::uint32_t id) {
    libxl_dominfo info;
    libxl_dominfo_init(&info);
    int const error = libxl_domain_info(tools.light(), &info, id);
    std::string const uuid = error == 0 ? uuid_text(info.uuid) : "";
    libxl_dominfo_dispose(&info);
    if (error != 0)
        return fail(Kind::precondition, "there is no domain " + std::to_string(id), "xl list shows which there are");
    Malloced<char> const name{libxl_domid_to_name(tools.light(), id)};
    return DomainName{id, name ? name.get() : "", uuid};
}

bool same_uuid(std::string_view text, std::string_view uuid) {
    return std::ranges::equal(
        text, uuid, [](char one, char other) { return (one >= 'A' && one <= 'F' ? one | 0x20 : one) == other; });
}

/// ~0: none.
std::uint32_t id_with(Toolstack const& tools, std::string_view uuid) {
    int count = 0;
    libxl_dominfo* const all = libxl_list_domain(tools.light(), &count);
    std::uint32_t found = ~0U;
    for (int i = 0; i < count; ++i)
        if (same_uuid(uuid, uuid_text(all[i].uuid)))
            found = all[i].domid;
    libxl_dominfo_list_free(all, count);
    return found;
}

} // namespace

Result<DomainName> find_domain(Toolstack const& tools, std::string_view text) {
    std::uint32_t id = ~0U;
    constexpr std::size_t kUuidLength = 36;
    if (!parse(text, id) && !(text.size() == kUuidLength && (id = id_with(tools, text)) != ~0U) &&
        libxl_name_to_domid(tools.light(), std::string{text}.c_str(), &id) != 0)
        return fail(Kind::precondition, "there is no domain '" + std::string{text} + "'",
                    "xl list shows which there are");
    if (id == 0)
        return fail(Kind::precondition, "domain 0 stays where it is", "it is the host's own; name one of its guests");
    return named(tools, id);
}

Result<DomainState> state_of(Toolstack const& tools, std::uint32_t domain) {
    xc_dominfo_t info{};
    if (xc_domain_getinfo(tools.control(), domain, 1, &info) != 1 || info.domid != domain)
        return fail(Kind::failed, "domain " + std::to_string(domain) + " is gone");
    return DomainState{.paused = info.paused != 0,
                       .dying = info.dying != 0,
                       .shut_down = info.shutdown != 0,
                       .shutdown_reason = info.shutdown_reason,
                       .pages = info.nr_pages,
                       .vcpus = info.max_vcpu_id + 1};
}

bool is_over(Toolstack const& tools, std::uint32_t domain) {
    auto const state = state_of(tools, domain);
    return !state || state.value().dying || state.value().shut_down;
}

std::string node(std::uint32_t domain, std::string_view path) {
    return "/local/domain/" + std::to_string(domain) + "/" + std::string{path};
}

std::string read_node(Toolstack const& tools, std::uint32_t domain, std::string_view path) {
    unsigned length = 0;
    Malloced<void> const value{xs_read(tools.store(), XBT_NULL, node(domain, path).c_str(), &length)};
    return value ? std::string{static_cast<char const*>(value.get()), length} : std::string{};
}

std::vector<std::string> child_nodes(Toolstack const& tools, std::uint32_t domain, std::string_view path) {
    unsigned count = 0;
    Malloced<char*> const names{xs_directory(tools.store(), XBT_NULL, node(domain, path).c_str(), &count)};
    return names ? std::vector<std::string>(names.get(), names.get() + count) : std::vector<std::string>{};
}

Result<void> write_node(Toolstack const& tools, std::uint32_t domain, std::string_view path, std::string_view value) {
    auto const where = node(domain, path);
    if (!xs_write(tools.store(), XBT_NULL, where.c_str(), value.data(), static_cast<unsigned>(value.size())))
        return fail_errno("the store does not take " + where);
    return {};
}

Result<SharedRing> ring_of(Toolstack const& tools, std::uint32_t domain, std::string_view which) {
    SharedRing ring;
    auto const folder = std::string{which};
    if (!parse(read_node(tools, domain, folder + "/ring-ref"), ring.gfn) ||
        !parse(read_node(tools, domain, folder + "/port"), ring.port))
        return fail(Kind::precondition, "domain " + std::to_string(domain) + " has no " + folder + " ring",
                    "was it made by xl, and is it not being destroyed?");
    return ring;
}

} // namespace hypervisor
