// What Linux pays for what programs do most: run in dom0 on Tern, on Xen and on the bare machine by `./tern bench guest`.
//
//   bench --list             the rows: name, TAB, operation
//   bench ROW MILLISECONDS   nanoseconds per operation of that row, measured for about so long
#include <cerrno>
#include <cstdio>
#include <cstdlib>
#include <cstring>
#include <string>
#include <vector>

#include "row.hpp"

namespace {

using namespace bench;

std::vector<Row> all_rows() {
    std::vector<Row> rows;
    for (auto const room : {cpu_rows(), process_rows(), memory_rows(), device_rows()})
        rows.insert(rows.end(), room.begin(), room.end());
    return rows;
}

void list() {
    for (auto const& row : all_rows())
        std::printf("%s\t%s\n", std::string{row.name}.c_str(), std::string{row.operation}.c_str());
}

/// One batch unseen, to warm up; then batches until @p time is full.
double nanoseconds_each(Row const& row, Clock::duration time) {
    auto const batch = row.prepare();
    batch();
    Sample sum;
    for (auto const end = Clock::now() + time; Clock::now() < end;) {
        auto const sample = batch();
        sum.operations += sample.operations;
        sum.time += sample.time;
    }
    require(sum.operations != 0, "measuring");
    return static_cast<double>(sum.time.count()) / static_cast<double>(sum.operations);
}

int measure(std::string_view name, char const* milliseconds) {
    auto const time = std::chrono::milliseconds{std::atoi(milliseconds)};
    for (auto const& row : all_rows()) {
        if (row.name != name)
            continue;
        std::printf("%.1f\n", nanoseconds_each(row, time));
        return 0;
    }
    std::fprintf(stderr, "bench: there is no row '%s'; bench --list names them\n", std::string{name}.c_str());
    return 2;
}

} // namespace

void bench::require(bool held, char const* what) {
    if (held)
        return;
    std::fprintf(stderr, "bench: %s: %s\n", what, std::strerror(errno));
    std::exit(1);
}

int main(int count, char** words) {
    if (count == 2 && words[1] == kNothing)
        return 0;
    if (count == 2 && words[1] == std::string_view{"--list"}) {
        list();
        return 0;
    }
    if (count == 3)
        return measure(words[1], words[2]);
    std::fputs("usage: bench --list | bench ROW MILLISECONDS\n", stderr);
    return 2;
}
