#include "explain.hpp"

#include <asio/error.hpp>
#include <asio/ssl/error.hpp>
#include <openssl/err.h>
#include <openssl/ssl.h>
#include <openssl/x509_vfy.h>

namespace net {
namespace {

using outcome::Failure;
using outcome::Kind;

/// What their certificate was to us.
Failure of_theirs(long verify, std::string const& whom) {
    switch (verify) {
    case X509_V_ERR_CERT_HAS_EXPIRED:
        return {Kind::connect, "the certificate of " + whom + " has expired",
                "migrate keys init makes a new one there, when the old one is gone"};
    case X509_V_ERR_CERT_NOT_YET_VALID:
        return {Kind::connect, "the certificate of " + whom + " is not valid yet",
                "does the clock of one of the hosts stand wrong?"};
    default:
        return {Kind::connect, "this host does not trust the certificate that " + whom + " shows",
                "migrate keys trust " + whom};
    }
}

/// What ours was to them: the alert that they sent.
Failure of_ours(int reason, asio::error_code error, std::string const& whom) {
    switch (reason) {
    case SSL_R_TLSV1_ALERT_UNKNOWN_CA:
        return {Kind::connect, whom + " does not trust this host's certificate", "migrate keys trust, there"};
    case SSL_R_SSLV3_ALERT_CERTIFICATE_EXPIRED:
        return {Kind::connect, "this host's certificate has expired, says " + whom,
                "migrate keys init makes a new one, when the old one is gone"};
    case SSL_R_TLSV13_ALERT_CERTIFICATE_REQUIRED:
    case SSL_R_PEER_DID_NOT_RETURN_A_CERTIFICATE:
        return {Kind::connect, "one of this host and " + whom + " showed no certificate", "migrate keys init"};
    case SSL_R_SSLV3_ALERT_BAD_CERTIFICATE:
        return {Kind::connect, whom + " refuses this host's certificate",
                "does the clock of one of the hosts stand wrong?"};
    default: return {Kind::connect, "no TLS with " + whom + ": " + error.message(), ""};
    }
}

} // namespace

Failure explain_opening(asio::error_code error, std::string const& whom, long verify) {
    if (verify != X509_V_OK)
        return of_theirs(verify, whom);
    if (error.category() == asio::error::get_ssl_category())
        return of_ours(ERR_GET_REASON(static_cast<unsigned long>(error.value())), error, whom);
    if (error == asio::error::connection_refused)
        return {Kind::connect, whom + " refuses connections", "does migrated run there, and on that port?"};
    if (error == asio::error::host_not_found || error == asio::error::host_not_found_try_again ||
        error == asio::error::no_data)
        return {Kind::connect, "there is no host " + whom, ""};
    if (error == asio::error::eof || error == asio::error::connection_reset ||
        error == asio::ssl::error::stream_truncated)
        return {Kind::connect, whom + " closed the connection before it had begun", "its log says why"};
    return {Kind::connect, whom + " cannot be reached: " + error.message(), ""};
}

Failure explain_loss(asio::error_code error, std::string const& whom) {
    if (error == asio::error::eof || error == asio::ssl::error::stream_truncated)
        return {Kind::failed, whom + " has closed the connection", ""};
    if (error == asio::error::connection_reset || error == asio::error::broken_pipe)
        return {Kind::failed, whom + " has dropped the connection", ""};
    if (error == asio::error::timed_out)
        return {Kind::failed, "the connection to " + whom + " is dead: nothing came back for 20 s", ""};
    if (error.category() == asio::error::get_ssl_category())
        return {Kind::failed, "what came from " + whom + " was altered on its way: " + error.message(), ""};
    return {Kind::failed, "the connection to " + whom + " is lost: " + error.message(), ""};
}

} // namespace net
