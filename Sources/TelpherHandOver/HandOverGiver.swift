internal import CTelpherSys
internal import Glibc
package import TelpherSockets
package import TelpherTransport

/// The side of a running server: offers its listening sockets to a process that asks for them, and
/// stays their owner until that process serves. Its methods may be called from any thread.
package final class HandOverGiver: Sendable {
  /// What happens, for the log.
  package enum Event: Sendable, Equatable {
    /// A process has asked for the sockets, and prepares to serve.
    case offered(Int32)
    /// That process is gone, or has not been ready in time, and this server goes on.
    case failed(Int32)
  }

  /// A socket to hand over.
  package struct Socket: Sendable {
    /// The socket.
    package let socket: ListeningSocket
    let asked: SocketAddress

    /// - Parameter asked: the address that the server was asked to listen at.
    package init(_ socket: ListeningSocket, asked: SocketAddress) {
      self.socket = socket
      self.asked = asked
    }

    var held: HeldSocket {
      HeldSocket(
        address: socket.address.description, asked: asked.description, file: socket.fileIdentity)
    }
  }

  /// How long a process may take until it is ready, in nanoseconds: it starts, reads its files and
  /// binds further addresses.
  private static let readyLimit: UInt64 = 60_000_000_000
  /// How long a process that is connected may be silent before that.
  private static let askLimit: UInt64 = 10_000_000_000
  /// The most processes that are connected at once.
  private static let maxConversations = 16

  private let sockets: [Socket]
  private let state = Monitor(HandOverState.serving)
  private let conversations = Monitor(0)
  /// The listening descriptor of the post; nil after `end()`.
  private let post = Monitor<Int32?>(nil)
  private let report: @Sendable (Event) -> Void
  private let successors: AsyncStream<Int32>
  private let didHandOver: AsyncStream<Int32>.Continuation

  /// - Parameter report: called from other threads.
  package init(_ sockets: [Socket], report: @escaping @Sendable (Event) -> Void) {
    self.sockets = sockets
    self.report = report
    (successors, didHandOver) = AsyncStream.makeStream(of: Int32.self)
  }

  /// Why this server can't be replaced; nil if it can.
  package var obstacle: String? {
    // The kernel ends all processes of a PID namespace with its first one.
    if getpid() == 1 {
      return
        "it is process 1, whose end ends the container: run it under an init such as 'docker run --init'"
    }
    let limit = Int(TELPHER_MESSAGE_DESCRIPTORS)
    return sockets.count > limit ? "it listens at more than \(limit) addresses" : nil
  }

  /// Begins to wait for processes that ask for the sockets.
  ///
  /// - Returns: 0, or the error number of the failure.
  package func open() -> Int32 {
    let descriptor = HandOverPost.open()
    guard descriptor >= 0 else { return -descriptor }
    post.withLock { $0 = descriptor }
    let error = startThread { [self] in
      while let channel = HandOverPost.accept(descriptor) { begin(channel) }
      close(descriptor)
    }
    if error != 0 { close(descriptor) }
    return error
  }

  /// Handles a connected process on a thread of its own. Drops the connection if too many are open.
  ///
  /// - Parameter wasStarted: whether the process was started to take the sockets, so that it is a
  ///   failure if it does not ask for them.
  package func begin(_ channel: HandOverChannel, wasStarted: Bool = false) {
    let isAdmitted = conversations.withLock { count in
      guard count < Self.maxConversations else { return false }
      count += 1
      return true
    }
    guard isAdmitted else { return }
    let error = startThread { [self] in
      if !converse(channel), wasStarted { report(.failed(channel.peer)) }
      conversations.withLock { $0 -= 1 }
    }
    if error != 0 { conversations.withLock { $0 -= 1 } }
  }

  /// Waits until another process has the sockets.
  ///
  /// - Returns: its process id; nil if the task was canceled.
  package func handedOver() async -> Int32? {
    var iterator = successors.makeAsyncIterator()
    return await iterator.next()
  }

  /// The server begins to end: hands nothing over any more. A process that may serve already keeps
  /// the sockets.
  package func end() {
    _ = state.withLock { $0.end() }
    closePost()
  }

  private func closePost() {
    let descriptor = post.withLock { post in
      defer { post = nil }
      return post
    }
    // Its thread closes it.
    if let descriptor { shutdown(descriptor, Int32(SHUT_RDWR)) }
  }

  // MARK: A conversation

  /// - Returns: whether the process has asked for the sockets.
  private func converse(_ channel: HandOverChannel) -> Bool {
    while let (message, descriptors) = channel.receive(within: Self.askLimit) {
      descriptors.forEach { close($0) }
      switch message {
      case .ask: guard channel.send(.holds(sockets: sockets.map(\.held))) else { return false }
      case .take:
        offer(over: channel)
        return true
      case .holds, .offers, .ready, .go, .serves, .refuses: return false
      }
    }
    return false
  }

  private func offer(over channel: HandOverChannel) {
    let process = channel.peer
    if let reason = obstacle ?? state.withLock({ $0.take(by: process) }) {
      _ = channel.send(.refuses(reason: reason))
      return
    }
    report(.offered(process))
    guard let taken = waitUntilReady(channel) else { return giveUp(process) }
    if let reason = state.withLock({ $0.ready() }) {
      _ = channel.send(.refuses(reason: reason))
      return
    }
    // From here on the other process may remove the files at its end.
    for index in taken { sockets[index].socket.setOwnsFile(false) }
    // No limit: the process may be stopped now and serve later.
    guard channel.send(.go), case .serves? = channel.receive(within: nil)?.message else {
      for index in taken { sockets[index].socket.setOwnsFile(true) }
      return giveUp(process)
    }
    state.withLock { $0.serves() }
    closePost()
    didHandOver.yield(process)
  }

  /// Sends the sockets and waits for the process that got them.
  ///
  /// - Returns: the indices of the sockets that it uses; nil if it is gone.
  private func waitUntilReady(_ channel: HandOverChannel) -> Set<Int>? {
    let descriptors = sockets.map { $0.socket.duplicate() }
    defer { for descriptor in descriptors where descriptor >= 0 { close(descriptor) } }
    guard descriptors.allSatisfy({ $0 >= 0 }),
      channel.send(.offers(sockets: sockets.map(\.held)), descriptors),
      case .ready(let taken)? = channel.receive(within: Self.readyLimit)?.message,
      taken.allSatisfy(sockets.indices.contains)
    else { return nil }
    return Set(taken)
  }

  private func giveUp(_ process: Int32) {
    state.withLock { $0.didLeave() }
    report(.failed(process))
  }
}
