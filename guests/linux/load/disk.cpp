/// Reads or writes of a disk, past the kernel's cache.
#include <fcntl.h>
#include <unistd.h>

#include <random>

#include "load.hpp"

namespace load {

/// Blocks a second. Writes put back what they find: the disk stays as it was.
void disk(char const* path, bool write, bool random, std::size_t block, std::uint64_t milliseconds) {
    int const file = open(path, (write ? O_RDWR : O_RDONLY) | O_DIRECT);
    void* const buffer = std::aligned_alloc(4096, block);
    off_t const size = file < 0 ? 0 : lseek(file, 0, SEEK_END);
    auto const blocks = static_cast<std::uint64_t>(size) / block;
    if (file < 0 || buffer == nullptr || blocks == 0)
        fail(path);
    std::minstd_rand numbers{1}; // the same places in each run
    auto const at = [&](std::uint64_t i) {
        return static_cast<off_t>((random ? numbers() % blocks : i % blocks) * block);
    };
    std::uint64_t done = 0;
    Clock::duration spent{};
    while (spent < std::chrono::milliseconds{milliseconds}) {
        off_t const where = at(done);
        if (write && pread(file, buffer, block, where) != static_cast<ssize_t>(block))
            fail(path);
        auto const begin = Clock::now();
        if ((write ? pwrite(file, buffer, block, where) : pread(file, buffer, block, where)) !=
            static_cast<ssize_t>(block))
            fail(path);
        spent += Clock::now() - begin;
        ++done;
    }
    print_rate(static_cast<double>(done), spent);
}

} // namespace load
