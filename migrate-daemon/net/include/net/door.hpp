/// Where other hosts knock: reads the first octets of each connection, answers them, and gives away those that are welcome. No connection
/// is trusted here, and none is decrypted.
#pragma once

#include <cstdint>
#include <memory>
#include <optional>
#include <string>

#include <asio/io_context.hpp>

#include "net/hello.hpp"
#include "outcome/failure.hpp"

namespace net {

class Door {
  public:
    /// Whose door it is. Called by the io_context's thread.
    struct Owner {
        virtual ~Owner() = default;
        /// @p hello: none if it was none. @p from: the caller's address.
        virtual Answer decide(std::optional<Hello> const& hello, std::string const& from) = 0;
        /// After a welcome was sent; takes @p socket.
        virtual void take(int socket, Hello const& hello, std::uint16_t version) = 0;
    };

    /// `precondition`: the address is not this host's, or the port is taken. Port 0: any.
    static outcome::Result<std::unique_ptr<Door>> open(asio::io_context& context, std::string const& address,
                                                       std::uint16_t port, Owner& owner);
    ~Door(); ///< nobody is let in any more. REQUIRES: the io_context does not run, or this is its thread

    [[nodiscard]] std::uint16_t port() const;

  private:
    struct State;
    explicit Door(std::shared_ptr<State> state) : state_{std::move(state)} {}
    std::shared_ptr<State> state_; ///< shared with the coroutines
};

} // namespace net
