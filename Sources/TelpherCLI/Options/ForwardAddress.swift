internal import ArgumentParser
internal import TelpherTransport

/// An address as `forward` takes it: `[HOST:]PORT`, `tcp:HOST:PORT` or `unix:PATH`. Without a host it
/// means the loopback interface.
struct ForwardAddress: Equatable {
  private enum Form: Equatable {
    case port(UInt16)
    case whole(SocketAddress)
  }

  private let form: Form

  /// The address to listen at. A port alone can be reached from its own machine only.
  var toListen: SocketAddress {
    switch form {
    case .port(let port): .tcp(host: "127.0.0.1", port: port)
    case .whole(let address): address
    }
  }

  /// The address to listen at on the server. A port alone becomes `localhost`, as with ssh(1): for
  /// `permitlisten` in authorized_keys, `127.0.0.1` is another host.
  var toListenAtServer: SocketAddress {
    switch form {
    case .port(let port): .tcp(host: "localhost", port: port)
    case .whole(let address): address
    }
  }

  /// The address to connect to.
  var toConnect: SocketAddress {
    switch form {
    case .port(let port): .tcp(host: "localhost", port: port)
    case .whole(let address): address
    }
  }

  /// Whether it has port 0, which only a listener can use.
  var hasNoPort: Bool {
    if case .tcp(_, 0) = toConnect { true } else { false }
  }

  /// Reads an address.
  static func parse(_ text: String) throws -> ForwardAddress {
    if let port = UInt16(text) { return ForwardAddress(form: .port(port)) }
    let isWhole = text.hasPrefix("unix:") || text.hasPrefix("tcp:")
    do throws(TransportError) {
      return ForwardAddress(
        form: .whole(try SocketAddress(parsing: isWhole ? text : "tcp:\(text)")))
    } catch {
      throw ValidationError(
        "'\(text)' is not an address: write PORT, HOST:PORT or unix:PATH, and an IPv6 host in brackets"
      )
    }
  }
}
