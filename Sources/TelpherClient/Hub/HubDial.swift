package import TelpherForward
package import TelpherTransport

/// Keeps a server of this process registered at a hub: dials, registers its name, and dials again when
/// the connection is lost.
package struct HubDial: Sendable {
  /// What happens to the registration.
  package enum Event: Sendable {
    /// The name is registered.
    case registered
    /// It is not, for this reason; the next attempt is after the pause.
    case failed(String, next: Duration)
  }

  private let name: HubName
  private let connect: @Sendable () async throws -> Connection
  private let admit: @Sendable (PairedStream) -> Void
  private let report: @Sendable (Event) -> Void

  /// - Parameters:
  ///   - connect: connects to the hub, on the loop of the server.
  ///   - admit: called on that loop with each connection.
  ///   - report: called with what the user should know.
  package init(
    _ name: HubName, connect: @escaping @Sendable () async throws -> Connection,
    admit: @escaping @Sendable (PairedStream) -> Void,
    report: @escaping @Sendable (Event) -> Void
  ) {
    (self.name, self.connect, self.admit, self.report) = (name, connect, admit, report)
  }

  /// Dials until the task is canceled.
  ///
  /// - Throws: the error of the first attempt, if the hub refuses this client or the name, or can't be
  ///   trusted or named: that does not pass by itself. Later such an attempt is only reported.
  package func run() async throws {
    var pauses = HubPauses()
    var hasRegistered = false
    while !Task.isCancelled {
      let (error, isRefusal): (any Error, Bool)
      do {
        switch try await connect().present(as: name, admit: admit, didRegister: registered) {
        case .left: return
        case .askedToLeave:
          hasRegistered = true
          try? await Task.sleep(for: HubPauses.afterReplacement)
          continue
        case .refused(let why, let wasRegistered):
          (error, isRefusal) = (why, true)
          hasRegistered = hasRegistered || wasRegistered
        case .failed(let why, let wasRegistered):
          (error, isRefusal) = (why, !Self.mayPass(why))
          hasRegistered = hasRegistered || wasRegistered
          if wasRegistered { pauses.didRegister() }
        }
      } catch is CancellationError {
        return
      } catch let why {
        (error, isRefusal) = (why, !Self.mayPass(why))
      }
      if isRefusal, !hasRegistered { throw error }
      let pause = pauses.pause(isRefusal: isRefusal, fraction: .random(in: 0...1))
      report(.failed((error as? ClientError)?.message ?? "\(error)", next: pause))
      do { try await Task.sleep(for: pause) } catch { return }
    }
  }

  private func registered() { report(.registered) }

  /// Whether an attempt to connect may succeed later without a change by the user.
  private static func mayPass(_ error: any Error) -> Bool {
    guard let error = error as? ClientError else { return false }
    return error.code != .notAuthenticated && error.code != .badAddress
  }
}
