internal import Glibc
internal import Logging
internal import TelpherServer
internal import TelpherTransport

/// A server that signals can end.
protocol EndableServer: Sendable {
  /// Accepts nothing new, and returns when running commands and transfers have ended.
  func endInOrder() async
  /// Ends commands and transfers now, so that a pending `endInOrder()` returns.
  func endAtOnce() async
  /// The commands and transfers that `endInOrder()` waits for, as text for a log line; nil if there
  /// are none.
  var remaining: String? { get }
}

extension Server: EndableServer {
  func endInOrder() async { await drain() }
  func endAtOnce() async { await stop() }
  var remaining: String? {
    let (connections, commands) = load
    guard connections > 0 || commands > 0 else { return nil }
    let limit =
      drainLimit < 1_000_000_000
      ? "\(drainLimit / 1_000_000) ms" : "\(drainLimit / 1_000_000_000) s"
    return
      "\(Amount.count(commands, "running command")) and the transfers of \(Amount.count(connections, "connection")), for \(limit) at most"
  }
}

/// The signals that end a server: the first lets commands finish, the second ends them at once.
struct ServerSignals {
  private let numbers: AsyncStream<Int32>

  /// The delay between a SIGCHLD and the search for orphans, in nanoseconds. One search serves all
  /// signals of that time, because each search reads the list of all processes.
  private static let reapDelay: UInt64 = 100_000_000

  /// Watches the signals from now on until the process ends.
  ///
  /// - Parameter reapOrphans: called on `loop`, `reapDelay` after a child has ended; it returns
  ///   whether it must be called again.
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

  /// Waits for the first signal and ends the server in order, or returns when `end` returns.
  func run(
    until end: (@Sendable () async -> Void)?, ending server: any EndableServer, _ logger: Logger
  ) async {
    await withTaskGroup { group in
      group.addTask {
        guard let number = await next() else { return }
        let waiting =
          server.remaining.map {
            "; waiting for \($0); a second Ctrl-C or SIGTERM ends them at once"
          } ?? ""
        logger.info(
          "ending: nothing new is accepted\(waiting)", metadata: ["signal": "\(number)"])
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

/// What a server does at SIGHUP: it opens its audit file again, so that the file can be rotated, and
/// reads the client certificates again.
struct Hangup: Sendable {
  /// The certificates; nil without TLS.
  var tls: (settings: ServedTLS, opened: ServedTLS.Opened)?
  var audit: AuditLog?

  /// Watches the signal from now on. Without TLS and an audit log the signal ends the server, as it
  /// ends other programs.
  func watch(on loop: any EventLoop, _ logger: Logger) {
    guard tls != nil || audit != nil else { return }
    loop.execute {
      _ = try? loop.watch(signal: SIGHUP) {
        if let tls { tls.settings.reload(tls.opened, logger) }
        do throws(AuditLog.Failure) {
          try audit?.reopen()
        } catch {
          logger.error("cannot open the audit file again", metadata: ["why": "\(error.message)"])
        }
      }
    }
  }
}

/// Resets the signal mask and dispositions that this process inherited: its parent may have blocked
/// or ignored signals that this program needs.
enum InheritedSignals {
  /// Signals that stay ignored if they were inherited so: with nohup(1) or a shell's background
  /// job, the parent wants this process to outlive its terminal.
  private static let kept = [SIGHUP, SIGINT, SIGQUIT, SIGTSTP, SIGTTIN, SIGTTOU]
  /// Signals that a failed write causes: to a closed connection, and past the limit of a file's
  /// size. They are ignored, so that the write fails with EPIPE or EFBIG and the process does not
  /// end.
  private static let errors = [SIGPIPE, SIGXFSZ]

  /// Unblocks all signals. Called on the first thread before there are others: they inherit its
  /// mask.
  static func unblockAll() {
    var none = sigset_t()
    sigemptyset(&none)
    pthread_sigmask(SIG_SETMASK, &none, nil)
  }

  /// Gives each signal the disposition that a server needs. SIGINT and SIGTERM are caught later.
  static func setDispositions() {
    for number in 1..<firstRealTimeSignal where number != SIGKILL && number != SIGSTOP {
      if errors.contains(number) {
        signal(number, SIG_IGN)
      } else if !kept.contains(number) {
        signal(number, SIG_DFL)
      }
    }
  }

  /// The first real-time signal (signal(7)); these have no predefined meaning.
  private static let firstRealTimeSignal: Int32 = 32
}
