#include "build/features.hpp"

#include <gtest/gtest.h>

namespace {

using build::parse_features;

TEST(Features, ReadsWhatLinuxSays) {
    auto const set = parse_features("!writable_page_tables|pae_pgdir_above_4gb").value();
    EXPECT_EQ(set.required, 1U << XENFEAT_writable_page_tables);
    EXPECT_EQ(set.supported, 1U << XENFEAT_writable_page_tables | 1U << XENFEAT_pae_pgdir_above_4gb);
}

TEST(Features, AddsToWhatIsKnown) {
    EXPECT_EQ(parse_features("dom0", {.supported = 1, .required = 0}).value().supported, 1U | 1U << XENFEAT_dom0);
}

TEST(Features, PassesOverUnknownNamesUnlessTheyAreRequired) {
    EXPECT_EQ(parse_features("teleportation|dom0||").value().supported, 1U << XENFEAT_dom0);
    EXPECT_EQ(parse_features("dom0|!teleportation").error().error, base::Error::not_supported);
    EXPECT_FALSE(parse_features("!"));
}

TEST(Features, TernOffersWhatLinuxCannotDoWithout) {
    for (unsigned const feature :
         {XENFEAT_writable_page_tables, XENFEAT_mmu_pt_update_preserve_ad, XENFEAT_gnttab_map_avail_bits, XENFEAT_dom0})
        EXPECT_NE(build::kOfferedFeatures & 1U << feature, 0U) << feature;
    EXPECT_EQ(build::kOfferedFeatures & 1U << XENFEAT_auto_translated_physmap, 0U);
}

} // namespace
