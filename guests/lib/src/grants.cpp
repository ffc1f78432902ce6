#include "lib/grants.hpp"

#include "lib/guest.hpp"

namespace lib {
namespace {

constexpr std::int16_t kUntouched = 77; ///< no status

Window map_table() {
    xen_pfn_t frames[kGrantFrames] = {};
    gnttab_setup_table_t setup{};
    setup.dom = DOMID_SELF;
    setup.nr_frames = kGrantFrames;
    setup.status = kUntouched;
    setup.frame_list.p = frames;
    bool refused = grant_table_op(GNTTABOP_setup_table, &setup) != 0 || setup.status != GNTST_okay;
    Window const window = make_window();
    for (unsigned i = 0; i < kGrantFrames; ++i)
        refused = refused || window.set(i, entry(Frame{frames[i]}, kWritable)) != 0;
    if (refused) {
        print("# no grant table: ", setup.status, "\n");
        shut_down(Verdict::failed);
    }
    return window;
}

} // namespace

grant_entry_v1_t volatile& grant(grant_ref_t ref) {
    static Window const window = map_table();
    return reinterpret_cast<grant_entry_v1_t volatile*>(window.base)[ref];
}

gnttab_map_grant_ref_t map_grant(grant_ref_t ref, std::uint64_t where, unsigned flags, domid_t dom) {
    gnttab_map_grant_ref_t request{};
    request.host_addr = where;
    request.flags = flags;
    request.ref = ref;
    request.dom = dom;
    request.status = kUntouched;
    if (grant_table_op(GNTTABOP_map_grant_ref, &request) != 0)
        request.status = kUntouched;
    return request;
}

std::int16_t unmap_grant(std::uint64_t where, grant_handle_t handle) {
    gnttab_unmap_grant_ref_t request{};
    request.host_addr = where;
    request.handle = handle;
    request.status = kUntouched;
    return grant_table_op(GNTTABOP_unmap_grant_ref, &request) == 0 ? request.status : kUntouched;
}

} // namespace lib
