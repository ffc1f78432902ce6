#include "net/keys.hpp"

#include <fstream>

#include <gtest/gtest.h>
#include <sys/stat.h>

#include "folders.hpp"

namespace net {
namespace {

using outcome::Kind;

struct Keys : testing::Test {
    tests::Folder folder;
    std::filesystem::path const& path = folder.path();

    static mode_t mode(std::filesystem::path const& file) {
        struct stat status {};
        EXPECT_EQ(stat(file.c_str(), &status), 0);
        return status.st_mode & 0777U;
    }
};

TEST_F(Keys, AreMadeOnceAndNeverReplaced) {
    auto const made = make_keys(path, "alpha");
    ASSERT_TRUE(made) << made.error().message;
    EXPECT_EQ(made.value().name, "alpha");
    EXPECT_EQ(own_certificate(path).value().fingerprint, made.value().fingerprint);
    auto const again = make_keys(path, "alpha");
    ASSERT_FALSE(again);
    EXPECT_EQ(again.error().kind, Kind::precondition);
    EXPECT_NE(again.error().message.find("is there already"), std::string::npos);
    EXPECT_EQ(own_certificate(path).value().fingerprint, made.value().fingerprint);
}

TEST_F(Keys, KeepTheSecretFromOthers) {
    auto const before = umask(0);
    ASSERT_TRUE(make_keys(path, "alpha"));
    umask(before);
    EXPECT_EQ(mode(path / "key.pem"), 0600U);
    EXPECT_EQ(mode(path / "certificate.pem"), 0644U);
}

TEST_F(Keys, OfTwoHostsDiffer) {
    tests::Folder other;
    EXPECT_NE(make_keys(path, "alpha").value().fingerprint, make_keys(other.path(), "alpha").value().fingerprint);
}

TEST_F(Keys, OfALaboratoryAreTheSameEverywhereAndTrustThemselves) {
    tests::Folder other;
    auto const made = make_keys(path, "alpha", KeyKind::laboratory);
    ASSERT_TRUE(made);
    EXPECT_EQ(made.value().pem, make_keys(other.path(), "beta", KeyKind::laboratory).value().pem);
    EXPECT_EQ(trusted_certificates(path).value().at(0).fingerprint, made.value().fingerprint);
    EXPECT_TRUE(is_laboratory(made.value()));
    EXPECT_EQ(made.value().expires, "9999-12-31");
}

TEST_F(Keys, OfAHostAreNotTheLaboratorys) { EXPECT_FALSE(is_laboratory(make_keys(path, "alpha").value())); }

TEST_F(Keys, WhoseNameIsTooLongForACertificateAreMadeWithLessOfIt) {
    EXPECT_EQ(make_keys(path, std::string(300, 'a')).value().name, std::string(64, 'a'));
}

TEST_F(Keys, AreTrustedByCopyingACertificate) {
    tests::Folder other;
    auto const theirs = make_keys(other.path(), "beta").value();
    EXPECT_TRUE(trusted_certificates(path).value().empty());
    ASSERT_TRUE(trust(path, theirs.pem));
    ASSERT_TRUE(trust(path, theirs.pem)); // twice is once
    auto const all = trusted_certificates(path).value();
    ASSERT_EQ(all.size(), 1U);
    EXPECT_EQ(all[0].fingerprint, theirs.fingerprint);
    EXPECT_EQ(all[0].name, "beta");
}

TEST_F(Keys, AreNotFoundInWhatIsNoCertificate) {
    EXPECT_FALSE(trust(path, ""));
    EXPECT_FALSE(trust(path, "-----BEGIN CERTIFICATE-----\nAAAA\n-----END CERTIFICATE-----\n"));
    ASSERT_TRUE(make_keys(path, "alpha"));
    std::ifstream key{path / "key.pem"};
    EXPECT_FALSE(trust(path, std::string{std::istreambuf_iterator<char>{key}, {}}));
    EXPECT_TRUE(trusted_certificates(path).value().empty());
}

TEST_F(Keys, AreNotReadWhenThereAreNone) {
    auto const none = Credentials::read(path);
    ASSERT_FALSE(none);
    EXPECT_EQ(none.error().kind, Kind::precondition);
    EXPECT_EQ(none.error().hint, "migrate keys init makes one");
}

TEST_F(Keys, AreNotReadWhenKeyAndCertificateDoNotBelongTogether) {
    tests::Folder other;
    ASSERT_TRUE(make_keys(path, "alpha"));
    ASSERT_TRUE(make_keys(other.path(), "alpha"));
    std::filesystem::copy_file(other.path() / "certificate.pem", path / "certificate.pem",
                               std::filesystem::copy_options::overwrite_existing);
    auto const mixed = Credentials::read(path);
    ASSERT_FALSE(mixed);
    EXPECT_NE(mixed.error().message.find("do not belong together"), std::string::npos);
}

TEST_F(Keys, AreNotReadWhenATrustedFileIsBroken) {
    ASSERT_TRUE(make_keys(path, "alpha"));
    std::ofstream{path / "trusted" / "beta.pem"} << "nothing";
    auto const broken = Credentials::read(path);
    ASSERT_FALSE(broken);
    EXPECT_NE(broken.error().message.find("beta.pem"), std::string::npos);
}

} // namespace
} // namespace net
