/// A page of whatever a daemon may have kept.
#include <string>

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "report/page.hpp"
#include "json/text.hpp"

namespace {

using nlohmann::json;
using testing::HasSubstr;
using testing::Not;

json known() {
    return json_text::parse(R"({
        "migration": {"id": "5c0f", "vm": "web", "source": "alpha", "destination": "beta", "outcome": "moved", "total_ms": 15250},
        "report": {
            "summary": {"blackout_ms": 412.5, "clock_error_ms": 3.25, "bytes": 16777216, "rounds": 3, "guest_gap_ms": null,
                        "parts": {"suspend_ms": 120.25, "adopt_ms": 90}},
            "rounds": [{"round": 0, "pages": 32768, "sent": 32000, "bytes": 15728640, "ms": 10000, "dirty": 900},
                       {"round": 1, "pages": 900, "sent": 890, "bytes": 1048576, "ms": 500, "dirty": 40}]}})");
}

TEST(Page, SaysHowLongTheGuestStoodStillAndHowWellThatIsKnown) {
    auto const page = report::page(known());
    EXPECT_THAT(page, HasSubstr("<h1>web: alpha &rarr; beta, moved</h1>"));
    EXPECT_THAT(page, HasSubstr("412.5 ms</span> it stood still"));
    EXPECT_THAT(page, HasSubstr("within 3.25 ms"));
    EXPECT_THAT(page, HasSubstr("15.25 s in all, 16.0 MiB, 3 rounds"));
}

TEST(Page, HasALineForEachRoundAndEachPartOfTheBlackout) {
    auto const page = report::page(known());
    EXPECT_THAT(page, HasSubstr("<td>0</td><td>32000</td><td>15.0</td><td>10.00</td><td>1.5</td><td>900</td>"));
    EXPECT_THAT(page, HasSubstr("<td>1</td><td>890</td><td>1.0</td><td>0.50</td><td>2.0</td><td>40</td>"));
    EXPECT_THAT(page, HasSubstr("<td>the guest suspends itself, and its clock goes</td><td>120.2</td>"));
    EXPECT_THAT(page, HasSubstr("<td>and sent</td><td>not measured</td>"));
    EXPECT_THAT(page, HasSubstr("did not hear it for not measured"));
}

TEST(Page, DrawsThePartsOfTheBlackoutAndWhatWasHeardMeanwhile) {
    auto all = known();
    all["heard"] = {{"outside_gap_ms", 200},
                    {"guest_gap_ms", 80.5},
                    {"blackout_ms", 119.5},
                    {"beats_ms", {-500, -5, 0, 200, 205.5}}};
    auto const page = report::page(all);
    // 820 wide for 252.3 ms: a tenth on both sides of 210.25 ms.
    EXPECT_THAT(page, HasSubstr("<rect class=\"runs\" x=\"108.3\" y=\"40\" width=\"390.8\""));
    EXPECT_THAT(page, HasSubstr("<rect class=\"stands\" x=\"499.2\" y=\"40\" width=\"292.5\""));
    EXPECT_THAT(page, HasSubstr("did not hear it for 200.0 ms; by its own clock it was not heard for 80.5 ms"));
    auto const beats = [&] {
        int count = 0;
        for (auto at = page.find("class=\"beat\""); at != std::string::npos; at = page.find("class=\"beat\"", at + 1))
            ++count;
        return count;
    };
    EXPECT_EQ(beats(), 4) << "what came long before is not drawn";
    EXPECT_THAT(report::page(known()), Not(HasSubstr("class=\"beat\"")));
}

TEST(Page, DrawsRoundsOverTheTimeThatTheyTookAndTheBlackoutAtTheEnd) {
    auto const page = report::page(known());
    // 820 wide for 10912.5 ms: the first round has 751 of it, the blackout begins after 10500 ms.
    EXPECT_THAT(page, HasSubstr("<rect class=\"round\" x=\"40.0\" y=\"40.0\" width=\"750.4\""));
    EXPECT_THAT(page, HasSubstr("<rect class=\"black\" x=\"829.0\" y=\"40.0\" width=\"30.0\""));
}

TEST(Page, TakesNothingThatOthersWroteForMarkup) {
    auto bad = known();
    bad["migration"]["vm"] = "<script>alert(\"&\")</script>";
    EXPECT_THAT(report::page(bad), Not(HasSubstr("<script>")));
    EXPECT_THAT(report::page(bad), HasSubstr("&lt;script&gt;alert(&quot;&amp;&quot;)"));
}

TEST(Page, OfAMigrationThatFailedSaysWhy) {
    auto const page = report::page(
        {{"migration", {{"vm", "web"}, {"outcome", "failed"}, {"message", "the wire was cut"}}}, {"report", nullptr}});
    EXPECT_THAT(page, HasSubstr("the wire was cut"));
    EXPECT_THAT(page, HasSubstr("Nothing more was kept"));
    for (auto const* const odd :
         {"[]", "{}", "7", R"({"report": {"rounds": 3}, "migration": []})", R"({"report": {"rounds": [1, null]}})"})
        EXPECT_THAT(report::page(json_text::parse(odd)), HasSubstr("</html>")) << odd;
}

} // namespace
