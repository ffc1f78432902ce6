/// The first guest: it can print, and finds what the ABI says a guest finds when it starts.
#include "lib/test.hpp"

TEST("the start info says what ABI this is") {
    std::string_view const magic{lib::start_info().magic};
    CHECK(magic.starts_with("xen-3.0-x86_64"));
    lib::print("# hello from a guest: ", magic, ", ", lib::start_info().nr_pages, " pages, \"", lib::command_line(),
               "\"\n");
}

TEST("a privileged domain is told that it is") {
    CHECK((lib::start_info().flags & SIF_PRIVILEGED) != 0);
    CHECK((lib::start_info().flags & SIF_INITDOMAIN) != 0);
    CHECK_EQ(lib::start_info().store_evtchn, 0);
}

TEST("the hypervisor speaks the ABI of Xen 4.17") {
    CHECK_EQ(lib::hypercall(__HYPERVISOR_xen_version, XENVER_version, nullptr), (4 << 16) | 17);
}

TEST("an unknown hypercall is refused") {
    CHECK_EQ(lib::hypercall(63), -38);
    CHECK_EQ(lib::hypercall(0xffff'ffff'ffff), -38);
}

TEST("registers survive a hypercall") {
    std::uint64_t rbx = 0x1111, r9 = 0x2222, r12 = 0x3333, r15 = 0x4444;
    lib::hypercall_keeping(rbx, r9, r12, r15);
    CHECK_EQ(rbx, 0x1111);
    CHECK_EQ(r9, 0x2222);
    CHECK_EQ(r12, 0x3333);
    CHECK_EQ(r15, 0x4444);
}
