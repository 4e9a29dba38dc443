package import TelpherFleet
package import TelpherNATS

extension FleetError {
  /// The error of a fleet for one of the broker's client.
  package init(_ error: NATSError) {
    let code: Code =
      switch error.code {
      case .unreachable, .notSent, .noResponders, .closed: .unreachable
      case .disconnected, .timedOut, .canceled: .uncertain
      case .notAuthorized, .notPermitted: .refused
      case .refused:
        switch error.number {
        case NATSError.Number.noStream, NATSError.Number.noConsumer: .absent
        case let number where NATSError.Number.temporary.contains(number): .unreachable
        default: .refused
        }
      case .tooLarge: .tooLarge
      case .badAddress: .invalid
      case .violation: .broken
      }
    self.init(code, error.message)
  }
}

/// Calls the broker's client, with its errors as those of a fleet.
func fleet<Value>(
  _ body: () async throws(NATSError) -> Value
) async throws(FleetError) -> Value {
  do throws(NATSError) { return try await body() } catch { throw FleetError(error) }
}
