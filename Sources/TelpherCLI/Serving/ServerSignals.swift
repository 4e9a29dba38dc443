internal import Glibc
internal import Logging
internal import TelpherServer
internal import TelpherTransport

/// What signals end.
protocol EndableServer: Sendable {
  /// Takes nothing new, brings what is under way to its end, and returns when nothing is left.
  func endInOrder() async
  /// Makes an `endInOrder()` that is under way end at once.
  func endAtOnce() async
  /// What `endInOrder()` would wait for now, for a person.
  var remaining: String { get }
}

extension Server: EndableServer {
  func endInOrder() async { await drain() }
  func endAtOnce() async { await stop() }
  var remaining: String {
    let (connections, commands) = load
    return
      "\(commands) running commands and the transfers of \(connections) connections, for \(drainLimit / 1_000_000_000) s at most"
  }
}

/// The signals that end a server: the first lets commands finish, the second does not.
struct ServerSignals {
  private let numbers: AsyncStream<Int32>

  /// Orphans are waited for so long after a SIGCHLD, together: each time costs a look at all
  /// processes.
  private static let reapDelay: UInt64 = 100_000_000

  /// Takes the signals from now on, for the rest of the process's life.
  ///
  /// - Parameter reapOrphans: called on `loop` some time after children have ended.
  static func watch(
    on loop: any EventLoop, reapOrphans: (@Sendable () -> Bool)?
  ) -> ServerSignals {
    let (numbers, continuation) = AsyncStream.makeStream(of: Int32.self)
    loop.execute {
      for number in [SIGINT, SIGTERM] {
        _ = try? loop.watch(signal: number) { continuation.yield(number) }
      }
      guard let reapOrphans else { return }
      var isScheduled = false
      func schedule() {
        guard !isScheduled else { return }
        isScheduled = true
        _ = loop.schedule(after: reapDelay) {
          isScheduled = false
          if reapOrphans() { schedule() }
        }
      }
      _ = try? loop.watch(signal: SIGCHLD) { schedule() }
    }
    return ServerSignals(numbers: numbers)
  }

  /// Waits for the first signal, or for `end`, and ends the server.
  func run(
    until end: (@Sendable () async -> Void)?, ending server: any EndableServer, _ logger: Logger
  ) async {
    await withTaskGroup { group in
      group.addTask {
        guard let number = await next() else { return }
        logger.info(
          "ending: nothing new is taken; waits for \(server.remaining); a second Ctrl-C or SIGTERM ends them at once",
          metadata: ["signal": "\(number)"])
        await withTaskGroup { group in
          group.addTask { await server.endInOrder() }
          group.addTask {
            guard let number = await next() else { return }
            logger.info("ending at once", metadata: ["signal": "\(number)"])
            await server.endAtOnce()
          }
          await group.next()
          group.cancelAll()
        }
      }
      if let end { group.addTask { await end() } }
      await group.next()
      group.cancelAll()
    }
  }

  private func next() async -> Int32? {
    var iterator = numbers.makeAsyncIterator()
    return await iterator.next()
  }
}
