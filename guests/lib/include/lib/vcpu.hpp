/// What a vCPU has of its own, and how other vCPUs are started and given work.
#pragma once

#include <cstddef>
#include <cstdint>

#include "abi/xen.hpp"

namespace lib {

struct Trap;
struct Landing;
using Handler = bool (*)(Trap& trap);

inline constexpr unsigned kMostVcpus = 4;
inline constexpr std::size_t kAreaSize = 0x8000;

/// A vCPU's own memory. Its stacks lie in it, so that the stack pointer tells which vCPU this is.
struct alignas(kAreaSize) VcpuArea {
    unsigned id;
    vcpu_info_t* info;
    Handler handler;
    Landing* landing;                 ///< where the next trap ends, if one is expected (lib/trap.hpp)
    void (*volatile job)(void* what); ///< what it is to do (run_on), null once that is done
    void* volatile job_argument;

    alignas(4096) std::byte user_stack[0x1000];
    alignas(4096) std::byte trap_stack[0x2000]; ///< kernel_sp: where exceptions of user mode come in
    alignas(4096) std::byte stack[0x4000];

    [[nodiscard]] std::uint64_t user_stack_top() { return end_of(user_stack, sizeof user_stack); }
    [[nodiscard]] std::uint64_t trap_stack_top() { return end_of(trap_stack, sizeof trap_stack); }
    [[nodiscard]] std::uint64_t stack_top() { return end_of(stack, sizeof stack); }

  private:
    static std::uint64_t end_of(std::byte* start, std::size_t size) {
        return reinterpret_cast<std::uint64_t>(start) + size;
    }
};
static_assert(sizeof(VcpuArea) == kAreaSize);

VcpuArea& vcpu_area(unsigned id);
VcpuArea& this_vcpu();

/// How many vCPUs the domain has, up or not; at most kMostVcpus.
unsigned vcpus();

/// A context for VCPUOP_initialise: kernel mode, on its own stack, the caller's page tables and traps, events masked;
/// begins with entry(argument), which must not return.
vcpu_guest_context_t& make_context(unsigned id, void (*entry)(void*), void* argument);

/// Gives @p work to a vCPU other than this one, starting it the first time; returns at once. Until wait_for(id), the
/// vCPU is busy and what @p work refers to must live.
void start_on(unsigned id, void (*work)(void*), void* argument);
void wait_for(unsigned id);

template <typename Work> void start_on(unsigned id, Work& work) {
    start_on(
        id, [](void* what) { (*static_cast<Work*>(what))(); }, &work);
}
template <typename Work> void run_on(unsigned id, Work work) {
    start_on(id, work);
    wait_for(id);
}

/// Whether the command line says "shares-cpu": the machine has one CPU for this domain's vCPUs, so that they take turns.
bool shares_cpu();

/// While it lives, vCPU 1 wants to run all the time.
class OtherVcpuBusy {
  public:
    OtherVcpuBusy();
    ~OtherVcpuBusy();
    OtherVcpuBusy(OtherVcpuBusy const&) = delete;
    OtherVcpuBusy& operator=(OtherVcpuBusy const&) = delete;

  private:
    bool volatile wanted_ = true;
};

} // namespace lib
