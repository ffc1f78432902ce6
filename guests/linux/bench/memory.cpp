// What makes the kernel write page tables: under a hypervisor, each of these writes has to be seen by it.
#include <memory>
#include <sys/mman.h>
#include <unistd.h>

#include "row.hpp"

namespace {

using namespace bench;

constexpr std::size_t kPage = 4096;
constexpr std::size_t kFaultAround = 16 * kPage; ///< what Linux maps of a file at one fault

char* map(std::size_t bytes, int protection, int flags, int file = -1) {
    auto* const place = mmap(nullptr, bytes, protection, flags, file, 0);
    require(place != MAP_FAILED, "mmap");
    // A huge page would make one fault of 512.
    madvise(place, bytes, MADV_NOHUGEPAGE);
    return static_cast<char*>(place);
}

void unmap(char* place, std::size_t bytes) { require(munmap(place, bytes) == 0, "munmap"); }

char* map_anonymous(std::size_t bytes) { return map(bytes, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS); }

void write_each_page(char volatile* place, std::size_t bytes) {
    for (std::size_t at = 0; at < bytes; at += kPage)
        place[at] = 1;
}

Batch map_touch_unmap() {
    return [] {
        return timed(2, [] {
            constexpr std::size_t kBytes = 64 * kPage;
            auto* const place = map_anonymous(kBytes);
            write_each_page(place, kBytes);
            unmap(place, kBytes);
        });
    };
}

Batch anonymous_fault() {
    return [] {
        constexpr std::size_t kPages = 256;
        auto* const place = map_anonymous(kPages * kPage);
        auto const sample = timed(1, [&] { write_each_page(place, kPages * kPage); });
        unmap(place, kPages * kPage);
        return Sample{.operations = kPages, .time = sample.time};
    };
}

Batch file_fault() {
    constexpr std::size_t kFaults = 64;
    constexpr std::size_t kBytes = kFaults * kFaultAround;
    auto const file = memfd_create("bench", 0);
    require(file >= 0 && ftruncate(file, kBytes) == 0, "memfd_create");
    auto* const filled = map(kBytes, PROT_READ | PROT_WRITE, MAP_SHARED, file);
    write_each_page(filled, kBytes);
    unmap(filled, kBytes);
    return [file] {
        auto* const place = map(kBytes, PROT_READ, MAP_SHARED, file);
        auto const sample = timed(1, [&] {
            for (std::size_t at = 0; at < kBytes; at += kFaultAround)
                static_cast<void>(static_cast<char volatile*>(place)[at]);
        });
        unmap(place, kBytes);
        return Sample{.operations = kFaults, .time = sample.time};
    };
}

Batch protect() {
    constexpr std::size_t kBytes = 64 * kPage;
    auto* const place = map_anonymous(kBytes);
    write_each_page(place, kBytes);
    return [place] {
        constexpr std::uint64_t kPairs = 20;
        auto const sample = timed(kPairs, [&] {
            require(mprotect(place, kBytes, PROT_READ) == 0, "mprotect");
            require(mprotect(place, kBytes, PROT_READ | PROT_WRITE) == 0, "mprotect");
        });
        return Sample{.operations = 2 * kPairs, .time = sample.time};
    };
}

constexpr Row kRows[] = {
    {.name = "mmap-touch-munmap", .operation = "mapping, writing and unmapping 64 pages", .prepare = map_touch_unmap},
    {.name = "fault-anonymous", .operation = "the first write to a page", .prepare = anonymous_fault},
    {.name = "fault-file",
     .operation = "the first read of a file's page in memory, which maps 16",
     .prepare = file_fault},
    {.name = "mprotect", .operation = "taking or giving write access to 64 present pages", .prepare = protect},
};

} // namespace

std::span<Row const> bench::memory_rows() { return kRows; }
