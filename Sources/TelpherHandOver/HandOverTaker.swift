internal import Glibc
package import TelpherSockets
package import TelpherTransport

/// The side of the new process: takes the listening sockets of a running server over. Its calls
/// block.
package final class HandOverTaker {
  /// A failure, with a message for the user.
  package struct Failure: Error {
    /// What failed, and why.
    package let message: String
  }

  /// How long a server may take to answer, in nanoseconds. It answers on a thread of its own.
  private static let answerLimit: UInt64 = 10_000_000_000

  private let channel: HandOverChannel
  /// The server's process id, for messages.
  private let server: String
  /// What was offered; a descriptor is nil once its socket is used.
  private var offered: [(held: HeldSocket, descriptor: Int32?)]
  private var taken: [(index: Int, socket: ListeningSocket)] = []

  /// Finds the server of this user that listens at one of `addresses`, and asks it for its sockets.
  ///
  /// - Returns: nil if no server says that it listens there. A server that does not answer may still
  ///   do so; then its addresses can't be used.
  /// - Throws: `Failure` if the addresses belong to several servers, or if the server refuses.
  package static func find(_ addresses: [SocketAddress]) throws(Failure) -> HandOverTaker? {
    var found: [HandOverChannel] = []
    for channel in HandOverPost.all() {
      guard channel.send(.ask) else { continue }
      guard case .holds(let sockets)? = channel.receive(within: answerLimit)?.message else {
        continue
      }
      if sockets.contains(where: { socket in addresses.contains(where: socket.isMeant) }) {
        found.append(channel)
      }
    }
    guard let channel = found.first else { return nil }
    guard found.count == 1 else {
      let list = found.map { "\($0.peer)" }.joined(separator: " and ")
      throw Failure(
        message:
          "these addresses belong to several servers (processes \(list)); replace one at a time")
    }
    return try HandOverTaker(channel, server: "process \(channel.peer)")
  }

  /// Asks the server at the other end of `channel` for its sockets.
  ///
  /// - Parameter server: its name for messages.
  /// - Throws: `Failure`.
  package init(_ channel: HandOverChannel, server: String) throws(Failure) {
    self.channel = channel
    self.server = server
    offered = []
    guard channel.send(.take) else { throw gone }
    let answer = channel.receive(within: Self.answerLimit)
    switch answer?.message {
    case .offers(let sockets) where sockets.count == answer?.descriptors.count:
      offered = zip(sockets, answer?.descriptors ?? []).map { ($0, $1) }
    case .refuses(let reason):
      throw Failure(message: "the server (\(server)) can't be replaced: \(reason)")
    default:
      answer?.descriptors.forEach { close($0) }
      throw gone
    }
  }

  deinit {
    for case (_, let descriptor?) in offered { close(descriptor) }
  }

  private var gone: Failure {
    Failure(message: "the server (\(server)) has ended or does not answer; it was not replaced")
  }

  /// The socket for an address that this process is asked to listen at; nil if the server has none.
  ///
  /// - Parameter isSameRequest: whether this process was started with the server's own arguments, so
  ///   that port 0 means the port that the system has chosen for the server.
  package func socket(
    for address: SocketAddress, backlog: Int32, isSameRequest: Bool
  ) throws(Failure) -> ListeningSocket? {
    let found = offered.firstIndex { held, descriptor in
      descriptor != nil
        && (held.isMeant(by: address) || isSameRequest && held.asked == address.description)
    }
    guard let index = found, let descriptor = offered[index].descriptor else { return nil }
    let held = offered[index].held
    let real: SocketAddress
    do throws(TransportError) {
      // The path by which this process knows the file may be another one.
      if case .unix = address {
        real = address
      } else {
        real = try SocketAddress(parsing: held.address)
      }
    } catch {
      throw Failure(
        message: "the server (\(server)) has an address that is not known here: \(error.message)")
    }
    offered[index].descriptor = nil
    let socket = ListeningSocket(
      adopting: descriptor, at: real, backlog: backlog, file: held.file)
    taken.append((index, socket))
    return socket
  }

  /// Tells the server that everything is prepared, and waits until this process may serve. After
  /// that it must serve: the server may stop to accept connections at any time.
  ///
  /// - Throws: `Failure` if it must not: the server goes on.
  package func ready() throws(Failure) {
    guard channel.send(.ready(taken: taken.map(\.index))) else { throw gone }
    switch channel.receive(within: Self.answerLimit)?.message {
    case .go: break
    case .refuses(let reason):
      throw Failure(message: "the server (\(server)) can't be replaced: \(reason)")
    default: throw gone
    }
  }

  /// Tells the server that this process accepts connections. The files of the sockets are this
  /// process's from now on.
  package func serves() {
    for (_, socket) in taken { socket.setOwnsFile(true) }
    // If the server has ended meanwhile, this process has its sockets all the same.
    _ = channel.send(.serves)
  }
}
