internal import Glibc
internal import Logging
internal import TelpherHandOver
internal import TelpherServer
internal import TelpherSockets
internal import TelpherTransport

/// The server that this one is to replace, if any: the one that the user names by its addresses
/// (`--replace`), or the one that has started this process (`Successor`).
struct Predecessor {
  /// The variable with the number of the descriptor over which a server hands its sockets to the
  /// process that it has started.
  static let variable = "TELPHER_HAND_OVER"

  private enum Source {
    case none
    case listening
    case parent(HandOverChannel)
  }

  private let source: Source

  /// Called before there are other threads: it changes the environment.
  ///
  /// - Parameter replaces: whether the user has asked for it.
  init(replaces: Bool) {
    if let text = getenv(Self.variable), let descriptor = Int32(String(cString: text)) {
      unsetenv(Self.variable)
      _ = fcntl(descriptor, F_SETFD, FD_CLOEXEC)
      source = .parent(HandOverChannel(descriptor, peer: getppid()))
    } else {
      source = replaces ? .listening : .none
    }
  }

  /// Throws `Failure` if a server is to be replaced, which is not possible for this reason.
  func refuse(_ reason: String) throws(Failure) {
    if case .none = source { return }
    throw Failure("no server can be replaced: \(reason)")
  }

  /// Finds the server, and asks it for its sockets.
  ///
  /// - Returns: nil if there is none to replace.
  /// - Throws: `Failure` if the server can't be replaced.
  func find(at addresses: [SocketAddress], _ logger: Logger) throws(Failure) -> SocketTaker? {
    if case .listening = source {
      for address in addresses {
        switch address {
        case .tcp(_, 0), .vsock(_, 0):
          throw Failure(
            "--replace can't find a server by port 0: name the port at which it listens")
        case .unix, .tcp, .vsock: break
        }
      }
    }
    do throws(HandOverTaker.Failure) {
      switch source {
      case .none: return nil
      case .parent(let channel):
        return SocketTaker(
          taker: try HandOverTaker(channel, server: "process \(channel.peer)"),
          isSameRequest: true)
      case .listening:
        guard let taker = try HandOverTaker.find(addresses) else {
          logger.info("found no server to replace; starting as without --replace")
          return nil
        }
        return SocketTaker(taker: taker, isSameRequest: false)
      }
    } catch {
      throw Failure(error.message)
    }
  }
}

/// Takes the sockets of a server over, with its failures as those of this program.
struct SocketTaker {
  fileprivate let taker: HandOverTaker
  /// Whether this process was started with the server's own arguments.
  fileprivate let isSameRequest: Bool

  /// The server's socket for `address`; nil if it has none.
  func socket(for address: SocketAddress) throws(Failure) -> ListeningSocket? {
    do throws(HandOverTaker.Failure) {
      return try taker.socket(
        for: address, backlog: Server.backlog, isSameRequest: isSameRequest)
    } catch {
      throw Failure(error.message)
    }
  }

  /// Waits until this process may serve. After that it must.
  func ready() throws(Failure) {
    do throws(HandOverTaker.Failure) { try taker.ready() } catch { throw Failure(error.message) }
  }

  /// Tells the server that this process serves.
  func serves() { taker.serves() }
}
