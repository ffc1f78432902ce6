// The folder of keys, read; and the question for another host's certificate.

#include "net/keys.hpp"

#include <algorithm>
#include <fstream>
#include <iterator>
#include <set>
#include <system_error>

#include <openssl/pem.h>

#include "credentials.hpp"
#include "net/hello.hpp"

namespace net {
namespace {

using outcome::fail;
using outcome::Kind;
using outcome::Result;

constexpr std::uintmax_t kMostOctets = 64U << 10; // of a file with one certificate

Result<std::string> text_in(std::filesystem::path const& path) {
    std::error_code error;
    auto const size = std::filesystem::file_size(path, error);
    if (!error && size > kMostOctets)
        return fail(Kind::precondition, path.string() + " is too large for a certificate or a key");
    std::ifstream file{path, std::ios::binary};
    if (error || !file)
        return fail(Kind::precondition, path.string() + " cannot be read" + (error ? ": " + error.message() : ""));
    return std::string{std::istreambuf_iterator<char>{file}, {}};
}

Result<std::vector<std::filesystem::path>> trusted_files(std::filesystem::path const& folder) {
    std::vector<std::filesystem::path> found;
    std::error_code error;
    for (std::filesystem::directory_iterator at{folder / "trusted", error}, end; !error && at != end;
         at.increment(error))
        if (at->path().extension() == ".pem")
            found.push_back(at->path());
    if (error && error != std::errc::no_such_file_or_directory)
        return fail(Kind::precondition, (folder / "trusted").string() + " cannot be read: " + error.message());
    std::ranges::sort(found);
    return found;
}

} // namespace

Result<Certificate> own_certificate(std::filesystem::path const& folder) {
    auto const path = folder / "certificate.pem";
    std::error_code error;
    if (!std::filesystem::exists(path, error))
        return fail(Kind::precondition, "this host has no key in " + folder.string(), "migrate keys init makes one");
    return certificate_from(TRY(text_in(path)));
}

Result<Certificate> trust(std::filesystem::path const& folder, std::string const& pem) {
    auto certificate = TRY(certificate_from(pem));
    std::error_code error;
    std::filesystem::create_directories(folder / "trusted", error);
    auto const name = certificate.fingerprint.substr(certificate.fingerprint.find(':') + 1);
    auto const path = folder / "trusted" / (name + ".pem");
    if (std::filesystem::exists(path, error))
        return certificate;
    auto const part = path.string() + ".part";
    std::ofstream file{part, std::ios::binary | std::ios::trunc};
    file << "# " << certificate.name << ", until " << certificate.expires << "\n" << certificate.pem;
    file.close();
    if (file)
        std::filesystem::rename(part, path, error);
    if (!file || error)
        return fail(Kind::precondition, path.string() + " cannot be written" + (error ? ": " + error.message() : ""));
    return certificate;
}

Result<std::vector<Certificate>> trusted_certificates(std::filesystem::path const& folder) {
    std::vector<Certificate> all;
    for (auto const& path : TRY(trusted_files(folder))) {
        auto const one = certificate_from(TRY(text_in(path)));
        if (!one)
            return fail(Kind::precondition, path.string() + ": " + one.error().message, "remove the file, or mend it");
        all.push_back(one.value());
    }
    return all;
}

Result<Credentials> Credentials::read(std::filesystem::path const& folder) {
    auto state = std::make_shared<State>();
    state->own = TRY(own_certificate(folder));
    for (auto const& one : TRY(trusted_certificates(folder)))
        state->trusted.insert(digest_of(parse_certificate(one.pem).get()));
    auto const text = TRY(text_in(folder / "key.pem"));
    BioOwner const bio{BIO_new_mem_buf(text.data(), static_cast<int>(text.size()))};
    KeyOwner const key{PEM_read_bio_PrivateKey(bio.get(), nullptr, nullptr, nullptr)};
    auto const certificate = parse_certificate(state->own.pem);
    if (!key)
        return fail(Kind::precondition, "there is no key in " + (folder / "key.pem").string() + ": " + openssl_words());
    if (X509_check_private_key(certificate.get(), key.get()) != 1)
        return fail(Kind::precondition,
                    "key.pem and certificate.pem in " + folder.string() + " do not belong together");
    if (!state->prepare(certificate.get(), key.get()))
        return fail(Kind::failed, "TLS cannot be prepared: " + openssl_words());
    return Credentials{std::move(state)};
}

Certificate const& Credentials::own() const { return state_->own; }

} // namespace net
