#include "report/page.hpp"

#include <algorithm>
#include <cstdio>
#include <string_view>
#include <vector>

#include "migrate/blackout.hpp"
#include "json/text.hpp"

namespace report {
namespace {

using nlohmann::json;

constexpr double kWidth = 900, kHeight = 220, kMargin = 40;

constexpr std::string_view kHead = R"(<!doctype html>
<html lang="en"><head><meta charset="utf-8"><title>Migration</title><style>
body { font: 15px/1.5 system-ui, sans-serif; max-width: 62em; margin: 2em auto; padding: 0 1em; color: #222; background: #fff }
h1 { font-size: 1.4em } h2 { font-size: 1.1em; margin-top: 2em }
table { border-collapse: collapse } td, th { padding: .2em .9em; text-align: right; border-bottom: 1px solid #ddd }
th:first-child, td:first-child { text-align: left } .big { font-size: 2em } .pale { color: #777 }
svg { width: 100%; height: auto } svg text { font-size: 12px; fill: #555 }
.round { fill: #4878a8 } .dirty { fill: none; stroke: #c06030; stroke-width: 2 } .black { fill: #222; opacity: .75 } .axis { stroke: #999 }
.stands { fill: #222 } .runs { fill: #b8b8b8 } .stands, .runs { stroke: #fff } .beat { stroke: #c06030 }
</style></head><body>
)";

std::string escaped(std::string_view text) {
    std::string safe;
    for (char const c : text)
        switch (c) {
        case '<': safe += "&lt;"; break;
        case '>': safe += "&gt;"; break;
        case '&': safe += "&amp;"; break;
        case '"': safe += "&quot;"; break;
        default: safe += c;
        }
    return safe;
}

json const& in(json const& object, std::string_view field) {
    static json const kNothing;
    auto const found = object.find(field); // of what is no object: its end
    return found != object.end() ? *found : kNothing;
}

std::string text(json const& object, std::string_view field) {
    auto const& one = in(object, field);
    return one.is_string() ? escaped(one.get_ref<std::string const&>()) : "";
}

double number(json const& object, std::string_view field) {
    auto const& one = in(object, field);
    return one.is_number() ? one.get<double>() : 0;
}

std::string print(char const* format, double value) {
    char room[64];
    std::snprintf(room, sizeof room, format, value);
    return room;
}

/// "not measured", or so many.
std::string measured(json const& object, std::string_view field, char const* format) {
    return in(object, field).is_number() ? print(format, number(object, field)) : "not measured";
}

struct Round {
    double from, ms, sent, dirty, bytes;
};

std::vector<Round> rounds_of(json const& kept) {
    std::vector<Round> all;
    double at = 0;
    for (auto const& one : in(kept, "rounds")) {
        all.push_back({at, number(one, "ms"), number(one, "sent"), number(one, "dirty"), number(one, "bytes")});
        at += all.back().ms;
    }
    return all;
}

/// Bars: pages a round sent, over the time that it took. A line: pages that were dirty behind it. Dark: the blackout.
std::string timeline(std::vector<Round> const& rounds, double blackout_ms) {
    auto const end = rounds.back().from + rounds.back().ms, all = end + blackout_ms;
    double most = 1;
    for (auto const& one : rounds)
        most = std::max({most, one.sent, one.dirty});
    auto const x = [&](double ms) { return kMargin + ms / all * (kWidth - 2 * kMargin); };
    auto const y = [&](double pages) { return kHeight - kMargin - pages / most * (kHeight - 2 * kMargin); };
    auto const box = [&](char const* kind, double from, double until, double pages) {
        return "<rect class=\"" + std::string{kind} + "\" x=\"" + print("%.1f", x(from)) + "\" y=\"" +
               print("%.1f", y(pages)) + "\" width=\"" + print("%.1f", std::max(1.0, x(until) - x(from) - 1)) +
               "\" height=\"" + print("%.1f", y(0) - y(pages)) + "\"/>";
    };
    auto drawn = "<svg viewBox=\"0 0 " + print("%.0f", kWidth) + " " + print("%.0f", kHeight) + "\">";
    std::string line;
    for (auto const& one : rounds) {
        drawn += box("round", one.from, one.from + one.ms, one.sent);
        line += print("%.1f,", x(one.from + one.ms)) + print("%.1f ", y(one.dirty));
    }
    drawn += "<polyline class=\"dirty\" points=\"" + line + "\"/>" + box("black", end, all, most);
    drawn += "<line class=\"axis\" x1=\"40\" x2=\"860\" y1=\"180\" y2=\"180\"/>";
    drawn += "<text x=\"40\" y=\"200\">0 s</text><text x=\"860\" y=\"200\" text-anchor=\"end\">" +
             print("%.2f s", all / 1e3) + "</text><text x=\"40\" y=\"30\">" + print("%.0f pages", most) + "</text>";
    return drawn + "</svg>\n<p class=\"pale\">Bars: pages sent in a round. Line: pages written meanwhile. Dark: the "
                   "guest stands still.</p>\n";
}

std::string rounds_table(std::vector<Round> const& rounds) {
    std::string table = "<table><tr><th>round</th><th>pages sent</th><th>MiB</th><th>s</th><th>MiB/s</th>"
                        "<th>written meanwhile</th><th>MiB/s</th></tr>\n";
    int count = 0;
    for (auto const& one : rounds) {
        constexpr double kMebibyte = 1 << 20, kPage = 4096;
        auto const seconds = std::max(one.ms / 1e3, 1e-6);
        table += "<tr><td>" + std::to_string(count++) + "</td><td>" + print("%.0f", one.sent) + "</td><td>" +
                 print("%.1f", one.bytes / kMebibyte) + "</td><td>" + print("%.2f", seconds) + "</td><td>" +
                 print("%.1f", one.bytes / kMebibyte / seconds) + "</td><td>" + print("%.0f", one.dirty) + "</td><td>" +
                 print("%.1f", one.dirty * kPage / kMebibyte / seconds) + "</td></tr>\n";
    }
    return table + "</table>\n";
}

/// The parts, one after the other; above them, if somebody outside has heard the guest, its heartbeats. The first that is heard again
/// is taken to be what ends the last part: the two come by different clocks.
std::string blackout_bar(json const& parts, json const& heard) {
    double all = 0;
    for (auto const& ending : migrate::endings())
        all += number(parts, ending.part);
    if (all <= 0)
        return {};
    auto const& beats = in(heard, "beats_ms");
    auto const shift = all - number(heard, "outside_gap_ms"); // of the last beat before the gap, which is at 0
    auto const edge = all / 10, from = std::min(0.0, beats.empty() ? 0 : shift) - edge, until = all + edge;
    auto const x = [&](double ms) { return kMargin + (ms - from) / (until - from) * (kWidth - 2 * kMargin); };
    auto drawn = "<svg viewBox=\"0 0 " + print("%.0f", kWidth) + " 90\">";
    for (auto const& beat : beats)
        if (auto const at = beat.is_number() ? beat.get<double>() + shift : from - 1; at >= from && at <= until)
            drawn += "<line class=\"beat\" x1=\"" + print("%.1f", x(at)) + "\" x2=\"" + print("%.1f", x(at)) +
                     "\" y1=\"10\" y2=\"35\"/>";
    double at = 0;
    for (auto const& [_, part, words, runs] : migrate::endings()) {
        auto const ms = number(parts, part);
        if (ms <= 0)
            continue;
        drawn += "<rect class=\"" + std::string{runs ? "runs" : "stands"} + "\" x=\"" + print("%.1f", x(at)) +
                 "\" y=\"40\" width=\"" + print("%.1f", x(at + ms) - x(at)) + "\" height=\"25\"><title>" +
                 std::string{words} + print(": %.1f ms", ms) + "</title></rect>";
        at += ms;
    }
    drawn += "<text x=\"" + print("%.1f", x(0)) + "\" y=\"82\">0 ms</text><text x=\"" + print("%.1f", x(all)) +
             "\" y=\"82\" text-anchor=\"end\">" + print("%.0f ms", all) + "</text></svg>\n";
    return drawn + "<p class=\"pale\">Dark: it does not run. Pale: it runs, and is not heard." +
           (beats.empty() ? "" : " Lines: its heartbeats, as somebody outside heard them.") + "</p>\n";
}

std::string blackout_table(json const& parts) {
    std::string table = "<table><tr><th>part</th><th>ms</th></tr>\n";
    for (auto const& ending : migrate::endings())
        table += "<tr><td>" + std::string{ending.words} + "</td><td>" + measured(parts, ending.part, "%.1f") +
                 "</td></tr>\n";
    return table + "</table>\n";
}

} // namespace

std::string page(json const& known) {
    auto const& migration = in(known, "migration");
    auto const& kept = in(known, "report");
    auto const& summary = in(kept, "summary");
    auto html = std::string{kHead} + "<h1>" + text(migration, "vm") + ": " + text(migration, "source") + " &rarr; " +
                text(migration, "destination") + ", " + text(migration, "outcome") + "</h1>\n<p class=\"pale\">" +
                text(migration, "id") + "</p>\n";
    if (!text(migration, "message").empty())
        html += "<p>" + text(migration, "message") + "</p>\n";
    auto const rounds = rounds_of(kept);
    if (rounds.empty())
        return html +
               "<p>Nothing more was kept of it: a report is written by the host that the guest left, when it has "
               "arrived.</p>\n</body></html>\n";
    auto const blackout = number(summary, "blackout_ms");
    html += "<p><span class=\"big\">" + measured(summary, "blackout_ms", "%.1f ms") +
            "</span> it stood still, by the hypervisors' stamps; the clocks agree within " +
            measured(summary, "clock_error_ms", "%.2f ms") + ".<br>" +
            print("%.2f s", number(migration, "total_ms") / 1e3) + " in all, " +
            print("%.1f MiB", number(summary, "bytes") / (1 << 20)) + ", " +
            print("%.0f rounds", number(summary, "rounds")) + ".</p>\n";
    html += "<h2>Rounds</h2>\n" + timeline(rounds, blackout) + rounds_table(rounds);
    auto const& heard = in(known, "heard");
    html += "<h2>The blackout</h2>\n" + blackout_bar(in(summary, "parts"), heard) +
            blackout_table(in(summary, "parts")) + "<p>Three clocks: the hypervisors' say that it did not run for " +
            measured(summary, "blackout_ms", "%.1f ms") + ", and that its own clock stood still for " +
            measured(summary, "clock_stood_ms", "%.1f ms") + ". Somebody outside did not hear it for " +
            measured(heard, "outside_gap_ms", "%.1f ms") + "; by its own clock it was not heard for " +
            measured(heard, "guest_gap_ms", "%.1f ms") + ", so that it stood still for " +
            measured(heard, "blackout_ms", "%.1f ms") + ".</p>\n";
    return html + "</body></html>\n";
}

} // namespace report
